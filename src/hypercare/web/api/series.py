"""Which series and labels there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypercare.model.time import DAY
from hypercare.web.api.answers import ApiError, success
from hypercare.web.api.label_names import unescape_name
from hypercare.web.api.queries import cut_note

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.web.api.endpoint import Asked
    from hypercare.web.api.parameters import Parameters

_FOREVER: Final = 100 * 365 * DAY


def _span(p: Parameters) -> tuple[Ms, Ms]:
    return p.instant("start", -_FOREVER), p.instant("end", p.now + _FOREVER)


def _limited(values: list[Any], p: Parameters) -> bytes:
    limit = p.number("limit")
    return success(values[:limit] if limit else values, cut_note(len(values), limit))


def series(asked: Asked) -> bytes:
    """The series that fit the selectors."""
    p = asked.parameters
    matchers = p.matchers()
    if not matchers:
        raise ApiError("bad_data", "no match[] parameter provided")
    found = asked.app.tsdb.snapshot().series(matchers, *_span(p))
    limit = p.number("limit")
    shown = found[:limit] if limit else found
    return success([dict(labels.pairs) for labels in shown], cut_note(len(found), limit))


def labels(asked: Asked) -> bytes:
    """All label names."""
    p = asked.parameters
    return _limited(list(asked.app.tsdb.snapshot().label_names(p.matchers(), *_span(p))), p)


def label_values(asked: Asked) -> bytes:
    """All values of one label."""
    p, name = asked.parameters, unescape_name(asked.path)
    return _limited(list(asked.app.tsdb.snapshot().label_values(name, p.matchers(), *_span(p))), p)
