"""The functions of Prometheus' rule templates."""

from __future__ import annotations

import dataclasses
import urllib.parse
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from hypercare.gotemplate.errors import FunctionError
from hypercare.gotemplate.functions import numbers
from hypercare.gotemplate.functions.builtins import BUILTINS, query_escape
from hypercare.gotemplate.functions.signature import Func
from hypercare.gotemplate.functions.texts import TEXT_FUNCTIONS, strip_domain, strip_port
from hypercare.gotemplate.values import GoObject, SafeHtml, StringMap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypercare.gotemplate.values import Value
    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Sample(GoObject):
    """One element of what ``query`` returns; ``value`` may be a text for a histogram."""

    GO_TYPE: ClassVar[str] = "*template.sample"
    GO_FIELDS: ClassVar[Mapping[str, str]] = {"Labels": "labels", "Value": "value"}
    labels: StringMap
    value: float | str


class QueryResult(list[Sample], GoObject):
    """What ``query`` returns."""

    __slots__ = ()
    GO_TYPE = "template.queryResult"


class Executor(Protocol):
    """The running template, as functions that call other templates need it."""

    html: bool

    def execute(self, name: str, data: Value) -> str:
        """Render another template of the same set."""
        ...


def _first(result: QueryResult) -> Sample:
    if not isinstance(result, list):
        raise FunctionError("wrong type for value; expected template.queryResult")
    if not result:
        raise FunctionError("first() called on vector with no elements")
    return result[0]


def _sample(value: Value) -> Sample:
    if isinstance(value, Sample):
        return value
    raise FunctionError("wrong type for value; expected *template.sample")


def _sort_by_label(label: str, result: QueryResult) -> QueryResult:
    return QueryResult(sorted(result, key=lambda s: s.labels.get(label, "")))


def _args(*values: Value) -> dict[str, Value]:
    return {f"arg{n}": v for n, v in enumerate(values)}


def _tmpl(executor: Executor, name: str, data: Value) -> str:
    return SafeHtml(executor.execute(name, data))


def graph_link(expr: str) -> str:
    """The path of a page that draws the expression."""
    return f"/graph?g0.expr={query_escape(expr)}&g0.tab=0"


def table_link(expr: str) -> str:
    """The path of a page that lists the expression's result."""
    return f"/graph?g0.expr={query_escape(expr)}&g0.tab=1"


_FIXED: Final = {
    **BUILTINS,
    **TEXT_FUNCTIONS,
    "first": Func(_first, "a"),
    "label": Func(lambda name, s: _sample(s).labels.get(name, ""), "sa"),
    "value": Func(lambda s: _sample(s).value, "a"),
    "strvalue": Func(lambda s: _sample(s).labels.get("__value__", ""), "a"),
    "sortByLabel": Func(_sort_by_label, "sl"),
    "args": Func(_args, "a+"),
    "tmpl": Func(_tmpl, "sa", executor=True),
    "stripPort": Func(strip_port, "s"),
    "stripDomain": Func(strip_domain, "s"),
    "humanize": Func(numbers.humanize, "a"),
    "humanize1024": Func(numbers.humanize1024, "a"),
    "humanizeDuration": Func(numbers.humanize_duration, "a"),
    "humanizePercentage": Func(numbers.humanize_percentage, "a"),
    "humanizeTimestamp": Func(numbers.humanize_timestamp, "a"),
    "parseDuration": Func(numbers.parse_duration, "s"),
    "toTime": Func(numbers.to_time, "a"),
    "toDuration": Func(numbers.to_duration, "a"),
    "graphLink": Func(graph_link, "s"),
    "tableLink": Func(table_link, "s"),
    "urlQueryEscape": Func(query_escape, "s"),
}
PROMETHEUS_NAMES: Final = frozenset(_FIXED) | {"and", "or", "query", "now", "externalURL", "pathPrefix"}


def prometheus_functions(
    now: Ms,
    query: Callable[[str], Sequence[Sample]],
    external_url: str = "",
) -> dict[str, Func]:
    """The table for one evaluation.

    Args:
        now: the instant of the evaluation.
        query: evaluates an expression at that instant; raises FunctionError.
        external_url: under which people reach us.

    """
    path = urllib.parse.urlsplit(external_url).path
    return {
        **_FIXED,
        "query": Func(lambda expr: QueryResult(query(expr)), "s"),
        "now": Func(lambda: now / 1000),
        "externalURL": Func(lambda: external_url),
        "pathPrefix": Func(lambda: path),
    }
