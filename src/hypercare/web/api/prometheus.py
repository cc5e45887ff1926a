"""The table of Prometheus' HTTP API: what Grafana, promtool and people's scripts use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.access import Need, Role
from hypercare.web.api import admin, queries, rules, series, status, targets
from hypercare.web.api.endpoint import Endpoint
from hypercare.web.api.federate import federate

if TYPE_CHECKING:
    from hypercare.web.api.endpoint import Answer

_CHANGES = ("POST", "PUT")
_ADMIN = Need(Role.ADMIN)
_ASKED = "limit timeout stats lookback_delta"
_BOUNDS = "match[] start end limit"
_PAGES = "match[] exclude_alerts group_limit group_next_token"


def prometheus_endpoints() -> tuple[Endpoint, ...]:
    """All paths of Prometheus that we answer."""
    return (
        _at("/query", queries.query, f"query time {_ASKED}", post=True, is_query=True),
        _at("/query_range", queries.query_range, f"query start end step {_ASKED}", post=True, is_query=True),
        _at("/format_query", queries.format_query, "query", post=True),
        _at("/parse_query", queries.parse_query, "query", post=True),
        _at("/query_exemplars", queries.exemplars, "query start end", post=True),
        _at("/series", series.series, _BOUNDS, post=True),
        _at("/labels", series.labels, _BOUNDS, post=True),
        _at("/label/{name}/values", series.label_values, _BOUNDS),
        _at("/metadata", targets.metadata, "metric limit limit_per_metric"),
        _at("/targets", targets.targets, "state scrapePool"),
        _at("/targets/metadata", targets.targets_metadata, "match_target metric limit"),
        _at("/rules", rules.rules, f"type rule_name[] rule_group[] file[] {_PAGES}"),
        _at("/alerts", rules.alerts),
        _at("/alertmanagers", status.alertmanagers),
        _at("/notifications", status.notifications),
        _at("/status/buildinfo", status.buildinfo),
        _at("/status/runtimeinfo", status.runtimeinfo),
        _at("/status/config", status.config),
        _at("/status/flags", status.flags),
        _at("/status/tsdb", status.tsdb, "limit"),
        _at("/status/walreplay", status.walreplay),
        Endpoint(
            "/api/v1/admin/tsdb/delete_series",
            admin.delete_series,
            "match[] start end",
            _CHANGES,
            need=_ADMIN,
            empty=True,
        ),
        Endpoint("/api/v1/admin/tsdb/clean_tombstones", admin.clean_tombstones, "", _CHANGES, need=_ADMIN, empty=True),
        Endpoint("/api/v1/admin/tsdb/snapshot", admin.snapshot, "skip_head", _CHANGES, need=_ADMIN),
        Endpoint("/federate", federate, "match[]"),
    )


def _at(path: str, answer: Answer, parameters: str = "", *, post: bool = False, is_query: bool = False) -> Endpoint:
    methods = ("GET", "POST") if post else ("GET",)
    return Endpoint(f"/api/v1{path}", answer, parameters, methods, is_query)


def _change(path: str, answer: Answer, parameters: str = "", *, empty: bool = False) -> Endpoint:
    return Endpoint(f"/api/v1/admin/tsdb{path}", answer, parameters, _CHANGES, need=_ADMIN, empty=empty)
