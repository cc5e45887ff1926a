"""Messages that may share a transaction: fewer commits, and nothing else is different."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import event, insert, select

from hypercare.kernel import Delivered, Effect, Kernel, Outbox
from hypercare.kernel.tables import outbox, timers
from hypercare.model.events import EffectDelivered, EscalationExhausted
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports
from hypercare.state import State


@dataclasses.dataclass(frozen=True)
class Say:
    """A message; those in lower case may go together."""

    word: str


class House:
    def __init__(self):
        self.clock = VirtualClock(0)
        world = World(self.clock)
        self.kernel = Kernel(State.open(None), virtual_ports(self.clock, world), Outbox(None))
        self.asked = []
        self.kernel.on_message(
            Say,
            self.hear,
            together=lambda say: say.word.islower(),
            ahead=lambda ctx, says: self.asked.append(("".join(say.word for say in says), id(ctx))),
        )
        self.kernel.on_timer("test", lambda ctx, key: self.told.append((key, id(ctx))))
        self.kernel.subscribe(
            EscalationExhausted, lambda ctx, told: self.told.append((f"of {told.incident_id}", id(ctx)))
        )
        self.sim = Simulation(self.kernel, world, self.clock)
        self.heard = []
        self.told = []
        self.broken = set()
        self.kernel.start()

    def hear(self, ctx, say):
        if say.word in self.broken:
            raise RuntimeError(say.word)
        ctx.publish(EscalationExhausted(say.word))
        ctx.after_commit(lambda: self.heard.append(say.word))
        self.told.append((say.word, id(ctx)))

    def say(self, words):
        for word in words:
            self.kernel.post(Say(word))
        self.sim.run_until(self.clock.now())


@pytest.mark.parametrize(
    ("words", "steps"),
    [("a", 1), ("abc", 1), ("aBc", 3), ("abCDef", 4), ("a" * 64, 1), ("a" * 65, 2), ("A" * 3, 3)],
)
def test_neighbours_that_may_go_together_share_a_step(words, steps):
    house = House()
    house.say(words)
    assert house.heard == list(words)
    assert house.kernel.steps == steps


def test_what_follows_from_one_is_done_before_the_next_is_handled():
    house = House()
    house.say("abc")
    assert [what for what, _ in house.told] == ["a", "of a", "b", "of b", "c", "of c"]
    assert len({step for _, step in house.told}) == 1


@pytest.mark.parametrize("broken", ["a", "b", "c", "ac"])
def test_one_that_fails_takes_no_other_with_it(broken):
    house = House()
    house.broken = set(broken)
    house.say("abc")
    assert house.heard == [word for word in "abc" if word not in broken]


def test_a_timer_that_is_due_in_between_is_not_made_to_wait():
    house = House()
    house.kernel.post(Say("a"))
    house.kernel.timers.set("timer", "test", 0, house.kernel._next_seq(), durable=False)
    house.say("b")
    assert [what for what, _ in house.told] == ["a", "of a", "timer", "b", "of b"]


def test_the_database_can_be_asked_once_for_those_that_share_a_step():
    house = House()
    house.say("abCd")
    assert house.asked == [("ab", house.told[0][1])]
    house.broken = {"y"}
    house.say("xyz")
    # Each on its own after that.
    assert [words for words, _ in house.asked] == ["ab", "xyz"]
    assert house.heard == ["a", "b", "C", "d", "x", "z"]


class Rows:
    """Steps that write rows just before their commit."""

    def __init__(self):
        self.clock = VirtualClock(0)
        world = World(self.clock)
        self.state = State.open(None)
        self.kernel = Kernel(self.state, virtual_ports(self.clock, world), Outbox(None))
        self.kernel.on_message(list, self.write)
        self.kernel.start()

    def write(self, ctx, rows):
        for row in rows:
            if row is None:
                raise RuntimeError("on purpose")
            ctx.write(insert(timers), row)

    def do(self, *rows):
        self.kernel.post(list(rows))
        self.kernel.step()
        with self.state.read() as db:
            return sorted(db.execute(select(timers.c.key, timers.c.kind, timers.c.due_at)).all())


def test_rows_that_are_written_at_the_end_of_a_step_are_all_there_or_none():
    rows = Rows()
    one, two = {"key": "a", "kind": "k", "due_at": 1}, {"key": "b", "kind": "k", "due_at": 2}
    assert rows.do(one, None) == []
    # Other columns, in another order.
    assert rows.do(one, two, {"due_at": 3, "kind": "l", "key": "c"}) == [("a", "k", 1), ("b", "k", 2), ("c", "l", 3)]
    # What fails at the commit takes all of the step with it.
    assert len(rows.do({"key": "d", "kind": "k", "due_at": 4}, one)) == 3


class Marks:
    """Effects whose receivers answer all at once."""

    def __init__(self, count):
        self.clock = VirtualClock(0)
        self.world = World(self.clock)
        self.state = State.open(None)
        self.kernel = Kernel(self.state, virtual_ports(self.clock, self.world), Outbox(self))
        self.kernel.on_message(list, lambda ctx, effects: [ctx.emit(effect) for effect in effects])
        self.delivered, self.replies = [], {}
        self.kernel.subscribe(EffectDelivered, lambda ctx, told: self.delivered.append((told.effect_id, ctx.now)))
        self.kernel.start()
        self.sim = Simulation(self.kernel, self.world, self.clock)
        # Each to a target of its own, so that all of them leave in time.
        self.kernel.post([Effect(f"e{n:02}", "c", f"t{n}", "s", {}) for n in range(count)])
        self.sim.run_for(10_000)

    def deliver(self, effect, reply):
        self.replies[effect.key] = reply

    def states(self):
        with self.state.read() as db:
            return dict(db.execute(select(outbox.c.id, outbox.c.state)).all())


def test_marks_of_one_step_are_those_of_each_and_an_outcome_that_comes_twice_counts_once():
    house = Marks(40)
    assert len(house.replies) == 40
    asked = []
    event.listen(house.state.engine, "before_cursor_execute", lambda *given: asked.append(given[2].split()[0]))
    for reply in house.replies.values():
        reply(Delivered())
        reply(Delivered())
    house.sim.run_for(0)
    assert set(house.states().values()) == {"sent"}
    assert [key for key, _ in house.delivered] == [f"e{n:02}" for n in range(40)]
    # 80 outcomes in three steps; the second of each finds the row as the first left it.
    assert asked.count("UPDATE") <= 2 * 3
