"""HTTP/1.1 responses taken apart: status line, headers, and the three ways in which a body ends (RFC 9112)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MAX_HEAD: Final = 65_536
"""Most bytes of status line and headers, and of trailers."""
_MAX_CHUNK_LINE: Final = 4096
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: |$)")
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEX: Final = re.compile(rb"[0-9A-Fa-f]{1,15}")
_END: Final = re.compile(rb"\n\r?\n")


class BadMessage(ValueError):  # noqa: N818 - reads as what happened
    """What the server sent is not HTTP/1.1."""


class Head(NamedTuple):
    """What stands before a body.

    Attributes:
        length: announced bytes of the body; none: it is chunked, or ends with the connection.
        keep: whether the connection stays open behind the body.

    """

    status: int
    version: str
    headers: dict[str, str]
    length: int | None
    chunked: bool
    keep: bool


def end_of_head(data: bytes) -> int:
    """Where the body begins; -1: the head is not complete yet. Lines may end without a carriage return."""
    at = data.find(b"\r\n\r\n")
    if at >= 0 and data.find(b"\n\n", 0, at) < 0:
        return at + 4
    found = _END.search(data)
    return found.end() if found else -1


def read_head(data: bytes) -> Head:
    """Read status line and headers.

    Raises:
        BadMessage: they are not in the format, or say contradictory things about the body's length.

    """
    first, *lines = data.rstrip(b"\r\n").split(b"\n")
    match = _STATUS.match(first.rstrip(b"\r"))
    if match is None:
        msg = f"not an HTTP/1.1 answer: {first[:60]!r}"
        raise BadMessage(msg)
    status, version = int(match[2]), "1.1" if match[1] == b"1" else "1.0"
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or _NAME.fullmatch(name) is None:
            msg = f"not a header: {line[:60]!r}"
            raise BadMessage(msg)
        key, text = name.decode("ascii").lower(), value.strip(b" \t\r").decode("latin-1")
        if key in {"content-length", "transfer-encoding"} and headers.get(key, text) != text:
            msg = f"two headers {key} that differ"
            raise BadMessage(msg)
        headers[key] = text
    chunked = _chunked(headers)
    length = None if chunked else _length(headers)
    if status < 200 or status in {204, 304}:
        chunked, length = False, 0
    asked = headers.get("connection", "").lower()
    keep = "close" not in asked and (version == "1.1" or "keep-alive" in asked)
    return Head(status, version, headers, length, chunked, keep and (chunked or length is not None))


def _chunked(headers: dict[str, str]) -> bool:
    coding = headers.get("transfer-encoding", "").lower()
    if coding not in {"", "identity", "chunked"}:
        msg = f"unknown transfer encoding {coding!r}"
        raise BadMessage(msg)
    return coding == "chunked"


def _length(headers: dict[str, str]) -> int | None:
    text = headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        msg = f"not a content length: {text[:60]!r}"
        raise BadMessage(msg)
    return int(text)


class Chunks:
    """Puts a chunked body together.

    Attributes:
        size: bytes of the body so far.
        done: its end was seen.
        surplus: something came behind the end.

    """

    def __init__(self) -> None:
        self.size = 0
        self.done = False
        self.surplus = False
        self._parts: list[bytes] = []
        self._rest = b""
        self._left = 0
        self._ending = False
        self._trailers = 0

    def body(self) -> bytes:
        """What has come."""
        return b"".join(self._parts)

    def feed(self, data: bytes) -> None:
        """Take what came next.

        Raises:
            BadMessage: it is not in the format.

        """
        data = self._rest + data if self._rest else data
        pos = 0
        while not self.done:
            if self._left:
                part = data[pos : pos + self._left]
                if not part:
                    break
                pos += len(part)
                self._take(part)
                continue
            end = data.find(b"\n", pos)
            if end < 0:
                if len(data) - pos > _MAX_CHUNK_LINE:
                    msg = "a line between chunks has no end"
                    raise BadMessage(msg)
                break
            self._line(data[pos:end].rstrip(b"\r"))
            pos = end + 1
        self._rest = data[pos:]
        self.surplus = self.done and bool(self._rest)

    def _take(self, part: bytes) -> None:
        """Bytes of a chunk: the last of all that belong to it are its line end."""
        self._left -= len(part)
        # What is still to come of the two bytes of the line end is not in the part.
        own = part[: max(len(part) - max(2 - self._left, 0), 0)]
        if part[len(own) :] not in {b"", b"\r", b"\n", b"\r\n"}:
            msg = "a chunk is longer than it says"
            raise BadMessage(msg)
        if own:
            self._parts.append(own)
            self.size += len(own)

    def _line(self, line: bytes) -> None:
        if self._ending:
            self._trailers += len(line)
            if self._trailers > MAX_HEAD:
                msg = "endless trailers"
                raise BadMessage(msg)
            self.done = not line
            return
        found = _HEX.match(line)
        if found is None or line[found.end() :].strip()[:1] not in {b"", b";"}:
            msg = f"not the size of a chunk: {line[:60]!r}"
            raise BadMessage(msg)
        size = int(found[0], 16)
        self._ending = size == 0
        self._left = size + 2 if size else 0
