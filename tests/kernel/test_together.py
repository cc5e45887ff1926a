"""Messages that may share a transaction: fewer commits, and nothing else is different."""

from __future__ import annotations

import dataclasses

import pytest

from hypercare.kernel import Kernel, Outbox
from hypercare.model.events import EscalationExhausted
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
        self.kernel.on_message(Say, self.hear, together=lambda say: say.word.islower())
        self.kernel.on_timer("test", lambda ctx, key: self.told.append((key, id(ctx))))
        self.kernel.subscribe(
            EscalationExhausted, lambda ctx, event: self.told.append((f"of {event.incident_id}", id(ctx)))
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
    [("a", 1), ("abc", 1), ("aBc", 3), ("abCDef", 4), ("a" * 32, 1), ("a" * 33, 2), ("A" * 3, 3)],
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
