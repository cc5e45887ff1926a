"""What each endpoint demands of who uses it.

An endpoint says so itself: ``@needs(Role.ADMIN)`` below the router's decorator, or ``@open_to_all("why it is safe")``.
Whatever says nothing needs a viewer for GET, an administrator below ``/api/v1/admin/``, ``/api/hypercare/v1/admin/``
and for changes below ``/-/``, and a responder for every other change. Nothing is open by being forgotten.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fastapi.routing import APIRoute

from hypercare.access import Area, Need, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.routing import BaseRoute

    from hypercare.web.api.endpoint import Endpoint

_Function = TypeVar("_Function", bound="Callable[..., Any]")
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MARK: Final = "_hypercare_need"
_ADMIN: Final = ("/api/v1/admin/", "/api/hypercare/v1/admin/")
_STATIC: Final = Need(Role.NOBODY, why="style, scripts and the icon, which the log-in page needs")


def needs(role: Role, area: Area = Area.HOUSE) -> Callable[[_Function], _Function]:
    """Declare the least role of an endpoint, and the area that narrow tokens know it by."""
    return _marked(Need(role, area))


def open_to_all(why: str, area: Area = Area.HOUSE) -> Callable[[_Function], _Function]:
    """Declare an endpoint to be open to everybody.

    Args:
        why: what makes that safe (it tells nothing, checks a signature of its own, …).
        area: as for ``needs``.

    """
    return _marked(Need(Role.NOBODY, area, why))


def _marked(need: Need) -> Callable[[_Function], _Function]:
    def mark(function: _Function) -> _Function:
        setattr(function, _MARK, need)
        return function

    return mark


class Demands:
    """Looks up what a request needs.

    Args:
        routes: of FastAPI, with their whole paths.
        endpoints: of the table of Prometheus' API, which stands in front of FastAPI.

    """

    def __init__(self, routes: Iterable[BaseRoute], endpoints: Iterable[Endpoint]) -> None:
        self._fixed: dict[tuple[str, str], Need] = {}
        self._varying: list[tuple[frozenset[str], re.Pattern[str], Need]] = []
        for route in routes:
            need: Need | None = getattr(route.endpoint, _MARK, None) if isinstance(route, APIRoute) else None
            if isinstance(route, APIRoute) and need is not None:
                self._declare(route.path, frozenset(route.methods or ()), route.path_regex, need)
        for endpoint in endpoints:
            # Its part matches slashes, too: a label's name is whatever stands between the two ends.
            pattern = re.compile("^" + re.escape(endpoint.path).replace(r"\{name\}", ".+") + "$")
            self._declare(endpoint.path, frozenset(endpoint.methods), pattern, endpoint.need)

    def _declare(self, path: str, methods: frozenset[str], pattern: re.Pattern[str], need: Need) -> None:
        if "{" in path:
            self._varying.append((methods, pattern, need))
        else:
            self._fixed |= dict.fromkeys(((method, path) for method in methods), need)

    def of(self, method: str, path: str) -> Need:
        """What a request needs; one that nothing answers is judged by its method and place."""
        if method == "HEAD":
            method = "GET"
        found = self._fixed.get((method, path))
        if found is not None:
            return found
        # The strictest, where several fit: which of them answers depends on the order of the routes.
        fitting = [need for methods, pattern, need in self._varying if method in methods and pattern.match(path)]
        if fitting:
            return max(fitting, key=lambda need: need.role)
        return usual(method, path)


def usual(method: str, path: str) -> Need:
    """What is needed where an endpoint says nothing."""
    if path.startswith("/static/") and method in READING:
        return _STATIC
    if path.startswith(_ADMIN):
        return Need(Role.ADMIN)
    if method in READING:
        return Need(Role.VIEWER)
    return Need(Role.ADMIN if path.startswith("/-/") else Role.RESPONDER)
