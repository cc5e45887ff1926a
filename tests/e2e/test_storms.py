"""``kill -9`` in a storm of alerts with escalations: everybody is told, once; ``STORMS=200`` for the long version."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import pytest
from storm_kit import Storm

from postgres_kit import Server

ROUNDS = int(os.environ.get("STORMS", "0"))
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600 + 30 * ROUNDS)]


@pytest.fixture
def storm():
    made = []

    def make(*args, **kwargs):
        # Not pytest's folder: of that only the last three are kept, and other runs may begin while a long one goes on.
        folder = Path(tempfile.mkdtemp(prefix="hypercare-storm-"))
        made.append(Storm(folder, *args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.close()
        shutil.rmtree(one.folder, ignore_errors=True)


@pytest.fixture
def database():
    server = Server().start()
    yield server
    server.close()


def _show(name, result):
    print(f"\nstorm {name}: {result}")


def test_alone_and_killed_again_and_again(storm):
    one = storm(ROUNDS or 4)
    for number in range(one.rounds):
        one.round(number)
    _show("alone", one.judge())


@pytest.mark.parametrize("kind", ["slow", "failing", "lying"])
def test_a_bad_receiver(storm, kind):
    one = storm(ROUNDS // 10 or 2, seed=2, kind=kind)
    for number in range(one.rounds):
        one.round(number)
    _show(kind, one.judge())


def test_two_replicas_and_the_leader_is_killed_again_and_again(storm, database):
    one = storm(ROUNDS // 2 or 3, seed=3, database=database, replicas=2)
    for number in range(one.rounds):
        one.round(number)
    _show("two replicas", one.judge())


def test_the_database_is_away_for_a_while(storm, database):
    one = storm(3, seed=4, database=database, replicas=2)
    one.send(0)
    database.stop()
    # What had been accepted and could not be marked may come again, as after a kill.
    one.kills.append(time.time())
    one.outages += one.kills
    sender = threading.Thread(target=one.send, args=(1,))
    sender.start()
    time.sleep(30 if ROUNDS else 8)
    one.until(lambda: all(one.get(n, "/-/healthy") for n in range(2)), 60, "both are alive")
    one.until(lambda: b"hypercare_state_up 0" in (one.get(0, "/metrics") or b""), 60, "it is told")
    database.start()
    sender.join()
    one.send(2)
    _show("database away", one.judge())


def test_the_clock_is_set_back_an_hour(storm):
    one = storm(3, seed=5)
    one.send(0)
    one.clock.write_text("-3600")
    time.sleep(0.5)
    one.send(1)
    # Also over a restart: the rows say by when.
    one.kill(0)
    one.start(0)
    one.send(2)
    _show("clock set back", one.judge())
