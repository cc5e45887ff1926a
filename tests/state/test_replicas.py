"""Several replicas on one PostgreSQL: only the newest term commits, a stand-by changes nothing, the outage of a database."""

from __future__ import annotations

import dataclasses
import time

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

import hypercare.app  # noqa: F401 - every room's tables register themselves
from hypercare.adapters.system import SystemClock
from hypercare.kernel import CommandError, Delivered, Effect, Kernel, Outbox
from hypercare.kernel.tables import outbox, timers
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports
from hypercare.state import State, StateAwayError, is_away
from hypercare.state.lease import Lease
from hypercare.state.postgres import LostLeadError
from postgres_kit import Server


@dataclasses.dataclass(frozen=True)
class Do:
    run: object


class Deliveries:
    def __init__(self):
        self.sent = []

    def deliver(self, effect, reply):
        self.sent.append(effect.key)
        reply(Delivered())


class Replica:
    def __init__(self, url, name):
        self.state = State.open(None, url)
        self.lease = Lease(self.state, name, f"http://{name}", "1")
        self.clock = VirtualClock(1_000)
        world = World(self.clock)
        self.deliveries = Deliveries()
        self.kernel = Kernel(self.state, virtual_ports(self.clock, world), Outbox(self.deliveries))
        self.kernel.on_message(Do, lambda ctx, do: do.run(ctx))
        self.rung = []
        self.kernel.on_timer("test", lambda ctx, key: self.rung.append((ctx.now, key)))
        self.sim = Simulation(self.kernel, world, self.clock)
        self.kernel.start()

    def look(self):
        standing = self.lease.beat()
        self.kernel.lead(self.lease.term)
        self.run(0)
        return standing

    def run(self, duration):
        self.sim.run_until(self.clock.now() + duration)

    def do(self, run):
        future = self.kernel.call(Do(run))
        self.run(0)
        return future.result(timeout=0)


@pytest.fixture(scope="module")
def server():
    one = Server().start()
    yield one
    one.close()


@pytest.fixture
def pair(server, request):
    url = server.make(f"pair_{abs(hash(request.node.name))}")
    both = Replica(url, "a"), Replica(url, "b")
    yield both
    for one in both:
        one.state.close()


def expire(replica):
    with replica.state.engine.begin() as db:
        db.exec_driver_sql("UPDATE leadership SET expires_at = 0")


def effect(key):
    return Effect(key, "console", "t", "s", {})


def test_one_leads_and_the_other_takes_over_when_the_lease_has_expired(pair):
    a, b = pair
    a.look()
    standing = b.look()
    assert (a.kernel.leads, b.kernel.leads, standing.holder, standing.address) == (True, False, "a", "http://a")
    a.do(lambda ctx: (ctx.set_timer("x", 5_000, "test"), ctx.emit(effect("e1"))))
    expire(b)
    b.look()
    assert b.kernel.leads
    assert b.lease.term == a.lease.term + 1
    b.run(10_000)
    assert b.rung == [(5_000, "x")]
    # What was delivered and marked is not delivered again.
    assert (a.deliveries.sent, b.deliveries.sent) == (["e1"], [])


def test_a_leader_that_slept_cannot_commit_and_stands_by(pair):
    a, b = pair
    a.look()
    seen = []

    def slow(ctx):
        ctx.emit(effect("late"))
        ctx.set_timer("y", 2_000, "test")
        # Here it stands still; another replica takes over, and it goes on where it was.
        expire(b)
        b.look()
        seen.append(b.kernel.leads)

    with pytest.raises(CommandError) as refused:
        a.do(slow)
    assert (seen, refused.value.status, a.kernel.leads, a.deliveries.sent) == ([True], 503, False, [])
    with b.state.read() as db:
        assert db.execute(select(timers)).all() == db.execute(select(outbox)).all() == []
    a.look()
    assert a.lease.term is None
    assert not a.kernel.leads


def test_a_stand_by_changes_nothing_and_refuses_commands(pair):
    a, b = pair
    a.look()
    b.look()
    with pytest.raises(CommandError, match="stands by"):
        b.do(lambda ctx: ctx.set_timer("x", 5_000, "test"))
    b.kernel.on_role(lambda ctx: (ctx.set_timer("x", 5_000, "test"), ctx.emit(effect("e"))))
    b.kernel.lead(None)
    b.run(10_000)
    assert (b.rung, b.deliveries.sent, b.kernel.failures) == ([], [], 0)
    with a.state.read() as db:
        assert db.execute(select(timers)).all() == []


def test_a_commit_without_the_lead_is_refused(pair):
    a, _ = pair
    a.look()
    with a.state.engine.connect() as db:
        db.begin()
        db.exec_driver_sql("INSERT INTO timers VALUES ('a', 'k', 5)")
        a.state.term += 1
        with pytest.raises(LostLeadError):
            a.state.commit(db, 1)
    with a.state.read() as db:
        assert db.execute(select(timers)).all() == []


def test_texts_that_postgresql_has_no_room_for(pair):
    a, _ = pair
    a.look()
    name = "x" * 5_000 + "\0"
    a.do(lambda ctx: ctx.emit(Effect("k" * 100, "console" * 20, name, name, {"text": name}, lane=name)))
    assert a.deliveries.sent == ["k" * 100]
    with a.state.read() as db:
        assert db.execute(select(outbox.c.target)).scalar_one() == "x" * 5_000 + "�"


def test_the_database_goes_away_and_comes_back():
    server = Server().start()
    try:
        one = Replica(server.make("away"), "a")
        one.look()
        one.do(lambda ctx: ctx.set_timer("x", 5_000, "test"))
        server.stop()
        one.run(6_000)
        assert (one.rung, one.kernel.leads, one.kernel.failures) == ([], False, 0)
        with pytest.raises(StateAwayError), one.state.read():
            pass
        with pytest.raises(CommandError, match="away"):
            one.do(lambda ctx: ctx.set_timer("z", 5_000, "test"))
        with pytest.raises(OperationalError) as refused:
            one.look()
        assert is_away(refused.value)
        server.start()
        one.look()
        one.run(0)
        assert [key for _, key in one.rung] == ["x"]
        one.state.close()
    finally:
        server.close()


def test_a_clock_that_is_set_back_goes_on_from_where_it_was(monkeypatch):
    real, offset = time.time_ns, [0]
    monkeypatch.setattr(time, "time_ns", lambda: real() + offset[0])
    clock = SystemClock()
    before = clock.now()
    offset[0] = -3_600_000_000_000
    assert 0 <= clock.now() - before < 60_000
    again = SystemClock()
    assert again.now() < before - 3_000_000
    again.go_on_from(before)
    assert 0 <= again.now() - before < 60_000
    # A clock that was wrong by years is not gone on from.
    third = SystemClock()
    third.go_on_from(before + 400 * 86_400_000)
    assert third.now() < before
