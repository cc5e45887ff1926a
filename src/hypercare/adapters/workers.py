"""Threads for queries: numpy lets others run while it computes."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
R = TypeVar("R")


class Threads:
    """A few threads, made at first use and shared by all queries (``ports.Workers``).

    Args:
        count: threads that work on one query, the caller's among them; none: as many as there are processors, up to 4.

    """

    def __init__(self, count: int | None = None) -> None:
        self._count = min(4, os.cpu_count() or 1) if count is None else max(1, count)
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def map(self, do: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """See ``ports.Workers``; each thread takes the next item that nobody has taken yet."""
        helpers = min(self._count, len(items)) - 1
        if helpers < 1:
            return [do(item) for item in items]
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._count - 1, thread_name_prefix="query")
        results: dict[int, R] = {}
        waiting = iter(enumerate(items))
        lock = threading.Lock()

        def next_item() -> Iterator[tuple[int, T]]:
            while True:
                with lock:
                    found = next(waiting, None)
                if found is None:
                    return
                yield found

        def work() -> None:
            try:
                for number, item in next_item():
                    results[number] = do(item)
            except BaseException:
                # The others need not go on.
                with lock:
                    for _ in waiting:
                        pass
                raise

        futures = [self._pool.submit(work) for _ in range(helpers)]
        try:
            work()
        finally:
            errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            raise errors[0]
        return [results[number] for number in range(len(items))]
