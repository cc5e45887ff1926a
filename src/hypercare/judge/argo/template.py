"""An AnalysisTemplate (or ClusterAnalysisTemplate, AnalysisRun) of Argo Rollouts, read from its YAML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hypercare.judge.argo.check import check
from hypercare.judge.argo.model import Metric
from hypercare.judge.argo.nodes import ConditionError
from hypercare.judge.argo.parse import parse
from hypercare.judge.fields import Fields
from hypercare.model.time import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercare.model.time import Ms

    Path = tuple[str | int, ...]

KINDS: Final = ("AnalysisTemplate", "ClusterAnalysisTemplate", "AnalysisRun")
_PLACE: Final = re.compile(r"\{\{\s*args\.([A-Za-z0-9_.-]+)\s*\}\}")
_MOST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Template:
    """What an analysis measures; `dry_run` has the names of metrics whose outcome does not count."""

    name: str
    metrics: tuple[Metric, ...]
    dry_run: frozenset[str]


def read_template(
    data: Any, file: str, arguments: Mapping[str, str], find: Callable[[Path], tuple[int, int]] | None = None
) -> Template:
    """The template in a parsed YAML document, its arguments filled in.

    Args:
        data: the document.
        file: what it is called.
        arguments: values of `args` by name; they go before the template's own.
        find: line and column of a path in the document.

    Raises:
        InputError: all problems.

    """
    fields = Fields(data, file) if find is None else Fields(data, file, find)
    kind = fields.text(("kind",))
    if kind not in KINDS:
        fields.note(("kind",), f"expected one of {', '.join(KINDS)}, found {kind or 'nothing'!r}")
        fields.finish()
    values = _arguments(fields, arguments)
    count = len(fields.items(("spec", "metrics")))
    metrics = tuple(_metric(fields, ("spec", "metrics", at), values) for at in range(count))
    if not metrics:
        fields.note(("spec", "metrics"), "expected at least one metric")
    names = [metric.name for metric in metrics]
    for at, name in enumerate(names):
        if name in names[:at]:
            fields.note(("spec", "metrics", at, "name"), f"{name!r} is the name of an earlier metric, too")
    template = Template(fields.text(("metadata", "name")), metrics, _dry_run(fields, names))
    fields.finish()
    return template


def _arguments(fields: Fields, given: Mapping[str, str]) -> dict[str, str | None]:
    """Values by name; None where an argument is declared and has none."""
    values: dict[str, str | None] = {}
    for at in range(len(fields.items(("spec", "args")))):
        name = fields.required(("spec", "args", at, "name"), "the argument's name")
        value = fields.get(("spec", "args", at, "value"))
        values[name] = None if value is None else str(value)
    for name, value in given.items():
        if name not in values:
            known = ", ".join(values) or "none"
            fields.note(("spec", "args"), f"there is no argument {name!r}", f"arguments here: {known}")
        values[name] = value
    return values


def _metric(fields: Fields, path: Path, values: Mapping[str, str | None]) -> Metric:
    if not isinstance(fields.get(path), dict):
        fields.mapping(path)
        return Metric()

    def text(*keys: str) -> str:
        return _filled(fields, (*path, *keys), values)

    count = fields.get((*path, "count"))
    return Metric(
        name=fields.required((*path, "name"), "the metric's name"),
        success_condition=_condition(fields, (*path, "successCondition"), text("successCondition")),
        failure_condition=_condition(fields, (*path, "failureCondition"), text("failureCondition")),
        failure_limit=_whole(fields, (*path, "failureLimit"), values, 0, -1),
        inconclusive_limit=_whole(fields, (*path, "inconclusiveLimit"), values, 0),
        consecutive_error_limit=_whole(fields, (*path, "consecutiveErrorLimit"), values, 4),
        consecutive_success_limit=_whole(fields, (*path, "consecutiveSuccessLimit"), values, 0),
        count=None if count is None else _whole(fields, (*path, "count"), values, 0),
        interval=_duration(fields, (*path, "interval"), text("interval")),
        initial_delay=_duration(fields, (*path, "initialDelay"), text("initialDelay")),
        query=_query(fields, path, text("provider", "prometheus", "query")),
    )


def _filled(fields: Fields, path: Path, values: Mapping[str, str | None]) -> str:
    text = str(fields.get(path)) if isinstance(fields.get(path), int | float) else fields.text(path)
    for name in _PLACE.findall(text):
        if values.get(name) is None:
            fields.note(path, f"the argument {name!r} has no value", f"give --arg {name}=VALUE")
    return _PLACE.sub(lambda found: values.get(found[1]) or "", text).strip()


def _condition(fields: Fields, path: Path, text: str) -> str:
    if not text:
        return ""
    try:
        check(parse(text), {"result": None})
    except ConditionError as error:
        fields.note(path, f"the condition cannot be read: {error}", "result is the measured value: result[0] >= 0.95")
    return text


def _whole(fields: Fields, path: Path, values: Mapping[str, str | None], default: int, low: int = 0) -> int:
    if fields.get(path) is None:
        return default
    text = _filled(fields, path, values)
    if not re.fullmatch(r"[-+]?\d{1,10}", text, re.ASCII) or not low <= int(text) <= _MOST:
        fields.note(path, f"expected a whole number from {low} on, found {text!r}")
        return default
    return int(text)


def _duration(fields: Fields, path: Path, text: str) -> Ms | None:
    if not text:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        fields.note(path, str(error), "write 30s, 5m or 1h")
        return None


def _query(fields: Fields, path: Path, query: str) -> str:
    providers = fields.mapping((*path, "provider"))
    if query or "prometheus" not in providers:
        others = ", ".join(name for name in providers if name != "prometheus") or "nothing"
        if not query:
            fields.note(
                (*path, "provider"), f"expected prometheus, found {others}", "only prometheus can be asked here"
            )
        return query
    fields.note((*path, "provider", "prometheus", "query"), "expected a PromQL expression, found nothing")
    return ""


def _dry_run(fields: Fields, names: list[str]) -> frozenset[str]:
    found: set[str] = set()
    for at in range(len(fields.items(("spec", "dryRun")))):
        path: Path = ("spec", "dryRun", at, "metricName")
        pattern = fields.required(path, "a metric's name or a regular expression")
        try:
            fitting = [name for name in names if re.search(pattern, name)] if pattern else []
        except re.error as error:
            fields.note(path, f"not a regular expression: {error}")
            continue
        if pattern and not fitting:
            fields.note(path, f"no metric fits {pattern!r}", f"metrics here: {', '.join(names)}")
        found.update(fitting)
    return frozenset(found)
