"""Timed scenarios in a real Alertmanager 0.25 and a real hypercare beside it: the same notifications at the same times."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import shutil
import time

import pytest
from beside_kit import Heard, Play, Step
from beside_scenarios import INTERVALS, RELOAD_AT, RELOADED, RESTARTED, STEADY, STOP_AT

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    # The first waits until the other workers have ended their tests, and may play twice.
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        shutil.which("prometheus-alertmanager") is None,
        reason="prometheus-alertmanager is not installed (apt install it)",
    ),
]
TOLERANCE = 0.4
"""Seconds between a notification of theirs and ours, less those without a processor for the later one or for who pushes."""
BEFORE = 1.5
"""Seconds before a notification in which waiting for a processor delays it: the push and the wait of the group lie in them."""
WITHIN = 1.0
"""Seconds after a reload in which Alertmanager flushes the groups that it found again."""
LENGTH = 31.0
EVERY = {"steady": STEADY, "reloaded": RELOADED, "restarted": RESTARTED}
APART = {"steady": 0.2, "reloaded": 0.04, "restarted": 0.04}
"""Seconds between the beginnings of two scenarios; those of a reload have to be about the same."""
CASES = [(group, name) for group, scenarios in EVERY.items() for name in scenarios]


def _begin() -> float:
    """When to begin so that a minute ends well within the scenarios, between two flushes (those are at odd seconds)."""
    begin = time.time() + 2
    minute = (begin // 60 + 1) * 60
    # Flushes come at odd seconds after the beginning; the minute must end at an even one.
    begin += (minute - begin) % 2
    return begin if 4 <= minute - begin <= 26 else minute - 26 if minute - begin > 26 else minute + 34


def _minutes(begun: float) -> list[dict]:
    end = dt.datetime.fromtimestamp((begun // 60 + 1) * 60, dt.UTC)
    this, following = f"{end - dt.timedelta(minutes=5):%H:%M}", f"{end + dt.timedelta(minutes=5):%H:%M}"
    if this > f"{end:%H:%M}" or following < f"{end:%H:%M}":
        pytest.skip("too close to midnight: the intervals of this test would span it")
    return [
        {"name": "this minute", "time_intervals": [{"times": [{"start_time": this, "end_time": f"{end:%H:%M}"}]}]},
        {"name": "next minute", "time_intervals": [{"times": [{"start_time": f"{end:%H:%M}", "end_time": following}]}]},
    ]


def _play(group: str, play: Play, begun: float) -> None:
    if group == "reloaded":
        steps = (Step(RELOAD_AT, "call", action=play.reload),)
    elif group == "restarted":
        steps = (Step(STOP_AT, "call", action=lambda side: side.restart()),)
    else:
        steps = ()
    play.play(begun, LENGTH, steps)


def _play_all(folder) -> dict[str, Play]:
    """All groups side by side, each in a pair of programs of its own."""
    guess = _begin()
    made = {group: Play(folder / group, scenarios, apart=APART[group]) for group, scenarios in EVERY.items()}
    try:
        for play in made.values():
            play.intervals = (*INTERVALS, *_minutes(guess))
        with concurrent.futures.ThreadPoolExecutor(len(made)) as pool:
            list(pool.map(lambda p: p.start(), made.values()))
            begun = _begin()
            if begun // 60 != guess // 60:
                for play in made.values():
                    play.intervals = (*INTERVALS, *_minutes(begun))
                    for side in play.sides:
                        play.write(side, later=False)
                        side.ask("POST", "/-/reload")
            for future in [pool.submit(_play, group, play, begun) for group, play in made.items()]:
                future.result()
    finally:
        for play in made.values():
            play.close()
    return made


def _said(play: Play, side: str, name: str) -> list[str]:
    return [str(h)[7:] for h in play.heard(side, name)]


def _content(name: str, body: dict) -> dict:
    """Everything that was sent; an end that nobody named is a millisecond of each side's own."""
    if not name.endswith("without an end"):
        return body
    return {**body, "alerts": [{k: v for k, v in alert.items() if k != "endsAt"} for alert in body["alerts"]]}


def _late(play: Play, name: str) -> float:
    """The longest time between two notifications that should be at the same time.

    From the end of the reload on both count their intervals anew; reading the configuration takes us longer. A push
    that was kept waiting moves all flushes of its group: what was waited for before counts to the end.
    """
    longest = excused = 0.0
    slower = abs(play.reload_took["ours"] - play.reload_took["theirs"])
    for ours, theirs in zip(play.heard("ours", name), play.heard("theirs", name), strict=False):
        if _raced(play, name, theirs):
            continue
        gap = abs(ours.second - theirs.second - (play.scenarios[name].behind if ours.second > STOP_AT else 0))
        later = "ours" if ours.second > theirs.second else "theirs"
        first, last = sorted((ours.second, theirs.second))
        origin = play.begun + play.offsets[name]
        span = origin + first - BEFORE, origin + last
        excused = max(excused, play.waits[later].between(*span) + play.waits["us"].between(*span))
        longest = max(longest, gap - excused - (slower if ours.second > RELOAD_AT - 1 else 0))
    return longest


def _about(heard: Heard) -> set[str]:
    return {alert["labels"].get("alertname", "") for alert in heard.body["alerts"]}


def _raced(play: Play, name: str, theirs: Heard) -> bool:
    """Whether Alertmanager told an inhibited alert as it read its configuration anew: ours has to keep it back."""
    since = theirs.second + play.offsets[name] - RELOAD_AT
    return _about(theirs) == {play.scenarios[name].raced} and 0 <= since < play.reload_took["theirs"] + WITHIN


@pytest.fixture(scope="module")
def plays(tmp_path_factory, alone):
    """What was played; once more where a busy machine made times differ (one side may even miss a flush then)."""
    with alone():
        made = _play_all(tmp_path_factory.mktemp("beside"))
        if any(
            _late(made[g], n) > TOLERANCE or _said(made[g], "ours", n) != _said(made[g], "theirs", n) for g, n in CASES
        ):
            made = _play_all(tmp_path_factory.mktemp("again"))
    return made


@pytest.mark.parametrize(("group", "name"), CASES, ids=[f"{g}: {n}" for g, n in CASES])
def test_the_same_notifications(plays, group, name):
    play = plays[group]
    ours, theirs = play.heard("ours", name), play.heard("theirs", name)
    story = "ours:\n{}\ntheirs:\n{}".format("\n".join(map(str, ours)), "\n".join(map(str, theirs)))
    assert _said(play, "ours", name) == _said(play, "theirs", name), story
    assert [_content(name, h.body) for h in ours] == [_content(name, h.body) for h in theirs]
    assert _late(play, name) <= TOLERANCE, story
    # What they refuse we refuse (a configuration that is not valid: 500 there, 400 here).
    ours_took, theirs_took = ([code < 400 for code in play.statuses[side, name]] for side in ("ours", "theirs"))
    assert ours_took == theirs_took


def test_the_plays_say_something(plays):
    """All but the few that are about nobody being told have notifications, and the reload that is not valid is refused."""
    silent = [n for g, n in CASES if not plays[g].heard("theirs", n)]
    assert sorted(silent) == ["muted always", "never active"]
    assert 400 <= max(plays["reloaded"].statuses["theirs", "reloads"]) <= 599


def test_what_alertmanager_may_tell_too_early_is_kept_back_by_us(plays):
    """An inhibited alert is told after its source has ended, whatever a reload did over there."""
    raced = [(plays[group], name) for group, name in CASES if plays[group].scenarios[name].raced]
    assert raced
    for play, name in raced:
        ended = max(step.at for step in play.scenarios[name].steps)
        told = [h.second for h in play.heard("ours", name) if _about(h) == {play.scenarios[name].raced}]
        assert told
        assert min(told) > ended
