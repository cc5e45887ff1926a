"""One target under atheris: ``python -m fuzz.run TARGET [CORPUS] [libFuzzer options]``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

import atheris

with atheris.instrument_imports(include=["hypercare", "json", "fuzz"]):
    from fuzz.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS: Final = 1.0


def within_time(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Hold a target to a second of the processor: on a busy machine the clock on the wall accuses the innocent."""

    def run(data: bytes) -> None:
        began = time.process_time()
        target(data)
        took = time.process_time() - began
        assert took < _SECONDS, f"one input took {took:.2f} s"

    return run


def main() -> None:
    """Hand over to libFuzzer, which ends the process."""
    target = within_time(TARGETS[sys.argv.pop(1)])
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
