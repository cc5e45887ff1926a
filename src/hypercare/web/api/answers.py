"""Prometheus' JSON envelope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypercare.web.api.encode import plain_json

if TYPE_CHECKING:
    from collections.abc import Iterable

STATUS_OF: Final = {
    "bad_data": 400,
    "execution": 422,
    "timeout": 503,
    "canceled": 503,
    "not_found": 404,
    "unavailable": 503,
    "internal": 500,
}


class ApiError(Exception):
    """An error in Prometheus' form: ``errorType`` and text."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def success(data: Any, warnings: Iterable[str] = (), infos: Iterable[str] = ()) -> bytes:
    """The envelope around an answer.

    Args:
        data: what JSON can say, or pieces of JSON.
        warnings: what the reader should know.
        infos: what the reader may want to know.

    """
    notes = b"".join(
        b',"%b":%b' % (name, plain_json(found))
        for name, found in ((b"warnings", list(warnings)), (b"infos", list(infos)))
        if found
    )
    written = data if _is_json(data) else [plain_json(data)]
    return b"".join((b'{"status":"success","data":', *written, notes, b"}"))


def _is_json(data: Any) -> bool:
    return isinstance(data, list) and bool(data) and isinstance(data[0], bytes)


def failure(error: ApiError) -> bytes:
    """The envelope around an error."""
    return plain_json({"status": "error", "errorType": error.kind, "error": str(error)})
