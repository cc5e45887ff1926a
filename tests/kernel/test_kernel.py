"""The loop's laws: order, one transaction a step, nothing lost, nothing twice."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hypercare.kernel import CommandError, Delivered, Effect, Kernel, Outbox, Permanent, Retry
from hypercare.kernel.outbox import pause
from hypercare.kernel.tables import outbox, timers
from hypercare.kernel.timers import Timers
from hypercare.model.events import EffectDelayed, EffectDelivered, EffectFailed, EscalationExhausted
from hypercare.model.time import DAY, MINUTE, SECOND
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports
from hypercare.state import State


@dataclasses.dataclass(frozen=True)
class Do:
    """A command that runs a function of the context."""

    run: object


class Receiver:
    """A deliverer with a script of outcomes; beyond it everything is delivered. None: never answers."""

    def __init__(self, script=()):
        self.script = list(script)
        self.tries = []

    def deliver(self, effect, reply):
        self.tries.append(effect.key)
        outcome = self.script.pop(0) if self.script else Delivered()
        if outcome is not None:
            reply(outcome)


class House:
    def __init__(self, path=None, script=(), start=0):
        self.clock = VirtualClock(start)
        self.world = World(self.clock)
        self.receiver = Receiver(script)
        self.state = State.open(path)
        self.kernel = Kernel(self.state, virtual_ports(self.clock, self.world), Outbox(self.receiver))
        self.kernel.on_message(Do, lambda ctx, do: do.run(ctx))
        self.fired = []
        self.kernel.on_timer("test", lambda ctx, key: self.fired.append((ctx.now, key)))
        self.events = []
        self.kernel.observe(lambda at, event: self.events.append((at, event)))
        self.sim = Simulation(self.kernel, self.world, self.clock)

    def start(self):
        self.kernel.start()
        return self

    def do(self, run):
        future = self.kernel.call(Do(run))
        self.sim.run_until(self.clock.now())
        return future.result(timeout=0)


def effect(key, lane=""):
    return Effect(key, "console", "t", "s", {"text": key}, lane)


def test_timers_fire_in_order_of_time_then_of_setting():
    house = House().start()
    house.do(lambda ctx: [ctx.set_timer(k, at, "test") for k, at in [("c", 30), ("b", 10), ("a", 10)]])
    house.sim.run_until(100)
    assert house.fired == [(10, "b"), (10, "a"), (30, "c")]


def test_a_timer_set_again_moves_and_a_cancelled_one_is_silent():
    house = House().start()
    house.do(lambda ctx: [ctx.set_timer("a", 10, "test"), ctx.set_timer("b", 10, "test")])
    house.do(lambda ctx: [ctx.set_timer("a", 50, "test"), ctx.cancel_timer("b")])
    house.sim.run_until(100)
    assert house.fired == [(50, "a")]


@pytest.mark.parametrize("durable", [True, False])
def test_only_durable_timers_survive_a_restart(tmp_path, durable):
    house = House(tmp_path / "state.db").start()
    house.do(lambda ctx: ctx.set_timer("a", 10, "test", durable=durable))
    house.state.close()
    again = House(tmp_path / "state.db", start=500).start()
    again.sim.run_until(1000)
    assert again.fired == ([(500, "a")] if durable else [])
    with again.state.read() as db:
        assert db.execute(select(timers)).all() == []


def test_a_failed_step_leaves_nothing_and_its_deadline_comes_again():
    house = House().start()

    def fails_once(ctx, key):
        house.fired.append((ctx.now, key))
        ctx.emit(effect(f"e{len(house.fired)}"))
        ctx.publish(EscalationExhausted("1"))
        if len(house.fired) == 1:
            raise RuntimeError("bug")

    house.kernel.on_timer("test", fails_once)
    house.do(lambda ctx: ctx.set_timer("a", 10, "test"))
    house.sim.run_until(MINUTE)
    assert house.fired == [(10, "a"), (10 + 10 * SECOND, "a")]
    assert house.receiver.tries == ["e2"]
    assert [type(e) for _, e in house.events] == [EscalationExhausted, EffectDelivered]
    assert house.kernel.failures == 1


def test_a_refused_command_changes_nothing_and_tells_its_giver():
    house = House().start()

    def refuse(ctx):
        ctx.set_timer("a", 10, "test")
        raise CommandError("no such incident", 404)

    with pytest.raises(CommandError, match="no such incident"):
        house.do(refuse)
    house.sim.run_until(100)
    assert house.fired == []
    assert house.kernel.failures == 0


def test_an_action_that_fails_after_the_commit_does_not_end_the_loop():
    house = House().start()
    house.kernel.observe(lambda *_: 1 / 0)

    def act(ctx):
        ctx.after_commit(lambda: 1 / 0)
        ctx.emit(effect("a"))
        ctx.publish(EscalationExhausted("7"))

    house.do(act)
    house.sim.run_until(MINUTE)
    assert house.receiver.tries == ["a"]
    assert house.kernel.failures == 3  # the action, and the observer at both events


def test_subscribers_run_in_the_publishing_transaction():
    house = House().start()
    house.kernel.subscribe(EscalationExhausted, lambda ctx, event: ctx.emit(effect(event.incident_id)))
    house.do(lambda ctx: ctx.publish(EscalationExhausted("7")))
    assert house.receiver.tries == ["7"]


def test_an_effect_is_tried_again_with_growing_pauses_until_it_is_delivered():
    house = House(script=[Retry("503"), Retry("503"), Delivered()]).start()
    house.do(lambda ctx: ctx.emit(effect("a")))
    house.sim.run_until(MINUTE)
    assert house.receiver.tries == ["a"] * 3
    delayed, delivered = (event for _, event in house.events)
    assert isinstance(delayed, EffectDelayed)
    assert delivered.attempts == 3


def test_the_outside_may_ask_for_a_longer_pause():
    house = House(script=[Retry("429", after=40 * SECOND)]).start()
    house.do(lambda ctx: ctx.emit(effect("a")))
    house.sim.run_until(39 * SECOND)
    assert house.receiver.tries == ["a"]
    house.sim.run_until(41 * SECOND)
    assert house.receiver.tries == ["a"] * 2


def test_a_permanent_failure_is_visible_and_final():
    house = House(script=[Permanent("404: no such channel")]).start()
    house.do(lambda ctx: ctx.emit(effect("a")))
    house.sim.run_until(DAY)
    assert house.receiver.tries == ["a"]
    assert [(type(e), e.error) for _, e in house.events] == [(EffectFailed, "404: no such channel")]


def test_a_day_of_failures_is_given_up():
    house = House(script=[Retry("503")] * 2000).start()
    house.do(lambda ctx: ctx.emit(effect("a")))
    house.sim.run_until(2 * DAY)
    assert [type(e) for _, e in house.events] == [EffectDelayed, EffectFailed]
    assert 280 < len(house.receiver.tries) < 400


def test_one_key_is_recorded_once():
    house = House().start()
    house.do(lambda ctx: [ctx.emit(effect("a")), ctx.emit(effect("a"))])
    house.do(lambda ctx: ctx.emit(effect("a")))
    house.sim.run_until(MINUTE)
    assert house.receiver.tries == ["a"]


def test_effects_of_one_lane_go_one_after_the_other():
    house = House(script=[Retry("503"), Delivered(), Delivered(), Delivered()]).start()
    house.do(lambda ctx: [ctx.emit(effect("a", "x")), ctx.emit(effect("b", "x")), ctx.emit(effect("c", "y"))])
    house.sim.run_until(MINUTE)
    assert house.receiver.tries == ["a", "c", "a", "b"]


@pytest.mark.parametrize("script", [[None], [Retry("503")]], ids=["no answer", "in a pause"])
def test_an_unfinished_effect_is_sent_again_after_a_restart(tmp_path, script):
    house = House(tmp_path / "state.db", script).start()
    house.do(lambda ctx: [ctx.emit(effect("a", "x")), ctx.emit(effect("b", "x"))])
    house.state.close()
    again = House(tmp_path / "state.db", start=house.clock.now()).start()
    again.sim.run_until(MINUTE)
    assert again.receiver.tries == ["a", "b"]
    with again.state.read() as db:
        assert [r.state for r in db.execute(select(outbox))] == ["sent", "sent"]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_within_bounds(attempts, uniform):
    assert 0.8 * SECOND <= pause(attempts, uniform) <= 5 * MINUTE
    assert pause(attempts + 1, uniform) >= pause(attempts, uniform)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 50) | st.none()), max_size=200))
def test_the_timer_heap_agrees_with_a_plain_dict(changes):
    timers, model = Timers(), {}
    for seq, (key, due) in enumerate(changes):
        if due is None:
            timers.cancel(key)
            model.pop(key, None)
        else:
            timers.set(key, "k", due, seq, durable=False)
            model[key] = (due, seq)
    order = []
    while timers.peek() is not None:
        order.append(timers.pop()[1])
    assert order == sorted(model, key=model.__getitem__)


def test_timers_set_and_cancelled_within_one_step_are_stored_as_they_are_at_its_end(tmp_path):
    house = House(tmp_path / "state.db").start()
    house.do(lambda ctx: [ctx.set_timer(key, 10, "test") for key in "abc"])
    house.do(lambda ctx: [ctx.cancel_timer("a"), ctx.set_timer("a", 20, "test"), ctx.set_timer("b", 30, "test")])
    house.do(
        lambda ctx: [
            ctx.set_timer("c", 40, "test"),
            ctx.cancel_timer("c"),
            *map(ctx.cancel_timer, map(str, range(600))),
        ]
    )
    with house.state.read() as db:
        assert [(row.key, row.due_at) for row in db.execute(select(timers).order_by(timers.c.key))] == [
            ("a", 20),
            ("b", 30),
        ]


def test_effects_of_one_step_keep_their_order_and_a_key_that_is_there_is_not_recorded_again():
    house = House().start()
    house.do(lambda ctx: ctx.emit(effect("b")))
    house.do(lambda ctx: [ctx.emit(effect(key, "lane")) for key in ("d", "b", "c", "d", "a")])
    assert house.receiver.tries == ["b", "d", "c", "a"]
    with house.state.read() as db:
        assert list(db.execute(select(outbox.c.id).order_by(outbox.c.seq)).scalars()) == ["b", "d", "c", "a"]
