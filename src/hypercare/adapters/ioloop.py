"""One asyncio loop in a thread of its own, and worker threads for what blocks.

Both promise the law of all slow ports: ``submit`` returns at once, and its reply is called exactly once, whatever
happens, also when we shut down.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_T = TypeVar("_T")
_Waiting: TypeAlias = "tuple[Callable[[], Coroutine[Any, Any, Any]], Callable[[Any], None], Callable[[str], Any]]"
_log = logging.getLogger(__name__)
CLOSING = "shutting down"
"""Why requests fail that come too late."""


class IoLoop:
    """Runs coroutines of any thread in one background loop."""

    def __init__(self, name: str = "io") -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._waiting: list[_Waiting] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closers: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def call(self, work: Callable[[], None]) -> bool:
        """Run a short function in the loop; false: the loop is closed, and it will not run."""
        with self._lock:
            if not self._closed:
                self._loop.call_soon_threadsafe(work)
            return not self._closed

    def submit(
        self, work: Callable[[], Coroutine[Any, Any, _T]], reply: Callable[[_T], None], lost: Callable[[str], _T]
    ) -> None:
        """Start a coroutine.

        Args:
            work: makes the coroutine; called in the loop.
            reply: gets its result, in the loop's thread.
            lost: makes a result of the reason why there is none.

        """
        with self._lock:
            if not self._closed:
                self._waiting.append((work, reply, lost))
                # The loop is woken once for all that wait: each time costs a call of the system.
                if len(self._waiting) == 1:
                    self._loop.call_soon_threadsafe(self._begin_all)
                return
        reply(lost(CLOSING))

    def _begin_all(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for one in waiting:
            self._loop.call_soon(self._begin, *one)

    def _begin(
        self, work: Callable[[], Coroutine[Any, Any, _T]], reply: Callable[[_T], None], lost: Callable[[str], _T]
    ) -> None:
        task = self._loop.create_task(work())
        self._tasks.add(task)
        # A callback, not a wrapping coroutine: it is also called for a task that is cancelled before it began.
        task.add_done_callback(lambda done: self._finish(done, reply, lost))

    def _finish(self, task: asyncio.Task[_T], reply: Callable[[_T], None], lost: Callable[[str], _T]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            reply(lost(CLOSING))
            return
        error = task.exception()
        if error is None:
            reply(task.result())
        else:
            _log.error("unexpected failure in an exchange", exc_info=error)
            reply(lost(f"{type(error).__name__}: {error}"))

    def at_close(self, closer: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine in the loop when it closes, after all tasks have ended."""
        self._closers.append(closer)

    def close(self, timeout: float = 5.0) -> None:
        """Cancel what is under way (everybody who waits gets a reply) and end the thread; once is enough."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        future = asyncio.run_coroutine_threadsafe(self._shut(), self._loop)
        try:
            future.result(timeout)
        except TimeoutError:
            _log.warning("some connections did not close within %s s", timeout)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout)

    async def _shut(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for closer in self._closers:
            await closer()


class Workers:
    """A few daemon threads for calls that block."""

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._count = count
        self._lock = threading.Lock()
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._open: dict[int, _Job] = {}

    def submit(self, work: Callable[[], _T], reply: Callable[[_T], None], lost: Callable[[str], _T]) -> None:
        """Start a call; the arguments are as those of ``IoLoop.submit``."""
        job = _Job(work, reply, lost)
        with self._lock:
            closed = self._closed
            if not closed:
                self._open[id(job)] = job
                if len(self._threads) < min(self._count, len(self._open)):
                    thread = threading.Thread(target=self._run, name=f"{self._name}-{len(self._threads)}", daemon=True)
                    self._threads.append(thread)
                    thread.start()
        if closed:
            job.lose(CLOSING)
        else:
            self._queue.put(job)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            job.run()
            with self._lock:
                self._open.pop(id(job), None)

    def close(self) -> None:
        """Give everybody who waits a reply; a call that blocks ends with the process, unheard."""
        with self._lock:
            self._closed = True
            jobs = list(self._open.values())
            self._open.clear()
        for job in jobs:
            job.lose(CLOSING)
        for _ in self._threads:
            self._queue.put(None)


class _Job:
    """A call whose reply is taken once."""

    __slots__ = ("_lock", "_lost", "_reply", "_taken", "_work")

    def __init__(self, work: Callable[[], Any], reply: Callable[[Any], None], lost: Callable[[str], Any]) -> None:
        self._work = work
        self._reply = reply
        self._lost = lost
        self._lock = threading.Lock()
        self._taken = False

    def run(self) -> None:
        """Do it, unless the reply was given away already."""
        if self._taken:
            return
        try:
            result = self._work()
        except Exception as error:  # the thread must live on, and the reply must come  # noqa: BLE001
            _log.exception("unexpected failure in a worker")
            result = self._lost(f"{type(error).__name__}: {error}")
        self._give(result)

    def lose(self, reason: str) -> None:
        """Reply that it will not be done."""
        self._give(self._lost(reason))

    def _give(self, result: Any) -> None:
        with self._lock:
            if self._taken:
                return
            self._taken = True
        self._reply(result)
