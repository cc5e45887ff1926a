"""What ``slo`` of a service becomes: objectives, rules that parse, alerts that fire at the workbook's pace."""

from __future__ import annotations

import pytest

from hypercare.config.objectives import objectives_of, rules_of
from hypercare.config.services import Service
from hypercare.promql import parse

REQUESTS = {
    "errors": 'sum(rate(http_requests_total{code=~"5.."}[$window]))',
    "total": "sum(rate(http_requests_total[$window]))",
}


def service(**slo):
    return Service.model_validate({"name": 'a"pi', "slo": slo, "runbook": "https://wiki/api"})


@pytest.mark.parametrize(
    ("slo", "expected"),
    [
        ({"availability": "99.9%"}, [("availability", 99.9, '1 - avg(avg_over_time(probe_success{service="a\\"pi"}[1h]))')]),
        ({"latency": "200ms"}, [("latency", 95.0, 'avg(avg_over_time((probe_duration_seconds{service="a\\"pi"} > bool 0.2)[1h:]))')]),
        (
            {"latency": "2s", "latency_percentile": 99, "latency_metric": 'lat_seconds{job="x"}'},
            [("latency", 99.0, '1 - sum(rate(lat_seconds_bucket{job="x",le="2"}[1h])) / (sum(rate(lat_seconds_count{job="x"}[1h])) > 0)')],
        ),
        (
            {"error_rate": 1, **REQUESTS},
            [("errors", 99.0, '(sum(sum(rate(http_requests_total{code=~"5.."}[1h]))) or vector(0)) / (sum(sum(rate(http_requests_total[1h]))) > 0)')],
        ),
        ({"availability": 100}, []),
    ],
)  # fmt: skip
def test_objectives(slo, expected):
    found = objectives_of(service(**slo))
    assert [(o.name, o.percent, o.bad_over(3_600_000)) for o in found] == expected
    for file in rules_of([service(**slo)]):
        for group in file.groups:
            assert group.labels["service"] == 'a"pi'
            for rule in group.rules:
                parse(rule.expr)


def test_the_pace_of_the_workbook():
    (file,) = rules_of([service(availability=99.9)])
    alerts = [rule for group in file.groups for rule in group.rules if rule.alert]
    assert [(rule.alert, rule.labels["severity"]) for rule in alerts] == [
        ("ErrorBudgetBurn", "critical"), ("ErrorBudgetBurn", "warning"),
    ]  # fmt: skip
    for words in ("rate1h", "rate5m", "> 0.0144", "rate6h", "rate30m", "> 0.006", ">= 30"):
        assert words in alerts[0].expr
    for words in ("rate1d", "rate2h", "> 0.003", "rate3d", "> 0.001"):
        assert words in alerts[1].expr
    assert alerts[0].annotations["runbook_url"] == "https://wiki/api"


@pytest.mark.parametrize(
    ("slo", "words"),
    [
        ({"error_rate": 1}, "what failed requests are is not said"),
        ({"availability": 99, "errors": "rate(x[$window])"}, "errors and total belong together"),
        ({"availability": 99, "errors": "x", "total": "rate(y[$window])"}, "errors needs"),
        ({"availability": 99, "errors": "rate(x[$window)", "total": "rate(y[$window])"}, "not PromQL"),
        ({"latency": "1s", "latency_metric": "a b"}, "not PromQL"),
        ({"availability": 99, "window": "1m"}, "greater than or equal"),
    ],
)
def test_what_is_refused(slo, words):
    with pytest.raises(ValueError, match=words):
        service(**slo)
