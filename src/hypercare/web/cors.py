"""Which other sites' pages may read Prometheus' API: none, unless ``web.cors_origin`` names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.model.matchers import compile_anchored

if TYPE_CHECKING:
    from starlette.types import Scope

_ALWAYS: Final = [
    (b"access-control-allow-headers", b"Accept, Authorization, Content-Type, Origin"),
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-expose-headers", b"Date"),
    (b"vary", b"Origin"),
]
_READ_BY_POST: Final = (
    "/api/v1/query",
    "/api/v1/series",
    "/api/v1/labels",
    "/api/v1/format_query",
    "/api/v1/parse_query",
)


def cors_headers(scope: Scope, pattern: str) -> list[tuple[bytes, bytes]]:
    """What tells a browser whether a page of that origin may see the answer, as Prometheus tells it.

    Args:
        scope: of the request.
        pattern: a regular expression for whole origins, not empty.

    """
    origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
    if not origin:
        return []
    if pattern == ".*":
        return [*_ALWAYS, (b"access-control-allow-origin", b"*")]
    if compile_anchored(pattern).fullmatch(origin.decode("latin-1")):
        return [*_ALWAYS, (b"access-control-allow-origin", origin)]
    return list(_ALWAYS)


def may_post(path: str, origin: str, pattern: str) -> bool:
    """Whether another site's page may ask by POST: where the API only reads, and the origin is one of those named."""
    return bool(pattern) and path.startswith(_READ_BY_POST) and bool(compile_anchored(pattern).fullmatch(origin))
