"""Who is alone is alone, and is let in though tests follow each other without a pause."""

from __future__ import annotations

import threading
import uuid

from alone_kit import Turns


def test_nobody_runs_beside_one_who_is_alone_and_he_need_not_wait_for_the_last_test():
    run = uuid.uuid4().hex
    ended, running = threading.Event(), threading.Event()

    def other() -> None:
        turns = Turns(run)
        while not ended.is_set():
            with turns.beside():
                running.set()
            running.clear()

    worker = threading.Thread(target=other)
    worker.start()
    try:
        running.wait(20)
        with Turns(run).alone():
            running.clear()
            seen = [running.wait(0.02) for _ in range(5)]
        assert running.wait(20)
    finally:
        ended.set()
        worker.join(20)
    assert seen == [False] * 5
    assert not worker.is_alive()
