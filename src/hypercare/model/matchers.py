"""Label matchers, with regular expressions in RE2 syntax anchored at both ends."""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
from typing import TYPE_CHECKING, Any

import re2

if TYPE_CHECKING:
    from hypercare.model.labels import Labels


class MatchOp(enum.StrEnum):
    """How a matcher compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@functools.lru_cache(maxsize=4096)
def compile_anchored(pattern: str) -> Any:
    """Compile an RE2 pattern that must match the whole text (``.`` matches newlines too, as in Prometheus).

    Raises:
        ValueError: not a valid RE2 expression.
    """
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    try:
        return re2.compile(f"^(?:{pattern})$", options)
    except re2.error as err:
        reason = err.args[0] if err.args else "syntax error"
        if isinstance(reason, bytes):
            reason = reason.decode("utf-8", "replace")
        msg = f"not a valid regular expression: {pattern!r}: {reason}"
        raise ValueError(msg) from err


@dataclasses.dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label, e.g. ``code=~"5.."``.

    Raises:
        ValueError: the value of a regex matcher is not valid RE2.
    """

    name: str
    op: MatchOp
    value: str

    def __post_init__(self) -> None:
        if self.op in {MatchOp.REGEX, MatchOp.NOT_REGEX}:
            compile_anchored(self.value)

    def matches_value(self, value: str) -> bool:
        """Whether a label value (empty where absent) fulfils the condition."""
        if self.op is MatchOp.EQUAL:
            return value == self.value
        if self.op is MatchOp.NOT_EQUAL:
            return value != self.value
        found = compile_anchored(self.value).search(value) is not None
        return found if self.op is MatchOp.REGEX else not found

    def matches(self, labels: Labels) -> bool:
        """Whether a label set fulfils the condition."""
        return self.matches_value(labels.get(self.name))

    def __str__(self) -> str:
        return f"{self.name}{self.op}{json.dumps(self.value, ensure_ascii=False)}"


def matches_all(matchers: tuple[Matcher, ...], labels: Labels) -> bool:
    """Whether every matcher fits."""
    # Asked of every alert at every flush: a generator would take most of the time.
    for matcher in matchers:  # noqa: SIM110
        if not matcher.matches_value(labels.get(matcher.name)):
            return False
    return True
