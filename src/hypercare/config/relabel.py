"""The ``relabel_configs`` of Prometheus, checked as Prometheus checks them."""

import re
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from hypercare.config.base import LabelName, Regex, StrictModel, is_legacy_label_name, refuse
from hypercare.model.relabel import (
    DEFAULT_REGEX,
    DEFAULT_REPLACEMENT,
    DEFAULT_SEPARATOR,
    RelabelAction,
    RelabelRule,
)

NameScheme = Literal["", "utf8", "legacy"]

_REFERENCE: Final = re.compile(r"\$(?:\{\w+\}|\w+)", re.ASCII)
_NEEDS_TARGET: Final = frozenset(
    {"replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal"},
)


def is_legacy_target(text: str) -> bool:
    """Whether the text is a target label with ``$1`` in it whose other characters fit the classic name rule."""
    filled = _REFERENCE.sub("x", text)
    return is_legacy_label_name(filled)


class RelabelConfig(StrictModel):
    """One relabelling rule as written; ``rule`` is what the engine applies."""

    keep_null: ClassVar[frozenset[str]] = frozenset({"action", "regex"})

    source_labels: tuple[LabelName, ...] = ()
    separator: str = DEFAULT_SEPARATOR
    regex: Regex = DEFAULT_REGEX
    modulus: int = Field(default=0, ge=0, lt=1 << 64)
    target_label: str = ""
    replacement: str = DEFAULT_REPLACEMENT
    action: RelabelAction = RelabelAction.REPLACE

    @model_validator(mode="before")
    @classmethod
    def _nulls(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        found = dict(data)
        if "action" in found and not found["action"]:
            raise refuse("the action cannot be empty", "action", hint=f"one of {', '.join(RelabelAction)}")
        if isinstance(found.get("action"), str):
            found["action"] = found["action"].lower()
        if "regex" in found and found["regex"] is None:
            found["regex"] = ""
        return found

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> Self:
        scheme = (info.context or {}).get("name_scheme", "") if isinstance(info.context, dict) else ""
        self.check(scheme)
        return self

    def check(self, scheme: str = "") -> None:
        """Prometheus' rules about which keys an action needs and forbids.

        Raises:
            PydanticCustomError: a rule is broken.
        """
        action = str(self.action)
        if action == "hashmod" and not self.modulus:
            raise refuse("hashmod needs a modulus greater than zero", "modulus")
        if action in _NEEDS_TARGET and not self.target_label:
            msg = f"the action {action} needs a target_label"
            raise refuse(msg, "target_label")
        if scheme == "legacy" and self.target_label:
            fits = is_legacy_target if action == "replace" else is_legacy_label_name
            if not fits(self.target_label):
                msg = f"{self.target_label!r} is not a valid target_label for {action}"
                raise refuse(msg, "target_label")
        if action in {"lowercase", "uppercase"} and self.replacement != DEFAULT_REPLACEMENT:
            msg = f"the action {action} takes no replacement"
            raise refuse(msg, "replacement")
        if action in {"keepequal", "dropequal"}:
            self._only(action, {"source_labels", "target_label"})
        if action in {"labeldrop", "labelkeep"}:
            self._only(action, {"regex"})
        if action == "labelmap" and scheme == "legacy" and not is_legacy_target(self.replacement):
            msg = f"{self.replacement!r} is not a valid replacement for labelmap"
            raise refuse(msg, "replacement")

    def _only(self, action: str, allowed: set[str]) -> None:
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        for name in ("source_labels", "separator", "regex", "modulus", "target_label", "replacement"):
            if name not in allowed and getattr(self, name) != defaults[name]:
                msg = f"the action {action} takes {' and '.join(sorted(allowed))} only, not {name}"
                raise refuse(msg, name)

    @property
    def rule(self) -> RelabelRule:
        """The rule for ``hypercare.model.relabel``."""
        return RelabelRule(
            action=self.action,
            source_labels=self.source_labels,
            separator=self.separator,
            regex=self.regex,
            modulus=self.modulus,
            target_label=self.target_label,
            replacement=self.replacement,
        )


RelabelConfigs = tuple[RelabelConfig, ...]


def rules_of(configs: RelabelConfigs) -> tuple[RelabelRule, ...]:
    """The engine's rules."""
    return tuple(config.rule for config in configs)
