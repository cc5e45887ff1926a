"""``kill -9`` of a whole ``hypercare serve`` that watches a deployment: nothing is repeated, nothing is lost.

A story is a release that breaks and is rolled back by a command which writes down that it began and ended. It is killed
between checkpoints, while a checkpoint is told, while the command runs or right after it has ended, and while it is
looked at whether that helped. ``KILLS=100 SEED=7 pytest tests/e2e/test_kill_watch.py`` (or ``make kills``).
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest

pytestmark = pytest.mark.e2e
STORIES = [("running", "verifying"), ("ended", "verifying")]
"""Where the second half of a story's kills comes; the first is the same in all."""
KILLS = int(os.environ.get("KILLS", "5"))
SEED = int(os.environ.get("SEED", "1"))
MORE = """
actions:
  - name: roll-back
    command: {shell: true, run: "echo begun >> runs.log; until [ -e go ]; do sleep 0.1; done; echo ended >> runs.log", cwd: .}
deployments:
  plans:
    - name: quick
      phases: [{name: intensive, until: 8s, every: 2s}, {name: active, until: 10m, every: 4s}]
      verdicts: [10m]
      evaluate_every: 1s
      sample_every: 1s
      sign_off: 9m
      remind: 1s
      verify: 3s
      baseline: {kind: fixed}
      notify: [ana]
      rollback: roll-back
      incident: P1
      checks:
        - {name: errors, expr: "max(last_over_time(shop_errors[5m]))", critical: 0.5, for: 1s, compare: false, minimum_samples: 1, actions: [roll-back]}
        - {name: load, expr: "max(last_over_time(shop_load[5m]))", critical: 100, compare: false, minimum_samples: 1}
"""


class Truth:
    """What the target says: errors from the moment it breaks until the roll-back has ended."""

    def __init__(self, log):
        self.log, self.broken = log, False

    def let_it_end(self):
        """The command of the roll-back waits for this."""
        (self.log.parent / "go").touch()

    def lines(self):
        return self.log.read_text().split() if self.log.exists() else []

    def encode(self):
        wrong = self.broken and "ended" not in self.lines()
        return f"up_truth 1\nshop_load 1\nshop_errors {0.9 if wrong else 0.01}\n".encode()


class Story:
    """One release, watched by a server that does not live long."""

    def __init__(self, serve, outside, wait, chance, folder):
        self.truth = Truth(folder / "runs.log")
        outside.metrics, self.outside, self.wait, self.chance = self.truth, outside, wait, chance
        self.server = serve(more=MORE, folder=folder).start()
        self.wait(lambda: self.server.query("shop_errors"), what="first scrape")
        self.server.post("/api/hypercare/v1/deployments", {"service": "shop", "version": "v2", "by": "ci"})
        self.seen = self.look()
        self.kills = 0

    def look(self):
        return self.server.get("/api/hypercare/v1/deployments/1")

    def wait_for(self, condition, what):
        """Wait until the watch fulfils a condition; what was seen last is kept."""

        def fulfilled():
            self.seen = self.look()
            return condition(self.seen)

        self.wait(fulfilled, 120, what)

    def titles(self):
        return [body.get("title", "") for body in self.outside.to("/page/ana")]

    def kill(self, low, high, while_it_is_dead=lambda: None):
        """Kill it a moment from now, start it again, and hold what it knows against what it knew."""
        time.sleep(self.chance.uniform(low, high))
        self.server.kill()
        self.kills += 1
        while_it_is_dead()
        self.server.start()
        before, self.seen = self.seen, self.look()
        held_against(before, self.seen)

    def kill_between_checkpoints(self):
        taken = sum(p["taken_at"] is not None for p in self.seen["checkpoints"])
        self.wait_for(lambda w: w["checkpoints"][taken]["taken_at"], "a checkpoint")
        self.kill(0.1, 0.9)

    def kill_while_telling(self):
        told = sum("Checkpoint" in title for title in self.titles())
        self.wait(lambda: sum("Checkpoint" in title for title in self.titles()) > told, what="told of a checkpoint")
        self.kill(0, 0.03)

    def kill_running(self):
        self.wait(lambda: "begun" in self.truth.lines(), what="the roll-back")
        self.kill(0, 0.7, self.truth.let_it_end)
        run = self.server.get("/api/hypercare/v1/actions/runs/1")
        assert (run["state"], run["attempt"], run["repeats"]) == ("interrupted", 1, 0)
        assert "how far it got is not known" in run["text"]
        # Unknown until it was looked at whether it helped, which a slow machine may have done before it answered us.
        assert [a["state"] for a in self.seen["actions"]] in (["unknown"], ["helped"])

    def kill_ended(self):
        self.truth.let_it_end()
        self.wait(lambda: "ended" in self.truth.lines(), what="the end of the roll-back")
        self.kill(0, 0.1)
        assert self.server.get("/api/hypercare/v1/actions/runs/1")["state"] in {"done", "interrupted"}

    def kill_verifying(self):
        self.wait_for(lambda w: w["actions"][0]["ended_at"], "the end of the action")
        self.kill(0.1, 2)


def held_against(before, after):
    """All that was known is known, as it was; phases and deadlines too."""
    for name in ("id", "service", "version", "started_at", "ends_at", "plan_name", "extensions"):
        assert after[name] == before[name], name
    assert after["journal"][: len(before["journal"])] == before["journal"]
    assert [(p["number"], p["phase"], p["due_at"]) for p in after["checkpoints"]] == [
        (p["number"], p["phase"], p["due_at"]) for p in before["checkpoints"]
    ]
    for old, new in zip(before["checkpoints"], after["checkpoints"], strict=True):
        if old["taken_at"] is not None:
            assert new == old
    findings = {f["id"]: f for f in after["findings"]}
    for old in before["findings"]:
        new = findings[old["id"]]
        assert {k: new[k] for k in ("check", "method", "since", "at", "reason")} == {
            k: old[k] for k in ("check", "method", "since", "at", "reason")
        }
    assert [a["id"] for a in after["actions"]][: len(before["actions"])] == [a["id"] for a in before["actions"]]


def nothing_twice(story):
    """The command ran once; what was taken, found, asked for and told was so once."""
    assert story.truth.lines() == ["begun", "ended"]
    watch = story.seen
    lines = Counter(entry["text"] for entry in watch["journal"] if entry["kind"] != "note")
    assert {text: count for text, count in lines.items() if count > 1} == {}
    assert [(a["action"], a["state"]) for a in watch["actions"]] == [("roll-back", "helped")]
    assert [(f["check"], f["method"], f["level"]) for f in watch["findings"]] == [("errors", "limit", "critical")]
    assert watch["findings"][0]["until"] is not None
    taken = [p for p in watch["checkpoints"] if p["taken_at"] is not None]
    assert [p["number"] for p in taken] == list(range(1, len(taken) + 1))
    assert all(p["taken_at"] >= p["due_at"] for p in taken)
    assert (taken[0]["signed_by"], taken[0]["notes"]) == ("ana", "quiet")
    # A delivery may come again after a kill, with its key; nothing is told anew.
    told = {(h["Idempotency-Key"], b["title"]) for _, p, h, b in story.outside.posts if p == "/page/ana"}
    for words in ("shop v2: errors critical", "shop v2 was rolled back", "Watching shop v2"):
        assert sum(words in title for _, title in told) == 1, (words, told)
    assert len({key for key, _ in told}) == len(told)


def tell(serve, outside, wait, chance, folder, rest):
    story = Story(serve, outside, wait, chance, folder)
    story.kill_between_checkpoints()
    story.server.post("/api/hypercare/v1/deployments/1/sign", {"by": "ana", "number": 1, "notes": "quiet"})
    story.server.post("/api/hypercare/v1/deployments/1/notes", {"by": "ana", "text": "seen"})
    story.seen = story.look()  # what was answered is committed: it has to outlive the kill
    story.kill_while_telling()
    story.truth.broken = True
    for moment in rest:
        getattr(story, f"kill_{moment}")()
    story.wait_for(lambda w: w["status"] == "done", "the end")
    # Told after it was written down.
    story.wait(lambda: any("was rolled back" in title for title in story.titles()), what="told of the roll-back")
    assert story.seen["verdict"] == "FAILURE"
    assert [(v["verdict"], v["final"]) for v in story.seen["verdicts"]] == [("FAILURE", True)]
    assert story.seen["verdicts"][0]["outcomes"][0]["name"] == "rolled back"
    nothing_twice(story)
    story.server.stop()
    complaints = [line for line in story.server.output.read_text().splitlines() if "Traceback" in line]
    assert complaints == []
    return story.kills


@pytest.mark.slow
@pytest.mark.timeout(300 + 60 * KILLS)
def test_a_watch_outlives_kill_9(serve, outside, wait, tmp_path):
    chance = random.Random(SEED)
    done, number = 0, 0
    while done < KILLS:
        folder = tmp_path / str(number)
        folder.mkdir()
        outside.posts.clear()
        done += tell(serve, outside, wait, chance, folder, STORIES[number % len(STORIES)])
        number += 1
    print(f"{done} kills in {number} stories (seed {SEED})")
