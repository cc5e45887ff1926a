"""The calendar of who is on call under a signed address, which calendar programs ask without a log-in.

They know an address and nothing else. So the page of a server that demands a log-in gives each person an address of
their own; it ends with the person's right to see the page, and with the secret of all links (``channels.links``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import Response

from hypercare.access import Role
from hypercare.channels.links import FEED, Link, LinkError
from hypercare.kernel import CommandError
from hypercare.model.time import WEEK, parse_rfc3339
from hypercare.oncall.ical import write_calendar
from hypercare.oncall.rotation import whole_duties
from hypercare.web.roles import open_to_all

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.web.auth import Gate

PATH: Final = "/c/"
MEDIA: Final = "text/calendar; charset=utf-8"
_OPEN: Final = "/api/hypercare/v1/oncall/calendar.ics"
_FOR_EVER: Final = parse_rfc3339("2200-01-01T00:00:00Z")
_HEADERS: Final = {"X-Robots-Tag": "noindex, nofollow", "Cache-Control": "no-store"}


def calendar_of(app: App, schedule: str, person: str = "") -> str:
    """Half a year ahead and four weeks back, of a schedule, of a person, or all."""
    now, plan = app.ports.clock.now(), app.oncall.plan
    start = now - 4 * WEEK
    duties = [
        (s.name, d)
        for s in plan.schedules
        if schedule in {"", s.name}
        # Whole shifts: one that is cut off would be another event at every look.
        for d in whole_duties(s, start, start + 30 * WEEK)
        if person in {"", d.person}
    ]
    name = " ".join(part for part in (app.config.hypercare.platform, "on call", schedule, person) if part)
    return write_calendar(name, duties, plan, now)


def feed_address(app: App, gate: Gate, request: Request, schedule: str = "") -> str:
    """Where a calendar program of whoever looks at the page finds a schedule; of all of them where none is named."""
    identity = gate.identity(request) if gate.closed else None
    if identity is None or identity.by_token:
        return f"{_OPEN}?schedule={quote(schedule, safe='')}" if schedule else _OPEN
    return f"{PATH}{app.channels.signer.token(Link(FEED, schedule, identity.name, _FOR_EVER))}.ics"


def feed_router(app: App, gate: Gate) -> APIRouter:
    """The feed; not part of the API's description."""
    router = APIRouter(include_in_schema=False)

    @router.get(f"{PATH}{{token}}.ics")
    @open_to_all("the address is signed for one person, and counts while they may log in")
    def feed(token: str) -> Response:
        try:
            link = app.channels.signer.read(token, app.ports.clock.now())
        except LinkError as error:
            raise CommandError(str(error), 403) from error
        if link.action != FEED:
            raise CommandError("this link is for something else", 403)
        if gate.closed and gate.role_of(link.person) is Role.NOBODY:
            raise CommandError("whom this address was made for may not log in any more", 403)
        if link.incident and app.oncall.plan.schedule(link.incident) is None:
            raise CommandError(f"there is no schedule {link.incident!r}", 404)
        return Response(calendar_of(app, link.incident), media_type=MEDIA, headers=_HEADERS)

    return router
