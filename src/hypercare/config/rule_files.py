"""Rule files: groups of recording and alerting rules."""

import re
from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, Field, model_validator

from hypercare.config.base import Duration, LabelMap, StrictModel, refuse

Groups = tuple[tuple[str, ...], ...]
_METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)


def _rule_label(labels: dict[str, str]) -> dict[str, str]:
    if "__name__" in labels:
        raise refuse("__name__ cannot be set by a rule's labels", "__name__", hint="record gives the name")
    return labels


RuleLabels = Annotated[LabelMap, AfterValidator(_rule_label)]


class Rule(StrictModel):
    """A recording rule (``record``) or an alerting rule (``alert``).

    Attributes:
        expr: PromQL; checked when the file is loaded.
        for_: how long the expression must hold before the alert fires, ms.
        keep_firing_for: how long the alert goes on after that, ms.

    """

    exclusive: ClassVar[Groups] = (("record", "alert"),)
    required_one: ClassVar[Groups] = (("record", "alert"), ("expr",))

    record: str = ""
    alert: str = ""
    expr: str = ""
    for_: Duration = Field(default=0, alias="for")
    keep_firing_for: Duration = 0
    labels: RuleLabels = Field(default_factory=dict)
    annotations: LabelMap = Field(default_factory=dict)

    @model_validator(mode="after")
    def _recording(self) -> Self:
        if not self.record:
            return self
        for name, key in (("annotations", "annotations"), ("for_", "for"), ("keep_firing_for", "keep_firing_for")):
            if getattr(self, name):
                msg = f"a recording rule takes no {key}"
                raise refuse(msg, key)
        if "{" in self.record or "}" in self.record:
            msg = f"braces in the name of a recording rule: {self.record}"
            raise refuse(msg, "record", hint="put it into expr?")
        return self

    @property
    def name(self) -> str:
        """What the rule is called."""
        return self.record or self.alert

    @property
    def is_legacy_name(self) -> bool:
        """Whether a recording rule's name fits the classic rule for metric names."""
        return _METRIC_NAME.fullmatch(self.record) is not None


class RuleGroup(StrictModel):
    """Rules evaluated one after the other.

    Attributes:
        interval: ms; 0: the global evaluation interval.
        query_offset: ms; none: the global one.
        limit: how many alerts or series one rule may yield; 0: any number.

    """

    name: str = Field(min_length=1)
    interval: Duration = 0
    query_offset: Duration | None = None
    limit: int = 0
    rules: tuple[Rule, ...] = ()
    labels: RuleLabels = Field(default_factory=dict)


class RuleGroups(StrictModel):
    """The content of a rule file."""

    groups: tuple[RuleGroup, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        seen: set[str] = set()
        for index, group in enumerate(self.groups):
            if group.name in seen:
                msg = f"two groups of this file have the name {group.name!r}"
                raise refuse(msg, "groups", index, "name")
            seen.add(group.name)
        return self


class RuleFile(RuleGroups):
    """A rule file and where it was read from."""

    path: str = ""
