"""Decompressing bodies with a limit that holds for what comes out, not for what came in."""

from __future__ import annotations

import zlib
from typing import Final

import cramjam

_UNLIMITED: Final = 1 << 40
_FIRST_GUESS: Final = 8


class TooLarge(ValueError):  # noqa: N818 - reads as what happened
    """More comes out than is allowed."""


class BadEncoding(ValueError):  # noqa: N818 - reads as what happened
    """The body is not in the encoding that its header names."""


def decompress(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Undo a Content-Encoding.

    Args:
        body: as received.
        encoding: the header's value; several are undone from last to first.
        max_bytes: most bytes that may come out; 0: any number.

    Raises:
        TooLarge: more comes out.
        BadEncoding: unknown encoding, or data that is not in it.

    """
    limit = max_bytes or _UNLIMITED
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        if name in {"", "identity"}:
            continue
        if name in {"gzip", "x-gzip", "deflate"}:
            body = _zlib(body, name, limit)
        elif name in {"zstd", "br"}:
            body = _cramjam(body, name, limit)
        else:
            msg = f"unknown content encoding {name!r}"
            raise BadEncoding(msg)
    if len(body) > limit:
        raise TooLarge
    return body


def _zlib(body: bytes, name: str, limit: int) -> bytes:
    # "deflate" is zlib by the standard; some servers send the bare stream.
    bare = name == "deflate" and (len(body) < 2 or body[0] & 0x0F != 8 or int.from_bytes(body[:2], "big") % 31 != 0)
    parts: list[bytes] = []
    size = 0
    while body:
        stream = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
        try:
            part = stream.decompress(body, limit - size + 1)
        except zlib.error as error:
            msg = f"not valid {name}: {error}"
            raise BadEncoding(msg) from None
        size += len(part)
        if size > limit:
            raise TooLarge
        if not stream.eof:
            msg = f"not valid {name}: the data is cut off"
            raise BadEncoding(msg)
        parts.append(part)
        body = stream.unused_data
    return b"".join(parts) if len(parts) != 1 else parts[0]


def _cramjam(body: bytes, name: str, limit: int) -> bytes:
    """Into a buffer that grows up to the limit: the library has no limit of its own."""
    codec = cramjam.zstd if name == "zstd" else cramjam.brotli
    size = min(max(len(body) * _FIRST_GUESS, 1 << 16), limit)
    while True:
        buffer = bytearray(size)
        try:
            count = codec.decompress_into(body, buffer)
        except cramjam.DecompressionError as error:
            if "write" not in str(error).lower() and "buffer" not in str(error).lower():
                msg = f"not valid {name}: {error}"
                raise BadEncoding(msg) from None
            if size >= limit:
                raise TooLarge from None
            size = min(size * 4, limit)
            continue
        return bytes(memoryview(buffer)[:count])
