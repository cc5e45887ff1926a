"""Relabelling: rules that rewrite, keep or drop label sets, with Prometheus' meaning.

Source: Prometheus' documentation of ``<relabel_config>``; replacement texts follow Go's ``Regexp.Expand``.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hypercare.model.labels import Labels
from hypercare.model.matchers import compile_anchored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_Part: TypeAlias = "str | int"


class RelabelAction(enum.StrEnum):
    """What a rule does."""

    REPLACE = "replace"
    KEEP = "keep"
    DROP = "drop"
    KEEPEQUAL = "keepequal"
    DROPEQUAL = "dropequal"
    HASHMOD = "hashmod"
    LABELMAP = "labelmap"
    LABELDROP = "labeldrop"
    LABELKEEP = "labelkeep"
    LOWERCASE = "lowercase"
    UPPERCASE = "uppercase"


DEFAULT_REGEX: Final = "(.*)"
DEFAULT_SEPARATOR: Final = ";"
DEFAULT_REPLACEMENT: Final = "$1"


@dataclasses.dataclass(frozen=True, slots=True)
class RelabelRule:
    """One rule.

    Attributes:
        source_labels: their values, joined by ``separator``, are what ``regex`` must match as a whole.
        modulus: of ``hashmod``.
        target_label: may hold ``$1`` in a ``replace`` rule.

    Raises:
        ValueError: ``regex`` is not valid RE2.
    """

    action: RelabelAction = RelabelAction.REPLACE
    source_labels: tuple[str, ...] = ()
    separator: str = DEFAULT_SEPARATOR
    regex: str = DEFAULT_REGEX
    modulus: int = 0
    target_label: str = ""
    replacement: str = DEFAULT_REPLACEMENT

    def __post_init__(self) -> None:
        compile_anchored(self.regex)


_REFERENCE: Final = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


@functools.lru_cache(maxsize=4096)
def _template(text: str, pattern: str) -> tuple[_Part, ...]:
    """A replacement text as literal texts and group numbers (-1: a group that does not exist)."""
    compiled: Any = compile_anchored(pattern)
    names: dict[str, int] = dict(compiled.groupindex)
    parts: list[_Part] = []
    end = 0
    for match in _REFERENCE.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        name = match[2] or match[3]
        if match[1]:
            parts.append("$")
        elif name.isascii() and name.isdigit() and (name == "0" or name[0] != "0"):
            number = int(name) if len(name) < 9 else -1
            parts.append(number if number <= compiled.groups else -1)
        else:
            parts.append(names.get(name, -1))
    parts.append(text[end:])
    return tuple(part for part in parts if part != "")


def expand(text: str, pattern: str, match: Any) -> str:
    """The replacement text with ``$1``, ``${1}``, ``$name`` and ``${name}`` filled in; unknown groups are empty.

    Args:
        text: the replacement; ``$$`` is a dollar sign, and ``$1x`` is the group named ``1x``.
        pattern: the expression that was matched.
        match: what it found.
    """
    if "$" not in text:
        return text
    return "".join(
        part if isinstance(part, str) else (match.group(part) or "") if part >= 0 else ""
        for part in _template(text, pattern)
    )


def _hash(value: str, modulus: int) -> str:
    digest = hashlib.md5(value.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return str(int.from_bytes(digest[8:], "big") % modulus) if modulus else ""


def _set(labels: dict[str, str], name: str, value: str) -> None:
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)


def _replace(rule: RelabelRule, labels: dict[str, str], value: str) -> None:
    # A rule without sources, groups or conditions sets a constant; it needs no regex.
    match = compile_anchored(rule.regex).search(value)
    if match is None:
        return
    target = expand(rule.target_label, rule.regex, match)
    if target:
        _set(labels, target, expand(rule.replacement, rule.regex, match))


def _label_names(rule: RelabelRule, labels: dict[str, str]) -> None:
    """The actions that look at names instead of values."""
    compiled = compile_anchored(rule.regex)
    if rule.action is RelabelAction.LABELMAP:
        for name, value in sorted(labels.items()):
            match = compiled.search(name)
            if match is not None:
                target = expand(rule.replacement, rule.regex, match)
                if target:
                    labels[target] = value
        return
    drop = rule.action is RelabelAction.LABELDROP
    for name in list(labels):
        if (compiled.search(name) is not None) == drop:
            del labels[name]


_BY_NAME: Final = frozenset({RelabelAction.LABELMAP, RelabelAction.LABELDROP, RelabelAction.LABELKEEP})
_CONDITIONS: Final = frozenset(
    {RelabelAction.KEEP, RelabelAction.DROP, RelabelAction.KEEPEQUAL, RelabelAction.DROPEQUAL}
)


def _keeps(rule: RelabelRule, labels: dict[str, str], value: str) -> bool:
    if rule.action is RelabelAction.KEEPEQUAL:
        return labels.get(rule.target_label, "") == value
    if rule.action is RelabelAction.DROPEQUAL:
        return labels.get(rule.target_label, "") != value
    found = compile_anchored(rule.regex).search(value) is not None
    return found == (rule.action is RelabelAction.KEEP)


def apply_to_dict(rules: Sequence[RelabelRule], labels: dict[str, str]) -> bool:
    """Rewrite a dict in place; false: the set is dropped (and the dict is in no particular state)."""
    for rule in rules:
        if rule.action in _BY_NAME:
            _label_names(rule, labels)
            continue
        value = rule.separator.join([labels.get(name, "") for name in rule.source_labels])
        if rule.action in _CONDITIONS:
            if not _keeps(rule, labels, value):
                return False
        elif rule.action is RelabelAction.REPLACE:
            _replace(rule, labels, value)
        elif rule.action is RelabelAction.HASHMOD:
            _set(labels, rule.target_label, _hash(value, rule.modulus))
        else:
            lower = rule.action is RelabelAction.LOWERCASE
            _set(labels, rule.target_label, value.lower() if lower else value.upper())
    return True


def apply(rules: Sequence[RelabelRule], labels: Labels | Mapping[str, str]) -> Labels | None:
    """The label set after all rules in order, or none where a rule drops it."""
    if not rules:
        return labels if isinstance(labels, Labels) else Labels(labels.items())
    found = labels.as_dict() if isinstance(labels, Labels) else {n: v for n, v in labels.items() if v}
    return Labels(found.items()) if apply_to_dict(rules, found) else None


class Relabeler:
    """Rules with a memo: the same set, asked again, costs one lookup.

    Labels of a scrape come back at every scrape; the memo is emptied when it is full, which bounds its memory.
    """

    __slots__ = ("_limit", "_memo", "rules")

    def __init__(self, rules: Sequence[RelabelRule], limit: int = 100_000) -> None:
        self.rules = tuple(rules)
        self._memo: dict[Labels, Labels | None] = {}
        self._limit = limit

    def __call__(self, labels: Labels) -> Labels | None:
        """The same as ``apply``."""
        if not self.rules:
            return labels
        try:
            return self._memo[labels]
        except KeyError:
            result = apply(self.rules, labels)
            if len(self._memo) >= self._limit:
                self._memo.clear()
            self._memo[labels] = result
            return result
