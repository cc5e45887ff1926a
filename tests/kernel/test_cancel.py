"""Effects that have become needless are withdrawn, visibly; what the outside has got stays delivered."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import select

from hypercare.kernel import Delivered, Effect, Kernel, Outbox, Permanent, Retry
from hypercare.kernel.tables import outbox
from hypercare.model.events import EffectCancelled, EffectDelivered
from hypercare.model.time import DAY, SECOND
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports
from hypercare.state import State


@dataclasses.dataclass(frozen=True)
class Do:
    run: object


class House:
    """A kernel whose deliveries are answered by hand."""

    def __init__(self, path=None, start=0):
        self.clock = VirtualClock(start)
        self.tries = []
        self.replies = {}
        self.state = State.open(path)
        world = World(self.clock)
        self.kernel = Kernel(self.state, virtual_ports(self.clock, world), Outbox(self))
        self.kernel.on_message(Do, lambda ctx, do: do.run(ctx))
        self.events = []
        self.kernel.observe(lambda _, event: self.events.append(event))
        self.sim = Simulation(self.kernel, world, self.clock)
        self.kernel.start()
        self.sim.run_for(0)

    def deliver(self, effect, reply):
        self.tries.append(effect.key)
        self.replies[effect.key] = reply

    def answer(self, key, outcome):
        self.replies.pop(key)(outcome)
        self.sim.run_for(0)

    def do(self, run):
        future = self.kernel.call(Do(run))
        self.sim.run_for(0)
        future.result(timeout=0)
        assert self.kernel.failures == 0

    def emit(self, *keys, lane=""):
        for key in keys:
            self.do(lambda ctx, key=key: ctx.emit(Effect(key, "c", "t", "s", {}, lane, "k")))

    def cancel(self, key="k"):
        self.do(lambda ctx: ctx.cancel(key, "not needed"))

    def rows(self):
        with self.state.read() as db:
            rows = db.execute(select(outbox).order_by(outbox.c.seq)).all()
        return {row.id: (row.state, row.error) for row in rows}

    def seen(self, kind):
        return [e.effect_id for e in self.events if isinstance(e, kind)]


def test_what_waits_for_another_try_is_withdrawn_and_stays_visible(tmp_path):
    house = House(tmp_path / "s.db")
    house.emit("a")
    house.answer("a", Retry("busy"))
    house.cancel("other")
    assert house.rows() == {"a": ("pending", "busy")}
    house.cancel()
    house.sim.run_for(DAY)
    assert house.tries == ["a"]
    assert house.rows() == {"a": ("cancelled", "not needed")}
    assert house.seen(EffectCancelled) == ["a"]
    assert house.kernel.outbox.pending() == 0
    house.state.close()
    assert House(tmp_path / "s.db").tries == []


@pytest.mark.parametrize("outcome", [Retry("busy"), Permanent("no")])
def test_what_is_under_way_is_not_tried_again(outcome):
    house = House()
    house.emit("a")
    house.cancel()
    assert house.seen(EffectCancelled) == []
    house.answer("a", outcome)
    house.sim.run_for(DAY)
    assert house.tries == ["a"]
    assert house.rows() == {"a": ("cancelled", "not needed")}
    assert house.seen(EffectCancelled) == ["a"]


def test_what_arrived_all_the_same_counts_as_delivered():
    house = House()
    house.emit("a")
    house.cancel()
    house.answer("a", Delivered())
    assert house.rows() == {"a": ("sent", "")}
    assert (house.seen(EffectDelivered), house.seen(EffectCancelled)) == (["a"], [])


def test_what_is_under_way_is_not_sent_by_the_next_process(tmp_path):
    house = House(tmp_path / "s.db")
    house.emit("a")
    house.cancel()
    house.state.close()
    assert House(tmp_path / "s.db").tries == []


def test_a_lane_goes_on_behind_what_was_withdrawn():
    house = House()
    house.emit("a", "b", "c", lane="l")
    house.do(lambda ctx: ctx.emit(Effect("d", "c", "t", "s", {}, "l")))
    house.answer("a", Retry("busy", after=60 * SECOND))
    house.cancel()
    assert house.tries == ["a", "d"]
    house.answer("d", Delivered())
    assert [state for state, _ in house.rows().values()] == ["cancelled"] * 3 + ["sent"]
    house.emit("e", lane="l")
    assert house.tries == ["a", "d", "e"]


def test_what_is_withdrawn_in_a_step_that_fails_is_not():
    house = House()
    house.emit("a")
    house.answer("a", Retry("busy"))

    def fail(ctx):
        ctx.cancel("k", "not needed")
        ctx.settle("x", lambda _: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        house.do(fail)
    house.sim.run_for(2 * SECOND)
    assert house.tries == ["a", "a"]


def test_conclusions_are_drawn_once_when_all_events_are_told():
    house = House()
    heard = []
    house.kernel.subscribe(EffectCancelled, lambda ctx, event: (heard.append(event.reason), conclude(ctx)))

    def conclude(ctx):
        ctx.settle("x", lambda _: heard.append("end"))

    def run(ctx):
        conclude(ctx)
        for name in ("a", "b"):
            ctx.publish(EffectCancelled("", "", "", "", name))

    house.do(run)
    assert heard == ["a", "b", "end"]
