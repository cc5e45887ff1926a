"""Prometheus' and Alertmanager's own template cases."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hypercare.gotemplate import (
    ALERTMANAGER_NAMES,
    KV,
    PROMETHEUS_NAMES,
    Alerts,
    Data,
    FunctionError,
    Sample,
    StringMap,
    Template,
    TemplateError,
    TemplateSet,
    alertmanager_functions,
    build_data,
    prometheus_functions,
)
from hypercare.gotemplate.data import Alert, Pair, Pairs
from hypercare.gotemplate.deep import render_deep
from hypercare.gotemplate.functions.numbers import float_to_time
from hypercare.gotemplate.functions.signature import Func
from hypercare.gotemplate.functions.times import time_json
from hypercare.gotemplate.gotime import ZERO_SECONDS, Time
from hypercare.gotemplate.layout import parse_time
from hypercare.model import alerts as model
from hypercare.model.labels import Labels

ROOT = Path(os.environ.get("HYPERCARE_CONFORMANCE") or Path(__file__).resolve().parents[3] / "shared" / "conformance")
DIR = ROOT / "templates"
NOW = 1_767_600_000_000
SPECIAL = {"+Inf": float("inf"), "-Inf": float("-inf"), "NaN": float("nan")}


def load(name: str) -> dict[str, Any]:
    path = DIR / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {"cases": [], "context": {}}


def cases(name: str) -> list[Any]:
    found = load(name)["cases"]
    if not found:
        return [pytest.param({}, marks=pytest.mark.skip(reason=f"no conformance data in {DIR}"))]
    return [pytest.param(c, id=str(c["id"])) for c in found]


def to_data(data: Any) -> Any:
    """Values from their JSON form; texts stay texts unless the type says floats."""
    if data is None:
        return None
    kind, value = data["go_type"], data["value"]
    if kind == "[]float64":
        return [SPECIAL.get(v, v) if isinstance(v, str) else float(v) for v in value]
    if kind == "Data":
        return to_alert_data(value)
    if kind == "map[string]string":
        return StringMap(value)
    if kind in {"time.Time", "Time"}:
        return to_time(value)
    return value


def to_time(value: Any) -> Time:
    if isinstance(value, dict):
        return Time.from_ms(NOW + value["now_offset_s"] * 1000)
    return parse_time("2006-01-02T15:04:05Z07:00", value)


def to_alert_data(value: dict[str, Any]) -> Data:
    alerts = Alerts(
        Alert(
            status=a.get("Status", ""),
            labels=KV(a["Labels"]) if "Labels" in a else None,
            annotations=KV(a["Annotations"]) if "Annotations" in a else None,
        )
        for a in value.get("Alerts", [])
    )
    return Data(
        alerts=alerts,
        group_labels=KV(value.get("GroupLabels", {})),
        common_labels=KV(value.get("CommonLabels", {})),
        route_labels=KV(value.get("RouteLabels", {})),
    )


@pytest.mark.parametrize("case", cases("prometheus_expansion"))
def test_prometheus(case: dict[str, Any]) -> None:
    context = load("prometheus_expansion")["context"]
    result = [
        Sample(
            StringMap(s["labels"]),
            SPECIAL.get(s["value"], s["value"])
            if "value" in s
            else "{{count:{count}, sum:{sum}}}".format(**s["histogram"]),
        )
        for s in case["query_result"] or []
    ]
    functions = prometheus_functions(context["now_ms"], lambda _: result, context["external_url"])
    missing = "error" if "missingkey=error" in (case["options"] or []) else "zero"

    def expand() -> str:
        try:
            template = Template.parse(
                case["input"], "test", mode=case["mode"], functions=PROMETHEUS_NAMES, missing_key=missing
            )
        except TemplateError as error:
            return f"error parsing template test: {error}"
        try:
            return template.render(to_data(case["data"]), functions)
        except TemplateError as error:
            return f"error executing template test: {error}"

    wanted = case["error"] or case["output"]
    if ".banana" in case["input"]:
        # Go blames the operand that it looked at last; we blame the field that is missing.
        assert expand().endswith("can't evaluate field banana in type template.queryResult")
        return
    assert expand() == wanted


@pytest.mark.parametrize("case", cases("prometheus_float_to_time"))
def test_float_to_time(case: dict[str, Any]) -> None:
    if case["error"]:
        with pytest.raises(FunctionError):
            float_to_time(case["v"])
    else:
        assert time_json(float_to_time(case["v"])) == case["want"]


@pytest.mark.parametrize("case", cases("alertmanager_expansion"))
def test_alertmanager(case: dict[str, Any]) -> None:
    data = to_data(case["data"])
    if case.get("route_labels_rendered"):
        data = Data(
            alerts=data.alerts,
            group_labels=data.group_labels,
            route_labels=data.route_labels,
            route_labels_rendered=True,
        )
    templates = TemplateSet.alertmanager()
    functions = alertmanager_functions(NOW)
    if case["fail"]:
        with pytest.raises(TemplateError):
            templates.render(case["input"], data, functions, mode=case["mode"])
    else:
        assert templates.render(case["input"], data, functions, mode=case["mode"]) == case["output"]


@pytest.mark.parametrize("case", cases("alertmanager_funcs"))
def test_alertmanager_functions(case: dict[str, Any]) -> None:
    def expand() -> str:
        try:
            return TemplateSet(ALERTMANAGER_NAMES).render(
                case["input"], to_data(case["data"]), alertmanager_functions(NOW), mode=case["mode"]
            )
        except TemplateError as error:
            return str(error)

    assert expand() == (case["error"] or case["output"])


@pytest.mark.parametrize("case", cases("alertmanager_options"))
def test_more_functions(case: dict[str, Any]) -> None:
    functions: dict[str, Func] = {}
    for table in case["extra_funcs"]:
        functions |= {n: Func(lambda v=v: v) for n, v in table.items()}
    functions |= alertmanager_functions(NOW)
    assert TemplateSet(functions).render(case["input"], None, functions) == case["output"]


@pytest.mark.parametrize("case", cases("alertmanager_data"))
def test_data(case: dict[str, Any]) -> None:
    # Instants in year 1 are before what the loop's milliseconds are for, but they are integers like others.
    alerts = [
        model.Alert(
            Labels.of(a["labels"]),
            Labels.of(a["annotations"]),
            to_time(a["starts_at"]).total_ns // 1_000_000,
            to_time(a["ends_at"]).total_ns // 1_000_000 if a["ends_at"] else None,
        )
        for a in case["alerts"]
    ]
    data = build_data(
        case["receiver"],
        alerts,
        NOW,
        group_labels=case["group_labels"],
        external_url=case["external_url"],
        route_labels=case["route_labels"],
        notification_reason=case["notification_reason"],
    )
    assert _go(data) == {**dict.fromkeys(("Receiver", "ExternalURL"), ""), **_filled(case["expected"])}


def _filled(expected: dict[str, Any]) -> dict[str, Any]:
    alerts = [{"EndsAt": "0001-01-01T00:00:00Z", "GeneratorURL": "", **a} for a in expected["Alerts"] or []]
    return {**expected, "Alerts": alerts}


def _go(value: Any) -> Any:
    """An object as a dict of its Go fields."""
    if isinstance(value, Time):
        return time_json(value)
    if isinstance(value, list):
        return [_go(v) for v in value]
    if isinstance(value, dict | str):
        return value
    return {n: _go(getattr(value, a)) for n, a in value.GO_FIELDS.items()}


@pytest.mark.parametrize("case", cases("alertmanager_kv"))
def test_kv(case: dict[str, Any]) -> None:
    value, expected = case["value"], case["expected"]
    operation = case["op"]
    if operation.startswith("Pairs"):
        pairs = Pairs(Pair(n, v) for n, v in value)
        got: Any = {"Names": pairs.names, "Values": pairs.values, "String": pairs.__str__}[operation[6:]]()
    elif operation == "KV.SortedPairs":
        got = [[p.name, p.value] for p in KV(value).sorted_pairs()]
    elif operation == "KV.Remove+Names":
        got = KV(value).remove(case["args"]).sorted_pairs().names()
    else:
        alerts = Alerts(Alert(status=s) for s in value)
        got = [a.status for a in alerts.with_status(operation.split(".")[1].lower())]
    assert got == expected


@pytest.mark.parametrize("case", cases("alertmanager_deepcopy"))
def test_deep(case: dict[str, Any]) -> None:
    value = dict(case["input_pairs"]) if "input_pairs" in case else case["input"]
    suffix = "-templated" if case["fn"] == "withSuffix" else ""
    assert render_deep(value, lambda text: text + suffix) == case["want"]


def test_zero_time_is_year_one() -> None:
    assert time_json(Time(ZERO_SECONDS)) == "0001-01-01T00:00:00Z"
