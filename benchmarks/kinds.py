"""Twenty kinds of query over the series of ``dataset``, as dashboards and people ask them."""

from __future__ import annotations

from typing import Final

KINDS: Final = {
    "rate by job": "sum by (job) (rate(http_requests_total[5m]))",
    "rate by instance and code": "sum by (instance, code) (rate(http_requests_total[5m]))",
    "ratio of errors": 'sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) / '
    "sum by (job) (rate(http_requests_total[5m]))",
    "increase over an hour": 'sum by (handler) (increase(http_requests_total{code="500"}[1h]))',
    "irate": "sum by (instance) (irate(http_requests_total[2m]))",
    "quantile of a histogram by job": "histogram_quantile(0.95, "
    "sum by (job, le) (rate(request_duration_seconds_bucket[5m])))",
    "quantile of a histogram by instance": "histogram_quantile(0.99, "
    "sum by (instance, le) (rate(request_duration_seconds_bucket[5m])))",
    "top five": "topk(5, sum by (instance, handler) (rate(http_requests_total[5m])))",
    "raw series of a target": 'http_requests_total{instance="10.0.0.4:80"}',
    "rates of a target": 'rate(http_requests_total{instance="10.0.0.4:80"}[5m])',
    "sum of a gauge": "sum by (instance) (queue_depth)",
    "count above a threshold": "count by (job) (queue_depth > 55)",
    "quantile over series": "quantile by (job) (0.9, queue_depth)",
    "standard deviation over series": "stddev by (job) (queue_depth)",
    "average over an hour": "avg by (job) (avg_over_time(queue_depth[1h]))",
    "maximum over ten minutes": "max by (job) (max_over_time(queue_depth[10m]))",
    "standard deviation over time": "max by (instance) (stddev_over_time(queue_depth[15m]))",
    "slope": "max by (instance) (deriv(queue_depth[15m]))",
    "two sides matched": "sum by (instance, job) (queue_depth) / on (instance) group_left () "
    "sum by (instance) (rate(http_requests_total[5m]))",
    "subquery": "max_over_time(sum by (job) (rate(http_requests_total[5m]))[30m:1m])",
}
EXTRAPOLATING: Final = frozenset(
    kind for kind, query in KINDS.items() if any(f"{name}(" in query for name in ("rate", "increase", "deriv"))
)
"""Kinds to which VictoriaMetrics gives other answers by design: it looks beyond the window and does not extrapolate."""
