"""``hypercare serve`` in a hurry: blocks of four seconds instead of two hours, merged, maintained all the time.

``KILL_IN_CALL=n`` lets it die within the so-manieth call that changes the disk: before, after, or in the middle of it.
"""

from __future__ import annotations

import functools
import os
import random
import signal

from hypercare import app
from hypercare.cli import main


def kill_in_call(number: int, chance: random.Random) -> None:
    left = number

    def dying(real):
        def call(*arguments, **named):
            nonlocal left
            left -= 1
            if left == 0:
                if real is os_write and chance.random() < 0.7:
                    real(arguments[0], bytes(arguments[1])[: chance.randrange(len(arguments[1]) + 1)])
                elif chance.random() < 0.5:
                    real(*arguments, **named)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    os_write = os.write
    for name in ("write", "fsync", "replace", "unlink", "truncate", "ftruncate"):
        setattr(os, name, dying(getattr(os, name)))


if __name__ == "__main__":
    app.Options = functools.partial(
        app.Options, block_span=4_000, seal_rows=8, keep_rows=8, seal_budget=50_000, merge_span=16_000,
        wal_segment_bytes=1 << 17,
    )  # fmt: skip
    app.MINUTE = 400
    if number := int(os.environ.get("KILL_IN_CALL", "0")):
        kill_in_call(number, random.Random(number))
    main()
