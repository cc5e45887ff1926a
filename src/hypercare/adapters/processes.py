"""Programs run for actions: each in a process group of its own, with a thread that waits for it."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from typing import IO, TYPE_CHECKING, Final

from hypercare.ports import ProcessResult

if TYPE_CHECKING:
    from hypercare.ports import ProcessReply, ProcessRequest

KEPT_VARIABLES: Final = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_RUNTIME_DIR",
)  # fmt: skip
"""What every program gets of our environment; the rest may hold secrets that are none of its business."""
_UMASK: Final = 0o077
_PORTION: Final = 64 * 1024
_LINGER: Final = 0.5
"""Seconds for which we read on after a program has ended: what it left in the background may hold its output open."""
_LOOK_EVERY: Final = 0.05
CLOSING: Final = "hypercare was stopped while it ran"


class Kept:
    """The beginning and the end of what a program writes, within a bound.

    Args:
        limit: bytes to keep, of which a quarter are the first.

    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tail_limit = limit - limit // 4
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self.total += len(data)
        room = self._limit - self._tail_limit - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        # Cut now and then only, so that many small writes cost little.
        if len(self._tail) > 2 * self._tail_limit + _PORTION:
            del self._tail[: len(self._tail) - self._tail_limit]

    def result(self) -> tuple[bytes, bytes, int]:
        """Head, tail, and how many bytes between them are gone; where none are, all of it is the head."""
        tail = bytes(self._tail[-self._tail_limit :])
        omitted = self.total - len(self._head) - len(tail)
        return (bytes(self._head), tail, omitted) if omitted else (bytes(self._head) + tail, b"", 0)


class SystemProcesses:
    """Runs programs on this machine (``ports.Processes``)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._threads: set[threading.Thread] = set()
        self._closed = threading.Event()

    def submit(self, request: ProcessRequest, reply: ProcessReply) -> None:
        """See ``ports.Processes``."""
        thread = threading.Thread(target=self._run, args=(request, reply), name="process", daemon=True)
        with self._lock:
            closed = self._closed.is_set()
            if not closed:
                self._threads.add(thread)
        if closed:
            reply(ProcessResult(error=CLOSING))
        else:
            thread.start()

    def close(self) -> None:
        """End what runs: SIGTERM to each group, SIGKILL to those that take longer than they may; replies come first."""
        with self._lock:
            self._closed.set()
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _run(self, request: ProcessRequest, reply: ProcessReply) -> None:
        started = time.monotonic()
        try:
            result = self._ended(request, started)
        except (OSError, ValueError) as error:
            # ValueError: a NUL byte in an argument.
            name = f": {error.filename}" if isinstance(error, OSError) and error.filename else ""
            text = f"{error.strerror}{name}" if isinstance(error, OSError) and error.strerror else str(error)
            result = ProcessResult(error=f"it did not start: {text}", duration=_since(started))
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
        reply(result)

    def _ended(self, request: ProcessRequest, started: float) -> ProcessResult:
        kept = Kept(request.max_output)
        process = subprocess.Popen(  # noqa: S603 - what the configuration names is what is run; no shell is between
            request.argv,
            stdin=subprocess.PIPE if request.stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=request.cwd or None,
            env=_environment(request),
            start_new_session=True,
            umask=_UMASK,
            bufsize=0,
        )
        timed_out = self._follow(process, request, kept, started)
        head, tail, omitted = kept.result()
        code = process.wait()
        return ProcessResult(
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else 0,
            timed_out=timed_out,
            head=head,
            tail=tail,
            omitted=omitted,
            duration=_since(started),
            error=CLOSING if self._closed.is_set() and not timed_out and code < 0 else "",
        )

    def _follow(self, process: subprocess.Popen[bytes], request: ProcessRequest, kept: Kept, started: float) -> bool:
        """Feed and read it until it has ended; whether its time was over."""
        end, kill_at, linger_until = started + request.timeout / 1000, 0.0, 0.0
        timed_out = killed = False
        pipes = _Pipes(process, request.stdin, kept)
        try:
            while True:
                open_still = pipes.turn(_LOOK_EVERY)
                now = time.monotonic()
                if process.poll() is not None and not kill_at:
                    linger_until = linger_until or now + _LINGER
                    if not open_still or now >= linger_until:
                        return timed_out
                elif not kill_at and (now >= end or self._closed.is_set()):
                    timed_out = now >= end
                    _signal(process, signal.SIGTERM)
                    kill_at = now + request.kill_after / 1000
                elif kill_at and not killed and (now >= kill_at or _group_is_gone(process)):
                    # The group as a whole: children may ignore what their parent obeyed.
                    _signal(process, signal.SIGKILL)
                    killed = True
                    linger_until = now + _LINGER
                elif killed and process.poll() is not None and (not open_still or now >= linger_until):
                    return timed_out
                if not open_still:
                    self._closed.wait(_LOOK_EVERY) if not kill_at else time.sleep(_LOOK_EVERY)
        finally:
            pipes.close()


class _Pipes:
    """What a program reads and writes."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, kept: Kept) -> None:
        self._stdin = memoryview(stdin)
        self._kept = kept
        self._selector = selectors.DefaultSelector()
        self._open: list[IO[bytes]] = []
        for stream, events in ((process.stdout, selectors.EVENT_READ), (process.stdin, selectors.EVENT_WRITE)):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._selector.register(stream, events)
                self._open.append(stream)

    def turn(self, seconds: float) -> bool:
        """Move what can be moved, waiting for so long at most; whether its output is still open."""
        for key, events in self._selector.select(seconds) if self._open else ():
            stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
            done = self._write(stream) if events & selectors.EVENT_WRITE else self._read(stream)
            if done:
                self._drop(stream)
        return bool(self._open)

    def _read(self, stream: IO[bytes]) -> bool:
        try:
            data = os.read(stream.fileno(), _PORTION)
        except BlockingIOError:
            return False
        self._kept.add(data)
        return not data

    def _write(self, stream: IO[bytes]) -> bool:
        try:
            self._stdin = self._stdin[os.write(stream.fileno(), self._stdin[:_PORTION]) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            # It does not want to read it all.
            return True
        return not self._stdin

    def _drop(self, stream: IO[bytes]) -> None:
        self._selector.unregister(stream)
        stream.close()
        self._open.remove(stream)

    def close(self) -> None:
        """Close what is open still: a program in the background then writes into nothing."""
        for stream in list(self._open):
            self._drop(stream)
        self._selector.close()


def _environment(request: ProcessRequest) -> dict[str, str]:
    names = (*KEPT_VARIABLES, *request.pass_env)
    return {name: os.environ[name] for name in names if name in os.environ} | dict(request.env)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _group_is_gone(process: subprocess.Popen[bytes]) -> bool:
    """Whether nobody is left of the group (our own child, if it has ended, is taken away first)."""
    if process.poll() is None:
        return False
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return True
    return False


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
