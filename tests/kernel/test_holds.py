"""A receiver that asks us to slow down is heeded by all effects to that target, and others are not held up."""

from __future__ import annotations

from sqlalchemy import select

from hypercare.kernel import Delivered, Effect, Kernel, Outbox, Permanent, Retry
from hypercare.kernel.tables import outbox
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports
from hypercare.state import State


class House:
    """A kernel whose deliveries are answered by hand; made again from the same state it is a restart."""

    def __init__(self, state=None, clock=None):
        self.clock = clock or VirtualClock(0)
        self.state = state or State.open(None)
        self.tries, self.replies = [], {}
        world = World(self.clock)
        self.kernel = Kernel(self.state, virtual_ports(self.clock, world), Outbox(self))
        self.kernel.on_message(list, self._emit)
        self.sim = Simulation(self.kernel, world, self.clock)
        self.kernel.start()
        self.sim.run_for(0)

    def _emit(self, ctx, effects):
        for effect in effects:
            ctx.emit(effect)

    def deliver(self, effect, reply):
        self.tries.append(effect.key)
        self.replies[effect.key] = reply

    def answer(self, key, outcome):
        self.replies.pop(key)(outcome)
        self.sim.run_for(0)

    def emit(self, *keys, target="t", cancel=""):
        self.kernel.call([Effect(key, "c", target, "s", {}, cancel_key=cancel) for key in keys])
        self.sim.run_for(0)

    def tried(self):
        found, self.tries = self.tries, []
        return found


def test_all_effects_to_a_target_wait_and_then_go_one_after_the_other():
    house = House()
    house.emit("a")
    house.answer("a", Retry("429", 30 * SECOND))
    house.emit("b", "c")
    house.emit("d", target="elsewhere")
    assert house.tried() == ["a", "d"]
    house.sim.run_for(29 * SECOND)
    assert house.tried() == []
    house.sim.run_for(2 * SECOND)
    assert house.tried() == ["a"]
    house.answer("a", Delivered())
    assert house.tried() == ["b"]
    house.answer("b", Retry("429", 10 * SECOND))
    house.sim.run_for(9 * SECOND)
    assert house.tried() == []
    house.sim.run_for(2 * SECOND)
    house.answer("b", Delivered())
    house.answer("c", Delivered())
    # Nobody waits for another one's outcome any more, only for their turn.
    house.tried()
    house.emit("e", "f")
    house.sim.run_for(2 * SECOND)
    assert house.tried() == ["e", "f"]


def test_the_wish_holds_over_a_restart():
    house = House()
    house.emit("a")
    house.answer("a", Retry("429", 30 * SECOND))
    house.emit("b")
    again = House(house.state, house.clock)
    again.emit("c")
    assert again.tried() == []
    again.sim.run_for(31 * SECOND)
    assert again.tried() == ["a"]
    again.answer("a", Delivered())
    again.answer("b", Delivered())
    again.answer("c", Delivered())
    assert again.tried() == ["b", "c"]


def test_one_that_fails_for_reasons_of_its_own_holds_up_nobody():
    for outcome in (Permanent("400"), Retry("503")):
        house = House()
        house.emit("a")
        house.answer("a", Retry("429", 30 * SECOND))
        house.emit("b")
        house.sim.run_for(31 * SECOND)
        house.answer("a", outcome)
        assert house.tried() == ["a", "a", "b"]


def test_one_that_is_cancelled_lets_the_next_one_try():
    house = House()
    house.emit("a", cancel="k")
    house.answer("a", Retry("429", 30 * SECOND))
    house.emit("b")
    house.kernel.on_message(str, lambda ctx, key: ctx.cancel(key, "not needed"))
    house.kernel.call("k")
    house.sim.run_for(0)
    assert house.tried() == ["a", "b"]


def test_no_wish_holds_us_up_for_longer_than_an_hour():
    house = House()
    house.emit("a")
    house.answer("a", Retry("429", 30 * DAY))
    house.sim.run_for(HOUR + MINUTE)
    assert house.tried() == ["a", "a"]


def test_what_is_done_is_forgotten_after_a_while_and_what_waits_is_not():
    house = House()
    house.kernel.on_message(int, house.kernel.outbox.keep)
    house.kernel.call(1 * DAY)
    house.emit("a", "b", "c")
    house.answer("a", Delivered())
    house.answer("b", Permanent("400"))
    house.sim.run_for(DAY + 2 * HOUR)
    house.emit("d")
    with house.state.read() as db:
        assert sorted(db.execute(select(outbox.c.id)).scalars()) == ["c", "d"]
    # The key of what is forgotten could come again; nobody makes keys that old.
    assert house.kernel.failures == 0
