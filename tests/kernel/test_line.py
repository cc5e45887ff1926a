"""Deliveries go one after the other, each marked before the next, and nobody waits long for that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hypercare.kernel import Delivered, Effect, Kernel, Outbox, Permanent, Retry
from hypercare.kernel.line import AT_TARGET, CROWD, EVERYWHERE, Line
from hypercare.kernel.tables import outbox
from hypercare.model.time import SECOND
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports
from hypercare.state import State


class House:
    """A kernel whose receivers answer by hand, or after a time."""

    def __init__(self, takes=None):
        self.clock = VirtualClock(0)
        self.world = World(self.clock)
        self.state = State.open(None)
        self.takes = takes or {}
        self.sent, self.replies, self.most = [], {}, 0
        self.kernel = Kernel(self.state, virtual_ports(self.clock, self.world), Outbox(self))
        self.kernel.on_message(list, self._emit)
        self.sim = Simulation(self.kernel, self.world, self.clock)
        self.kernel.start()

    def _emit(self, ctx, effects):
        for effect in effects:
            ctx.emit(effect)

    def deliver(self, effect, reply):
        self.sent.append((self.clock.now(), effect.key))
        self.most = max(self.most, self.unmarked())
        self.replies[effect.key] = reply
        if effect.target in self.takes:
            self.world.after(self.takes[effect.target], lambda: self.answer(effect.key))

    def unmarked(self):
        with self.state.read() as db:
            done = set(db.execute(select(outbox.c.id).where(outbox.c.done_at.is_not(None))).scalars())
        return sum(key not in done for _, key in self.sent)

    def answer(self, key, outcome=None):
        self.replies.pop(key)(outcome or Delivered())

    def emit(self, *keys):
        """``TARGET/NAME`` each."""
        self.kernel.call([Effect(key, "c", key.partition("/")[0], "s", {}) for key in keys])
        self.sim.run_for(0)

    @property
    def order(self):
        return [key for _, key in self.sent]


def test_the_next_goes_when_the_one_before_is_marked():
    house = House()
    house.emit("x/1", "x/2", "y/1")
    assert house.order == ["x/1"]
    house.answer("x/1")
    # Answered, but not marked.
    assert house.order == ["x/1"]
    house.sim.run_for(0)
    assert house.order == ["x/1", "x/2"]
    house.answer("x/2", Retry("503"))
    house.sim.run_for(0)
    assert house.order == ["x/1", "x/2", "y/1"]
    house.answer("y/1", Permanent("400"))
    house.sim.run_for(30 * SECOND)
    assert house.order == ["x/1", "x/2", "y/1", "x/2"]


def test_a_receiver_that_does_not_answer_holds_up_others_shortly_and_its_own_longer():
    house = House()
    house.emit("x/1", "x/2", "y/1", "z/1")
    house.sim.run_for(10 * SECOND)
    at = EVERYWHERE
    assert house.sent == [(0, "x/1"), (at, "y/1"), (2 * at, "z/1"), (AT_TARGET, "x/2")]


def test_quick_receivers_get_one_at_a_time_however_many_there_are():
    house = House(dict.fromkeys("abcdefghijklmno", 20))
    house.emit(*(f"{target}/1" for target in "abcdefghijklmno"))
    house.sim.run_for(SECOND)
    assert len(house.sent) == 15
    assert house.most == 1


@pytest.mark.parametrize("takes", [5, 50, 500, 5_000])
def test_a_storm_is_not_sent_one_by_one(takes):
    house = House({"x": takes})
    house.emit(*(f"x/{n}" for n in range(500)))
    house.sim.run_for(200 * SECOND)
    assert len(house.sent) == 500
    # As many as still wait, and the last of them one by one.
    if takes < EVERYWHERE:
        assert 1 < house.most <= 250
    assert house.sent[-1][0] <= 5 * CROWD * min(takes, AT_TARGET)


def test_a_page_is_not_held_up_by_a_storm_at_a_receiver_that_hangs():
    house = House()
    house.emit(*(f"x/{n}" for n in range(500)))
    house.emit("ana/1")
    house.sim.run_for(2 * EVERYWHERE)
    assert "ana/1" in house.order


def test_marks_go_before_flushes_and_commands_that_are_due():
    house = House()
    seen = []
    house.kernel.on_timer("flush", lambda _ctx, key: seen.append((key, len(house.sent))))
    house.emit("x/1", "x/2")
    for n in range(3):
        house.kernel.timers.set(f"{n}", "flush", 0, 0, durable=False)
    house.answer("x/1")
    house.sim.run_for(0)
    assert seen == [("0", 2), ("1", 2), ("2", 2)]


def test_what_waits_and_is_cancelled_leaves_the_line():
    house = House()
    house.kernel.on_message(str, lambda ctx, key: ctx.cancel(key, "not needed"))
    house.kernel.call([Effect(f"x/{n}", "c", "x", "s", {}, cancel_key=f"k{n}") for n in range(3)])
    house.kernel.call("k1")
    house.sim.run_for(0)
    house.answer("x/0")
    house.sim.run_for(0)
    assert house.order == ["x/0", "x/2"]


@given(st.data())
def test_everybody_has_their_turn_and_the_line_is_empty_afterwards(data):
    """Steps of any order; whoever waits is sent once, at each target in the order of coming."""
    line, now, sent, came, under_way = Line(), 0, [], {}, []
    for number in range(data.draw(st.integers(1, 60))):
        key, target = f"{number}", data.draw(st.sampled_from("abc"))
        line.wait(key, target)
        came[key] = target
        now += data.draw(st.sampled_from([0, 10, 200, 3_000]))
        while (turn := line.next(now)) is not None:
            line.begin(turn, came[turn], now)
            sent.append(turn)
            under_way.append(turn)
        if under_way and data.draw(st.booleans()):
            line.end(under_way.pop(data.draw(st.integers(0, len(under_way) - 1))))
    while (due := line.due(now)) is not None:
        assert due > now
        now = due
        while (turn := line.next(now)) is not None:
            line.begin(turn, came[turn], now)
            sent.append(turn)
    assert sorted(sent) == sorted(came)
    for target in "abc":
        assert [k for k in sent if came[k] == target] == [k for k in came if came[k] == target]


class Plain:
    """The line's rule, written down without regard to how long it takes."""

    def __init__(self):
        self.waiting, self.begun = {}, {}

    def next(self, now):
        if not self.waiting or not self.room(self.begun.values(), len(self.waiting), now - EVERYWHERE):
            return None
        for key, target in self.waiting.items():
            own = [one for one in self.begun.values() if one[0] == target]
            if self.room(own, list(self.waiting.values()).count(target), now - AT_TARGET):
                return key
        return None

    def room(self, begun, waiting, since):
        return sum(at > since for _, at in begun) < (1 if waiting < CROWD else waiting)

    def due(self, now):
        if not self.waiting:
            return None
        ends = [at + EVERYWHERE for _, at in self.begun.values() if at + EVERYWHERE > now]
        targets = set(self.waiting.values())
        ends = ends or [at + AT_TARGET for target, at in self.begun.values() if target in targets]
        return min((end for end in ends if end > now), default=now + EVERYWHERE)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("wait"), st.sampled_from("xyz"), st.sampled_from([1, 3, CROWD, 40])),
            st.tuples(st.just("go"), st.sampled_from([1, 50]), st.sampled_from([0, 7, EVERYWHERE, AT_TARGET])),
            st.tuples(st.just("end"), st.integers(0, 50), st.just(0)),
            st.tuples(st.just("again"), st.integers(0, 50), st.just(0)),
        ),
        max_size=30,
    )
)
def test_the_line_keeps_its_rule_however_many_are_under_way(steps):
    line, plain, now, made = Line(), Plain(), 0, 0
    for what, one, two in steps:
        if what == "wait":
            for _ in range(two):
                made += 1
                line.wait(str(made), one)
                plain.waiting[str(made)] = one
        elif what == "go":
            now += two
            for _ in range(one):
                key = line.next(now)
                assert key == plain.next(now)
                if key is None:
                    break
                plain.begun[key] = plain.waiting.pop(key), now
                line.begin(key, plain.begun[key][0], now)
        elif plain.begun:
            key = list(plain.begun)[one % len(plain.begun)]
            if what == "end":
                del plain.begun[key]
                line.end(key)
                line.end(key)
            else:
                # Sent anew though its outcome has not come.
                plain.begun[key] = plain.begun[key][0], now
                line.begin(key, plain.begun[key][0], now)
        assert line.due(now) == plain.due(now)
