"""A silence that recurs holds back in its windows, and nothing outside of them; restarts and changed clocks included."""

from __future__ import annotations

from hypercare.config import parse_matchers
from hypercare.model.time import DAY, HOUR, MINUTE, parse_rfc3339
from hypercare.reports.why import why
from hypercare.routing.commands import ExpireSilence, PutSilence
from hypercare.routing.recurrence_text import read_every
from hypercare.routing.store import load_silence


def silence(one, every, zone="UTC", lasts=30 * DAY, **fields):
    now = one.clock.now()
    recurrence = read_every(every, zone)
    matchers = (tuple(parse_matchers("alertname=High")),)
    return one.call(PutSilence(matchers, now, now + lasts, "ana", "backup", recurrence=recurrence, **fields))


def stored(one, silence_id):
    with one.app.state.read() as db:
        return load_silence(db, silence_id)


# Stories begin on Monday, 5 January 2026, at 08:00 UTC.
def test_held_back_in_the_window_told_after_it(story):
    one = story().run(MINUTE)
    silence(one, "mon-fri 10:00-10:30", "Europe/Madrid")
    one.load("a", 9).run(5 * MINUTE)
    assert one.chats() == [("High", "a:80", "firing")], "before its first window"
    one.run(55 * MINUTE).load("b", 9).run(27 * MINUTE)
    assert one.clock.now() < parse_rfc3339("2026-01-05T09:30:00Z")
    assert [chat for chat in one.chats() if chat[1] == "b:80"] == [], "in the window"
    one.run(5 * MINUTE)
    assert ("High", "b:80", "firing") in one.chats(), "after it"


def test_a_window_begins_and_ends_across_a_kill(story, tmp_path):
    one = story(data=tmp_path).run(MINUTE)
    silence(one, "08:10-08:20; 08:40-08:50")
    one.run(10 * MINUTE).load("a", 9).run(5 * MINUTE).kill(away=MINUTE).run(2 * MINUTE)
    assert one.firing("High")
    assert one.chats() == []
    assert one.paged() == []
    one.run(10 * MINUTE)
    assert one.chats() == [("High", "a:80", "firing")]
    assert one.paged()[0] == "ana"


def test_why_names_the_window(story):
    one = story().run(MINUTE)
    silence_id = silence(one, "mon 09:00-10:00", "Europe/Madrid")
    one.load("a", 9).run(10 * MINUTE)
    with one.app.state.read() as db:
        (found,) = why(one.app, db, tuple(parse_matchers("instance=a:80")), one.clock.now())
    said = f"silenced by silence {silence_id} of ana in its window 09:00-10:00 (Europe/Madrid) until 2026-02-04"
    assert said in found.now
    assert any(said in line.text for line in found.lines)


def test_it_ends_when_told_to_and_keeps_its_recurrence_under_changes_that_do_not_name_it(story):
    one = story().run(MINUTE)
    silence_id = silence(one, "08:00-20:00")
    one.load("a", 9).run(5 * MINUTE)
    old = stored(one, silence_id)
    put = PutSilence(old.matcher_sets, old.starts_at, old.ends_at + HOUR, "amtool", "longer", silence_id)
    assert one.call(put) == silence_id
    assert stored(one, silence_id).recurrence == old.recurrence
    assert one.chats() == []
    one.call(ExpireSilence(silence_id))
    one.run(2 * MINUTE)
    assert one.chats() == [("High", "a:80", "firing")]


def test_the_morning_on_which_clocks_change(story):
    """In Madrid 02:00-04:00 is one hour on 29 March, and three on 25 October."""
    one = story().run(MINUTE)
    silence_id = silence(one, "02:00-04:00", "Europe/Madrid", 330 * DAY)
    found = stored(one, silence_id)
    for day, hours in (("2026-03-28", 2), ("2026-03-29", 1), ("2026-10-24", 2), ("2026-10-25", 3)):
        window = found.window(parse_rfc3339(f"{day}T00:00:00+02:00") + 30 * MINUTE)
        assert (window.ends - window.begins) // HOUR == hours, day
