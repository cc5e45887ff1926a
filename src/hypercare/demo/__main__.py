"""``python -m hypercare.demo``: the platform alone, for another tool to watch; Ctrl-C or SIGTERM stops it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from hypercare.demo import config, layout
from hypercare.demo.platform import Event, Supervisor
from hypercare.demo.state import DemoError


def _show(event: Event) -> None:
    sys.stdout.write(f"{event.source}: {event.text}\n")
    sys.stdout.flush()


async def _platform(directory: Path, base_port: int | None, rate: float) -> None:
    supervisor = Supervisor(directory, base_port=base_port, rate=rate, on_event=_show)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    starting = asyncio.create_task(supervisor.start())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            starting.result()
            config.write(supervisor.directory, supervisor.ports)
            _show(Event(0.0, "platform", f"ready, configuration in {supervisor.directory.config}"))
            await stop.wait()
    finally:
        starting.cancel()
        stopping.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
        await supervisor.stop()


def main() -> int:
    """Run; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m hypercare.demo", description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path(".demo"), help="for configuration, logs, database")
    parser.add_argument("--free-ports", action="store_true", help="any free ports instead of the usual ones")
    parser.add_argument("--rate", type=float, default=12.0, help="requests a second")
    options = parser.parse_args()
    try:
        asyncio.run(_platform(options.directory, None if options.free_ports else layout.BASE_PORT, options.rate))
    except DemoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
