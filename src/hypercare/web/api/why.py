"""Why was somebody told of an alert, or nobody?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query

from hypercare.config import parse_matchers
from hypercare.kernel import CommandError
from hypercare.model.time import format_rfc3339
from hypercare.reports.why import why, why_not

if TYPE_CHECKING:
    from hypercare.app import App

Match = Annotated[list[str], Query(description="matchers such as alertname=Broken; all must fit", min_length=1)]


def why_router(app: App) -> APIRouter:
    """The journal of alerts."""
    router = APIRouter(prefix="/api/hypercare/v1", tags=["hypercare"])

    @router.get("/alerts/why", operation_id="alerts_why")
    def alerts_why(match: Match) -> Any:
        """What became of the alerts that fit: received, grouped, held back, told when and where with what answer."""
        try:
            matchers = tuple(m for text in match for m in parse_matchers(text))
        except ValueError as error:
            raise CommandError(f"bad matcher: {error}", 400) from error
        if not matchers:
            raise CommandError("bad matcher: it is empty", 400)
        with app.state.read() as db:
            stories = why(app, db, matchers, app.ports.clock.now())
        answer = [
            {
                "labels": story.labels.as_dict(),
                "fingerprint": story.fingerprint,
                "now": story.now,
                "journal": [{"at": format_rfc3339(line.at), "text": line.text} for line in story.lines],
            }
            for story in stories
        ]
        return {"alerts": answer, "text": "" if answer else why_not(app, matchers)}

    return router
