"""Changes of the store that Prometheus offers over HTTP, where ``web.admin_api`` allows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypercare.keeping import CleanTombstones, DeleteSeries, TakeSnapshot
from hypercare.kernel import CommandError
from hypercare.model.time import DAY
from hypercare.web.api.answers import ApiError, success
from hypercare.web.api.endpoint import Page

if TYPE_CHECKING:
    from hypercare.web.api.endpoint import Asked

_FOREVER: Final = 100 * 365 * DAY
_PATIENCE_SECONDS: Final = 30
_DONE: Final = Page(b"", "", 204)


def _carry_out(asked: Asked, command: object) -> Any:
    """Have the kernel do it."""
    try:
        return asked.app.kernel.call(command).result(_PATIENCE_SECONDS)
    except CommandError as error:
        raise ApiError("unavailable" if error.status == 503 else "internal", str(error)) from error
    except TimeoutError as error:
        raise ApiError("timeout", "hypercare is busy; what was asked may still happen") from error


def _demand_leave(asked: Asked) -> None:
    if not asked.app.config.hypercare.web.admin_api:
        raise ApiError("unavailable", "admin APIs disabled")


def delete_series(asked: Asked) -> Page:
    """Delete samples of the series that fit the selectors."""
    _demand_leave(asked)
    p = asked.parameters
    selectors = p.matchers()
    if not selectors:
        raise ApiError("bad_data", "no match[] parameter provided")
    start, end = p.instant("start", -_FOREVER), p.instant("end", p.now + _FOREVER)
    _carry_out(asked, DeleteSeries(tuple(selectors), start, end))
    return _DONE


def clean_tombstones(asked: Asked) -> Page:
    """Give back the room of what was deleted."""
    _demand_leave(asked)
    _carry_out(asked, CleanTombstones())
    return _DONE


def snapshot(asked: Asked) -> bytes:
    """Copy the store into a new directory below snapshots/ of the data; the newest rows are always in it."""
    _demand_leave(asked)
    asked.parameters.truth("skip_head")
    return success({"name": _carry_out(asked, TakeSnapshot())})
