"""What an expression counts, by the names of its metrics."""

from __future__ import annotations

import pytest

from hypercare.promql.measures import unit_of


@pytest.mark.parametrize(
    ("word", "exprs"),
    [
        ("s", ["probe_duration_seconds", "provider:llm_request_duration_seconds:p95_30s > 2", "max by (job) (x_seconds)",
               "histogram_quantile(0.95, sum by (le) (rate(x_seconds_bucket[5m])))",
               "sum(rate(x_seconds_sum[5m])) / sum(rate(x_seconds_count[5m]))", "avg_over_time(x_seconds[1h:1m])",
               "quantile_over_time(0.9, x_seconds[5m])", "(x_seconds or vector(0))"]),
        ("bytes", ['process_resident_memory_bytes{job="x"}', "predict_linear(node_free_bytes[1h], 3600) < 0",
                   '{__name__="x_bytes"}', "increase(x_bytes_total[1h])", "-x_bytes"]),
        ("bytes/s", ["sum(rate(a_bytes_total[1m]))", "deriv(process_resident_memory_bytes[20s]) > 4 * 1024 * 1024"]),
        ("/s", ["rate(http_requests_total[5m])", "service:http_requests:rate20s", "sum(rate(pg_deadlocks[5m]))",
                "rate(x_seconds_count[5m])", "rate(a_total[1m]) unless rate(b_bytes_total[1m])"]),
        ("/min", ["sum(rate(x_total[5m])) * 60"]),
        ("/h", ["3600 * sum(rate(x_total[5m]))"]),
        ("ratio", ["(sum(rate(e_total[5m])) or vector(0)) / (sum(rate(t_total[5m])) > 0)", "1 - a_bytes / b_bytes",
                   "service:http_errors:ratio_rate20s", 'slo:error_ratio:rate5m{slo="x"}', "slo:error_budget_left:ratio"]),
        ("%", ["100 * (1 - avg(node_MemAvailable_bytes / node_MemTotal_bytes))", "disk_used_percent"]),
        ("", ["up", "time() - process_start_time_seconds", "count(x_bytes)", "rate(a_total[1m]) > bool 3", "x_total", "(((",
              "x_total - y_bytes", "rate(process_cpu_seconds_total[5m])", "a_seconds * b_bytes", "x_bytes / 1024", "5",
              '"text"', "job:up:sum", "x_timestamp_seconds", "x_seconds ^ 2", "deriv(depth[1m])", "changes(x_seconds[1m])"]),
    ],
)  # fmt: skip
def test_unit(word, exprs):
    assert {expr: unit_of(expr).word for expr in exprs} == dict.fromkeys(exprs, word)
