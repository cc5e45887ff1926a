"""Requests of remote write: which message, how packed, how large, and what is answered.

The specifications: https://prometheus.io/docs/specs/prw/remote_write_spec/ and …/remote_write_spec_2_0/.
"""

from __future__ import annotations

import enum
from typing import Final

import cramjam

from hypercare.ingest.decoded import BadRequestError

MAX_MESSAGE: Final = 64 << 20
"""Largest message after decompression, bytes."""
WRITTEN_SAMPLES: Final = "X-Prometheus-Remote-Write-Samples-Written"
WRITTEN_HISTOGRAMS: Final = "X-Prometheus-Remote-Write-Histograms-Written"
WRITTEN_EXEMPLARS: Final = "X-Prometheus-Remote-Write-Exemplars-Written"


class Message(enum.StrEnum):
    """The message of a request, as its content type names it."""

    V1 = "prometheus.WriteRequest"
    V2 = "io.prometheus.write.v2.Request"


def message_of(content_type: str, encoding: str) -> Message:
    """Which message the headers announce.

    Args:
        content_type: the header ``Content-Type``; version 1 where it is missing, as old senders leave it out.
        encoding: the header ``Content-Encoding``; snappy where it is missing.

    Raises:
        BadRequestError: a type or an encoding that is not spoken here (415).

    """
    if encoding.strip().lower() not in {"", "snappy"}:
        msg = f"the content encoding {encoding!r} is not supported; send snappy"
        raise BadRequestError(msg, 415)
    kind, *parameters = [part.strip() for part in content_type.split(";")]
    if kind.lower() not in {"", "application/x-protobuf"}:
        msg = f"the content type {content_type!r} is not supported; send application/x-protobuf"
        raise BadRequestError(msg, 415)
    for parameter in parameters:
        name, mark, value = parameter.partition("=")
        if not mark:
            msg = f"the content type {content_type!r} has a parameter without a value"
            raise BadRequestError(msg, 415)
        if name.strip().lower() == "proto":
            try:
                return Message(value.strip().strip('"'))
            except ValueError:
                known = " or ".join(message.value for message in Message)
                msg = f"the message {value.strip()!r} is not known; send {known}"
                raise BadRequestError(msg, 415) from None
    return Message.V1


def unpack(body: bytes, limit: int = MAX_MESSAGE) -> bytes:
    """Undo snappy (its block format, whose first bytes tell the size of the content).

    Raises:
        BadRequestError: it is no snappy block (400), or too large (413).

    """
    try:
        size = int(cramjam.snappy.decompress_raw_len(body))
        if size > limit:
            msg = f"the message is larger than {limit} bytes"
            raise BadRequestError(msg, 413)
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        msg = f"the body is not in snappy's block format: {error}"
        raise BadRequestError(msg) from None
