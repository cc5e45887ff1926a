"""What the interfaces that take samples have in common: packed bodies, and work that must not hold up others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.concurrency import run_in_threadpool

from hypercare.adapters.decompress import BadEncoding, TooLarge, decompress
from hypercare.ingest import BadRequestError
from hypercare.ingest.protocol import MAX_MESSAGE

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")
_BIG: Final = 16 << 10
"""Bodies from which on decoding moves to a worker, bytes."""
_ENCODINGS: Final = frozenset({"", "identity", "gzip", "zstd"})


class Workers:
    """Decodes big bodies in worker threads, a few at a time: each may take many times the size of its body."""

    def __init__(self, limit: int = 4) -> None:
        self._places = asyncio.Semaphore(limit)

    async def run(self, body: bytes, work: Callable[[], _Result]) -> _Result:
        """The result of a function of this body."""
        if len(body) < _BIG:
            return work()
        async with self._places:
            return await run_in_threadpool(work)


def inflate(body: bytes, encoding: str, limit: int = MAX_MESSAGE) -> bytes:
    """Undo the packing that the header ``Content-Encoding`` names.

    Raises:
        BadRequestError: another encoding (415), damaged (400), or too large (413).

    """
    if encoding.strip().lower() not in _ENCODINGS:
        msg = f"the content encoding {encoding!r} is not supported; send gzip, zstd, or none"
        raise BadRequestError(msg, 415)
    try:
        return decompress(body, encoding, limit)
    except TooLarge:
        msg = f"the message is larger than {limit} bytes"
        raise BadRequestError(msg, 413) from None
    except BadEncoding as error:
        raise BadRequestError(str(error)) from None
