"""How requests of OTLP over HTTP are written, and how one is refused: https://opentelemetry.io/docs/specs/otlp/#otlphttp."""

from __future__ import annotations

import enum
import json
from typing import Final

from hypercare.ingest.decoded import BadRequestError

_INVALID_ARGUMENT: Final = 3
_UNAVAILABLE: Final = 14


class OtlpError(BadRequestError):
    """A request of OTLP that cannot be taken."""


class Encoding(enum.StrEnum):
    """How a body is written."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


def encoding_of(content_type: str) -> Encoding:
    """The encoding that a content type names.

    Raises:
        OtlpError: none that is spoken here.

    """
    try:
        return Encoding(content_type.partition(";")[0].strip().lower())
    except ValueError:
        msg = f"the content type {content_type!r} is not supported; send {' or '.join(e.value for e in Encoding)}"
        raise OtlpError(msg, 415) from None


def refusal(encoding: Encoding, message: str, status: int) -> bytes:
    """The body of a failure: a ``google.rpc.Status`` {code 1, message 2}."""
    code = _UNAVAILABLE if status >= 500 else _INVALID_ARGUMENT
    if encoding is Encoding.JSON:
        return json.dumps({"code": code, "message": message}).encode()
    text = message.encode("utf-8", "replace")
    size = len(text)
    length = bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes((0x08, code, 0x12)) + bytes(length) + text
