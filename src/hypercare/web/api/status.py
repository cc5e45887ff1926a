"""What this server is and how it runs: the pages below ``/api/v1/status``, and a few others that change little."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from hypercare.model.time import format_duration, format_rfc3339
from hypercare.web.api.answers import ApiError, success
from hypercare.web.api.prometheus_views import tsdb_data

if TYPE_CHECKING:
    from hypercare.web.api.endpoint import Asked

_MOST_ROWS = 10_000


def buildinfo(asked: Asked) -> bytes:
    """Version, in the keys that Grafana looks at; the language level is that of Prometheus 2.42."""
    revision = f"hypercare-{asked.app.version}"
    info = {"version": "2.42.0", "revision": revision, "branch": "", "buildUser": "", "buildDate": ""}
    return success({**info, "goVersion": "", "application": "hypercare"})


def runtimeinfo(asked: Asked) -> bytes:
    """State of this process; what only a Go program has is told as nothing."""
    app = asked.app
    return success(
        {
            "startTime": format_rfc3339(app.started_at),
            "CWD": "",
            "reloadConfigSuccess": app.last_reload_ok,
            "lastConfigTime": format_rfc3339(app.last_reload_at),
            "corruptionCount": len(app.tsdb.problems),
            "goroutineCount": threading.active_count(),
            "GOMAXPROCS": os.cpu_count() or 1,
            "GOMEMLIMIT": 0,
            "GOGC": "",
            "GODEBUG": "",
            "storageRetention": format_duration(app.retention),
        }
    )


def config(asked: Asked) -> bytes:
    """The running configuration, without secrets."""
    return success({"yaml": asked.app.config.as_yaml()})


def flags(asked: Asked) -> bytes:
    """Settings of hypercare.yml under the names that Prometheus' command line has for them."""
    app = asked.app
    house = app.config.hypercare
    on = {True: "true", False: "false"}
    return success(
        {
            "query.lookback-delta": "5m",
            "query.max-concurrency": str(house.metrics.query_concurrency),
            "query.max-samples": "50000000",
            "query.timeout": format_duration(house.metrics.query_timeout),
            "storage.tsdb.retention.size": f"{house.storage.retention_size}B",
            "storage.tsdb.retention.time": format_duration(app.retention),
            "web.cors.origin": house.web.cors_origin,
            "web.enable-admin-api": on[house.web.admin_api],
            "web.enable-remote-write-receiver": "true",
            "web.external-url": house.web.external_url,
        }
    )


def tsdb(asked: Asked) -> bytes:
    """Numbers of the store."""
    text = asked.parameters.text("limit")
    limit = asked.parameters.number("limit") if text else 10
    if not 0 < limit <= _MOST_ROWS:
        raise ApiError("bad_data", "limit must be a positive number" if limit <= 0 else "limit must not exceed 10000")
    return success(tsdb_data(asked.app, limit))


def walreplay(_asked: Asked) -> bytes:
    """How far reading the log at start is: done, as the web server starts after it."""
    return success({"min": 0, "max": 0, "current": 0})


def alertmanagers(_asked: Asked) -> bytes:
    """Alertmanagers we send to: none, routing is in the house."""
    return success({"activeAlertmanagers": [], "droppedAlertmanagers": []})


def notifications(_asked: Asked) -> bytes:
    """What Prometheus 3 has to tell its users on top of every page: nothing."""
    return success([])
