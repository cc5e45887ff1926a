"""The parameters of Prometheus' API: query string and form, with the formats and refusals of Prometheus."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from hypercare.model.time import SECOND, parse_duration, parse_rfc3339
from hypercare.promql import EvaluationError, PromqlError, StoppedError, parse_selector
from hypercare.web.api.answers import ApiError

if TYPE_CHECKING:
    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms

# What a JavaScript number holds exactly: instants beyond it are mistakes, and would overflow further down.
_FARTHEST: Final[Ms] = 2**53 - 1
# How Prometheus' own clients write "since ever" and "for ever".
_ENDS: Final = {"-292273086-05-16T16:47:06Z": -_FARTHEST, "292277025-08-18T07:12:54.999999999Z": _FARTHEST}
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE: Final = re.compile(r"\d{1,18}", re.ASCII)


def _bad(name: str, message: str) -> ApiError:
    return ApiError("bad_data", f'invalid parameter "{name}": {message}')


def _seconds(text: str) -> Ms | None:
    """Decimal seconds as milliseconds; none where the text is no number or out of range."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text) * SECOND
    return round(value) if math.isfinite(value) and abs(value) <= _FARTHEST else None


def promql_error(error: PromqlError, name: str = "query") -> ApiError:
    """An error of the engine: of the request where the text is wrong, of the execution where the data are."""
    if isinstance(error, StoppedError):
        return ApiError("timeout", error.message)
    if isinstance(error, EvaluationError):
        return ApiError("execution", error.message)
    if not error.line:
        return ApiError("bad_data", error.message)
    return _bad(name, f"{error.line}:{error.column}: parse error: {error.message}")


class Parameters:
    """Query string and form of a request; names may repeat, and the form comes first, as in Go."""

    def __init__(self, pairs: list[tuple[str, str]], now: Ms) -> None:
        self._pairs = pairs
        self.now = now

    @classmethod
    def of(cls, query: bytes, form: bytes, now: Ms) -> Parameters:
        """Those of a query string and of the body of a form."""
        return cls(_pairs(form) + _pairs(query), now)

    def all(self, name: str) -> list[str]:
        """Every value of a name."""
        return [v for n, v in self._pairs if n == name]

    def text(self, name: str, default: str = "") -> str:
        """The first value."""
        return next(iter(self.all(name)), default)

    def number(self, name: str) -> int:
        """A whole number, not negative; 0 where it is missing."""
        text = self.text(name) or "0"
        if not _WHOLE.fullmatch(text):
            raise ApiError(
                "bad_data", f"{name} must be a number" if "-" not in text else f"{name} must not be negative"
            )
        return int(text)

    def bound(self, name: str) -> int | None:
        """A bound on how much is told; none where it is missing or negative."""
        text = self.text(name)
        if text and not _WHOLE.fullmatch(text.removeprefix("-")):
            raise ApiError("bad_data", f"{name} must be a number")
        return int(text) if text and not text.startswith("-") else None

    def truth(self, name: str) -> bool:
        """A switch; off where it is missing."""
        text = self.text(name).lower()
        if text not in {"", "1", "t", "true", "0", "f", "false"}:
            raise _bad(name, f'cannot parse "{text}" to a boolean')
        return text in {"1", "t", "true"}

    def instant(self, name: str, default: Ms | None = None) -> Ms:
        """Unix seconds or RFC 3339."""
        text = self.text(name)
        if not text and default is not None:
            return default
        found = _ENDS.get(text, _seconds(text))
        if found is not None:
            return found
        try:
            return parse_rfc3339(text) if "T" in text else _fail(text)
        except (ValueError, OverflowError) as error:
            raise _bad(name, f'cannot parse "{text}" to a valid timestamp') from error

    def duration(self, name: str) -> Ms:
        """Seconds or a Prometheus duration."""
        text = self.text(name)
        found = _seconds(text)
        if found is None:
            try:
                found = parse_duration(text.removeprefix("-")) * (-1 if text.startswith("-") else 1)
            except ValueError as error:
                raise _bad(name, f'cannot parse "{text}" to a valid duration') from error
        if abs(found) > _FARTHEST:
            raise _bad(name, f'cannot parse "{text}" to a valid duration: it is too long')
        return found

    def matchers(self, name: str = "match[]", *, everything: bool = False) -> list[tuple[Matcher, ...]]:
        """Series selectors; ``everything``: such as fit every series are allowed."""
        found: list[tuple[Matcher, ...]] = []
        for text in self.all(name):
            try:
                chosen = parse_selector(text)
            except PromqlError as error:
                raise promql_error(error, name) from error
            if chosen is None or chosen.offset or chosen.at or chosen.mode:
                raise _bad(name, f'"{text}" is not a series selector')
            if not everything and all(matcher.matches_value("") for matcher in chosen.matchers):
                raise _bad(name, f"{name} must contain at least one non-empty matcher")
            found.append(tuple(chosen.matchers))
        return found


def _pairs(encoded: bytes) -> list[tuple[str, str]]:
    return parse_qsl(encoded.decode("utf-8", "replace"), keep_blank_values=True) if encoded else []


def _fail(text: str) -> Ms:
    raise ValueError(text)
