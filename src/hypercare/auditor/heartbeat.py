"""The sign of life that goes out while everything works, so that somebody else notices our silence."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from hypercare.kernel.outbox import PENDING
from hypercare.kernel.tables import outbox
from hypercare.model.events import HeartbeatChanged
from hypercare.model.time import MINUTE, SECOND, format_duration, format_rfc3339
from hypercare.ports import HttpRequest, HttpResponse, PortError, Reading
from hypercare.routing.tables import alerts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.config import Config
    from hypercare.config.response import Heartbeat
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms
    from hypercare.ports import Ports
    from hypercare.rules import RulesService

_KIND: Final = "auditor.heartbeat"
_MISSED: Final = 3
"""So many evaluations of a rule group may be missing before it counts as standing still."""


@dataclasses.dataclass(frozen=True, slots=True)
class HeartbeatStatus:
    """One heartbeat.

    Attributes:
        withheld: why it does not go out now; empty: it does.
        sent_at: of the last one sent; none: none yet.
        answered_at: when the receiver last accepted one.
        error: of the last one, if it was not accepted.

    """

    name: str
    every: Ms
    withheld: tuple[str, ...] = ()
    sent_at: Ms | None = None
    answered_at: Ms | None = None
    error: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    """Inbox message: what became of a beat."""

    name: str
    error: str


class Heartbeats:
    """Sends them, or withholds them and says why."""

    def __init__(self, ports: Ports, rules: RulesService) -> None:
        self._ports = ports
        self._rules = rules
        self._kernel: Kernel | None = None
        self._told: dict[str, Heartbeat] = {}
        self._since: Ms = 0
        self._failures: dict[str, int] = {}
        self.status: dict[str, HeartbeatStatus] = {}

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        self._kernel = kernel
        kernel.on_timer(_KIND, self._on_due)
        kernel.on_message(_Answer, self._on_answer)

    def configure(self, ctx: Context, config: Config) -> None:
        """Take a configuration, at start and at every reload."""
        told = {heartbeat.name: heartbeat for heartbeat in config.hypercare.heartbeat}
        for name in self._told:
            if name not in told:
                ctx.cancel_timer(f"{_KIND}:{name}", durable=False)
        for name, heartbeat in told.items():
            if self._told.get(name) != heartbeat:
                ctx.set_timer(f"{_KIND}:{name}", ctx.now + heartbeat.every, _KIND, durable=False)
        ctx.after_commit(partial(self._take, told, ctx.now))

    def _take(self, told: dict[str, Heartbeat], now: Ms) -> None:
        self._told, self._since = told, now
        fresh = {name: HeartbeatStatus(name, heartbeat.every) for name, heartbeat in told.items()}
        self.status = {
            name: dataclasses.replace(self.status.get(name, new), every=new.every) for name, new in fresh.items()
        }

    def readings(self) -> Iterator[Reading]:
        """Metrics; may be called from any thread."""
        status = tuple(self.status.values())
        if not status:
            return
        text = "Whether the heartbeat is withheld because something does not work."
        withheld = tuple(((("heartbeat", s.name),), float(bool(s.withheld))) for s in status)
        yield Reading("hypercare_heartbeat_withheld", "gauge", text, withheld)
        text = "When the receiver last accepted the heartbeat."
        answered = tuple(((("heartbeat", s.name),), (s.answered_at or 0) / 1000) for s in status)
        yield Reading("hypercare_heartbeat_last_success_timestamp_seconds", "gauge", text, answered)

    def _on_due(self, ctx: Context, key: str) -> None:
        name = key.removeprefix(f"{_KIND}:")
        heartbeat, status = self._told.get(name), self.status.get(name)
        if heartbeat is None or status is None:
            return
        ctx.set_timer(key, ctx.now + heartbeat.every, _KIND, durable=False)
        reasons = tuple(self._reasons(ctx, heartbeat))
        if bool(reasons) != bool(status.withheld):
            ctx.publish(HeartbeatChanged(name, reasons))
        if reasons:
            changed = dataclasses.replace(status, withheld=reasons)
        else:
            changed = dataclasses.replace(status, withheld=(), sent_at=ctx.now)
            ctx.after_commit(partial(self._send, heartbeat, ctx.now))
        ctx.after_commit(partial(self.status.__setitem__, name, changed))

    def _reasons(self, ctx: Context, heartbeat: Heartbeat) -> Iterator[str]:
        """What does not work: the loop, the rules, the delivery, the way of the watchdog alert."""
        kernel = self._kernel
        assert kernel is not None  # noqa: S101 - register comes first
        failed = kernel.failures - self._failures.get(heartbeat.name, 0)
        if failed:
            yield f"{failed} step{'s' if failed > 1 else ''} of the loop failed since the last look"
        self._failures[heartbeat.name] = kernel.failures
        for group in self._rules.snapshot.groups:
            last = max(group.last_evaluation or 0, self._since)
            if ctx.now - last > max(_MISSED * group.interval, MINUTE):
                yield f"the rules of group {group.name} were last evaluated {_long(ctx.now - last)} ago"
        first = ctx.db.execute(select(func.min(outbox.c.created_at)).where(outbox.c.state == PENDING)).scalar()
        if first is not None and ctx.now - first > heartbeat.stuck_after:
            yield f"a notification waits for its delivery since {_long(ctx.now - first)}"
        if heartbeat.watchdog and not _fires(ctx, heartbeat.watchdog):
            yield f"the alert {heartbeat.watchdog} does not arrive in routing"

    def _send(self, heartbeat: Heartbeat, now: Ms) -> None:
        kernel = self._kernel
        assert kernel is not None  # noqa: S101 - register comes first
        url = heartbeat.url.reveal()
        if heartbeat.url_file:
            try:
                url = self._ports.files.read(Path(heartbeat.url_file)).decode().strip()
            except (OSError, UnicodeDecodeError) as error:
                kernel.post(_Answer(heartbeat.name, f"cannot read {heartbeat.url_file}: {error}"))
                return
        body = b""
        if heartbeat.method == "POST":
            body = json.dumps({"heartbeat": heartbeat.name, "at": format_rfc3339(now)}).encode()
        headers = (("Content-Type", "application/json"),) if body else ()
        request = HttpRequest(heartbeat.method, url, headers, body, heartbeat.timeout, 65_536)
        self._ports.http.submit(request, lambda answer: kernel.post(_Answer(heartbeat.name, _error(answer))))

    def _on_answer(self, ctx: Context, message: _Answer) -> None:
        status = self.status.get(message.name)
        if status is not None:
            answered = status.answered_at if message.error else ctx.now
            changed = dataclasses.replace(status, answered_at=answered, error=message.error)
            ctx.after_commit(partial(self.status.__setitem__, message.name, changed))


def _error(answer: HttpResponse | PortError) -> str:
    if isinstance(answer, PortError):
        return f"{answer.kind}: {answer.message}"
    return "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"


def _fires(ctx: Context, name: str) -> bool:
    """Whether an alert of this name is known to routing and has not ended."""
    c = alerts.c
    # The text narrows down, the parsed labels decide.
    query = select(c.labels, c.ends_at).where(c.ended.is_(False), c.labels.contains(json.dumps(name), autoescape=True))
    rows = (row for row in ctx.db.execute(query) if row.ends_at is None or row.ends_at > ctx.now)
    return any(dict(json.loads(row.labels)).get("alertname") == name for row in rows)


def _long(ms: Ms) -> str:
    return format_duration(ms // SECOND * SECOND)
