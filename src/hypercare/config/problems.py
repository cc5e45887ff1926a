"""Validation errors of pydantic as problems with a place, in plain words, with a hint."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from hypercare.config.base import Misfit, UnknownKey
from hypercare.config.source import Plain
from hypercare.model.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypercare.config.base import StrictModel
    from hypercare.config.source import Document


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or all of them where they are few."""
    names = sorted(set(known))
    near = difflib.get_close_matches(word, names, 1, 0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {', '.join(names)}" if 0 < len(names) <= 30 else ""


ModelT = TypeVar("ModelT", bound="StrictModel")


def validate(
    model: type[ModelT], document: Document, problems: list[Problem], context: Mapping[str, Any] | None = None
) -> ModelT | None:
    """The document as a model; or none, and what is wrong in ``problems``."""
    data = document.root.data()
    if data is None:
        data = {}
    try:
        return model.model_validate(data, context={"base": document.base, **(context or {})})
    except ValidationError as err:
        problems.extend(problem_of(dict(error), document) for error in err.errors(include_url=False))
        return None


def problem_of(error: dict[str, Any], document: Document) -> Problem:
    """One error of pydantic as a problem."""
    loc, context = tuple(error["loc"]), error.get("ctx") or {}
    kind, found = str(error["type"]), error["input"]
    if kind == "extra_forbidden":
        line, column = document.find(loc, key=True)
        name = str(loc[-1])
        return Problem(document.file, line, column, f"unknown key {name!r}", _key_hint(name, found))
    if kind == "refused":
        line, column = document.find((*loc, *context["at"]))
        return Problem(document.file, line, column, context["text"], context["hint"])
    line, column = document.find(loc)
    if kind == "missing":
        return Problem(document.file, line, column, f"the key {loc[-1]!r} is required here")
    message, hint = _plain_words(kind, found, context, str(error["msg"]))
    return Problem(document.file, line, column, message, hint)


def _key_hint(name: str, found: Any) -> str:
    if not isinstance(found, UnknownKey):
        return ""
    return found.hints.get(name) or did_you_mean(name, found.known)


_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "tuple": "a list",
    "list": "a list",
    "dict": "a mapping (key: value)",
    "model": "a mapping (key: value)",
    "finite": "a number",
}
_BOUNDS = {
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
}


def _plain_words(kind: str, found: Any, context: dict[str, Any], message: str) -> tuple[str, str]:
    shown = describe(found)
    if kind in {"literal_error", "enum"}:
        known = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        near = difflib.get_close_matches(str(found), known, 1, 0.5)
        return f"expected one of {', '.join(filter(None, known))}, found {shown}", (
            f"did you mean {near[0]}?" if near else ""
        )
    if kind in _BOUNDS:
        return f"expected a value {_BOUNDS[kind].format(**context)}, found {shown}", ""
    if kind in {"too_short", "string_too_short"}:
        return "must not be empty", ""
    if kind == "string_pattern_mismatch":
        return f"{shown} does not have the form {context.get('pattern')}", ""
    wanted = _WANTED.get(kind.partition("_")[0])
    if wanted is None:
        return message, ""
    hint = "put a - before it" if wanted == "a list" and isinstance(found, (str, dict)) else ""
    if isinstance(found, Misfit) and not isinstance(Plain(found.text).resolved, str):
        hint = "write it without quotes"
    return f"expected {wanted}, found {shown}", hint


def describe(found: Any) -> str:
    """What was found, short."""
    if found is None:
        return "nothing"
    if isinstance(found, dict):
        return "a mapping"
    if isinstance(found, (list, tuple)):
        return "a list"
    text = repr(str(found))
    return text if len(text) <= 60 else text[:57] + "…'"
