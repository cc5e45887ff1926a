"""The PromQL of a metric's query, as Kayenta asks a Prometheus."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hypercare.model.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.judge.kayenta.config import CanaryMetric

_PREFIX: Final = "PromQL:"
_PLACE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_.-]*)\}")


def promql(metric: CanaryMetric, places: Mapping[str, str], file: str = "") -> str:
    """The expression to ask for; `places` fills ${scope}, ${location} and the like.

    A template that starts with ``PromQL:`` is the expression. Else the metric's name with the label bindings (and the
    template among them) is averaged, by the groupByFields.

    Raises:
        InputError: the metric has no query that can be asked, or a place has no value.

    """
    query = metric.query
    at = f"metric {metric.name!r}: query"
    if query.kind not in {"", "prometheus"}:
        hint = "give its values as CSV with --control and --experiment"
        raise InputError([Problem(file, 0, 0, f"{at}.type: expected prometheus, found {query.kind!r}", hint)])
    template = _filled(query.template.strip(), places, f"{at}: template", file)
    if template.startswith(_PREFIX):
        return template.removeprefix(_PREFIX).strip()
    if not query.metric:
        hint = "name a metric, or write customInlineTemplate: PromQL:…"
        raise InputError([Problem(file, 0, 0, f"{at}.metricName: expected the name of a metric, found none", hint)])
    matchers = [*(_filled(label, places, f"{at}.labelBindings", file) for label in query.labels), template]
    selector = query.metric + "{" + ",".join(filter(None, matchers)) + "}"
    grouped = f" by ({', '.join(query.group_by)})" if query.group_by else ""
    return f"avg{grouped} ({selector})"


def _filled(text: str, places: Mapping[str, str], at: str, file: str) -> str:
    missing = [name for name in _PLACE.findall(text) if name not in places]
    if missing:
        hint = f"give --set {missing[0]}=VALUE"
        raise InputError([Problem(file, 0, 0, f"{at}: ${{{missing[0]}}} has no value", hint)])
    return _PLACE.sub(lambda found: places[found[1]], text)
