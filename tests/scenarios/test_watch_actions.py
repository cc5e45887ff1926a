"""What becomes of the actions of a watch: asked for once, waited for, looked at by what was measured since, followed."""

from __future__ import annotations

import pytest

from hypercare.deploys import store
from hypercare.deploys.commands import StartWatch
from hypercare.model.events import ActionWanted, IncidentWanted
from hypercare.model.time import HOUR, MINUTE, SECOND
from hypercare.ports import HttpResponse

CONFIG = """
platform: shop
prometheus: prometheus.yml
alertmanager: false
services: [{name: api}]
people: [{name: ana, contact: [{channel: webhook, url: "http://phone/"}]}]
collect: {host: {enabled: false}, self: {enabled: false}}
actions:
  - {name: back, http: {url: "http://deployer/back"}}
  - {name: restart, http: {url: "http://deployer/restart"}, GUARD}
deployments:
  plans:
    - notify: [ana]
      baseline: BASELINE
      rollback: back
      evaluate_every: 10s
      sample_every: 2m
      sign_off: 0s
      verify: VERIFY
      phases: [{name: all, until: UNTIL, every: 20m}]
      verdicts: [UNTIL]
      checks:
        - {name: a, expr: 'max(a)', LIMIT, actions: A}
        - {name: b, expr: 'max(b)', critical: 2, compare: false, actions: B}
"""
PROMETHEUS = """
global: {scrape_interval: SCRAPE}
scrape_configs: [{job_name: api, static_configs: [{targets: ["api:80"]}]}]
"""
CRITICAL = "critical: 2, compare: false"


class Shop:
    """One service with two checks, and a deployer whose answers and deeds the test decides."""

    def __init__(
        self, stage, inbox, root, *, a="[]", b="[]", guard="max_per_day: 0", verify="3m", scrape="10s", data=None,
        limit=CRITICAL, baseline="fixed", until="1h",
    ):  # fmt: skip
        text = CONFIG.replace("GUARD", guard).replace("VERIFY", verify).replace("LIMIT", limit)
        text = text.replace("BASELINE", baseline).replace("UNTIL", until).replace("actions: A", f"actions: {a}")
        (root / "hypercare.yml").write_text(text.replace("actions: B", f"actions: {b}"))
        (root / "prometheus.yml").write_text(PROMETHEUS.replace("SCRAPE", scrape))
        self._make = lambda **more: stage(root / "hypercare.yml", data=data, **more)
        self._inbox = inbox
        self.wanted, self.pages, self.deeds, self.values = [], [], {}, {"a": 1, "b": 1}
        self._begin()

    def _begin(self, **more):
        self.stage = self._make(**more)
        self.phone = self._inbox(self.stage.world, "phone")
        self.api = self.stage.target("api:80")
        self.set()
        self.stage.world.host("deployer", self._act)
        kernel = self.stage.app.kernel
        kernel.subscribe(ActionWanted, lambda _, e: self.wanted.append((e.action, dict(e.context)["check"])))
        kernel.subscribe(IncidentWanted, lambda _, e: self.pages.append(e.title))
        self.stage.start()

    def restart(self):
        self.stage.app.close()
        self.stage.app.close = lambda: None
        self._begin(start=self.stage.clock.now() + SECOND)

    def set(self, **values):
        self.values |= values
        for name, value in self.values.items():
            self.api.gauge(name, value)

    def _act(self, request, now):
        status = self.deeds.get(request.url.rpartition("/")[2], lambda: 200)() or 200
        return HttpResponse(status, {"content-type": "text/plain"}, b"", 0.02, now), 20

    def run(self, span):
        self.stage.sim.run_for(span)

    def deploy(self):
        self.run(MINUTE)
        self.stage.call(StartWatch("api", "v2", "ci"))
        self.run(MINUTE)

    @property
    def watch(self):
        with self.stage.app.state.read() as db:
            return store.load_watches(db)[0]

    @property
    def states(self):
        with self.stage.app.state.read() as db:
            return [(r.action, r.state) for r in store.load_requests(db, self.watch.id)]

    @property
    def journal(self):
        with self.stage.app.state.read() as db:
            return [entry.text for entry in store.load_journal(db, self.watch.id)]

    def says(self, words):
        return any(words in text for text in self.journal)


@pytest.fixture
def shop(stage, inbox, tmp_path):
    return lambda **given: Shop(stage, inbox, tmp_path, **given)


def test_what_is_under_way_is_not_asked_for_again_and_helps_both(shop):
    s = shop(a="[back]", b="[back]")
    s.deploy()
    s.set(a=3)
    s.run(MINUTE)
    s.set(b=3)
    s.run(MINUTE)
    assert s.wanted == [("back", "a")]
    assert s.states == [("back", "done")]
    assert s.says("back was asked for already: b: 3 is above")
    s.set(a=1, b=1)
    s.run(3 * MINUTE)
    assert s.states == [("back", "helped")]
    assert (s.watch.status, s.watch.verdict, s.pages) == ("done", "FAILURE", [])
    assert not any("refused" in text for text in s.journal)


def test_what_helped_one_check_is_asked_for_by_another_later(shop):
    s = shop(a="[restart]", b="[restart]")
    s.deeds["restart"] = lambda: s.set(a=1, b=1)
    s.deploy()
    s.set(a=3)
    s.run(5 * MINUTE)
    assert s.states == [("restart", "helped")]
    s.set(b=3)
    s.run(5 * MINUTE)
    assert s.wanted == [("restart", "a"), ("restart", "b")]
    assert s.states == [("restart", "helped")] * 2


def test_nothing_measured_since_is_unclear_and_pages(shop):
    s = shop(a="[restart, back]")
    s.deeds["restart"] = lambda: setattr(s.api, "up", False)
    s.deploy()
    s.set(a=3)
    s.run(8 * MINUTE)
    assert s.states == [("restart", "done")]
    assert sum("cannot be told yet: no usable sample of a since it ended" in text for text in s.journal) == 1
    s.run(4 * MINUTE)
    assert s.states == [("restart", "unclear")]
    assert s.pages == ["api v2: whether restart helped cannot be told: no usable sample of a since it ended"]
    assert not s.says("restart helped:")


def test_that_it_cannot_be_told_yet_is_said_once_through_restarts(shop, tmp_path):
    s = shop(a="[restart, back]", data=tmp_path / "data")
    s.deeds["restart"] = lambda: setattr(s.api, "up", False)
    s.deploy()
    s.set(a=3)
    s.run(6 * MINUTE)
    assert s.says("cannot be told yet")
    for _ in range(2):
        s.restart()
        s.api.up = False
        s.run(3 * MINUTE)
    assert s.states == [("restart", "done")]
    assert sum("cannot be told yet" in text for text in s.journal) == 1


def test_what_helped_but_did_not_last_is_followed_by_the_next(shop):
    s = shop(a="[restart, back]")
    s.deeds["restart"] = lambda: s.set(a=1)
    s.deploy()
    s.set(a=3)
    s.run(5 * MINUTE)
    assert s.states == [("restart", "helped")]
    s.set(a=3)
    s.run(MINUTE)
    assert s.wanted == [("restart", "a"), ("back", "a")]
    assert s.says("it came back after restart had helped")
    s.set(a=1)
    s.run(4 * MINUTE)
    assert s.states == [("restart", "helped"), ("back", "helped")]


def _restart_helped(s):
    """A bad version, and a restart that makes it good."""
    s.api.gauge("a", 1, noise=0.01)
    s.run(HOUR)
    s.deeds["restart"] = lambda: s.api.gauge("a", 1, noise=0.01)
    s.deploy()
    s.api.gauge("a", 3, noise=0.01)
    while s.states != [("restart", "helped")]:
        s.run(10 * SECOND)


def test_people_hear_once_that_a_check_is_back(shop):
    both = "critical: 2, tolerance: 10%"
    s = shop(a="[restart]", limit=both, baseline="{kind: before, length: 1h}", until="4h")
    _restart_helped(s)
    s.run(30 * MINUTE)
    told, lines = len(s.phone.json()), len(s.journal)
    s.api.gauge("a", 3, noise=0.01)
    s.run(40 * MINUTE)
    # The limit sees it at once, excursions a little later, drift at the checkpoint.
    seen = [text for text in s.journal[lines:] if text.startswith("a: ")]
    assert [" ".join(text.split()[1:4]).rstrip(":") for text in seen] == [
        "critical by limit", "note by excursion", "warning by excursion", "critical by excursion", "warning by drift",
    ]  # fmt: skip
    assert len(s.pages) == 1
    assert "it came back after restart had helped" in s.pages[0]
    titles = [body["title"] for body in s.phone.json()[told:]]
    assert [title for title in titles if title.startswith("api v2")] == ["api v2: a critical", s.pages[0]]
    assert titles.count(f"#1 {s.pages[0]}") == 1
    assert s.states == [("restart", "helped")]
    assert s.wanted == [("restart", "a")]


def test_what_comes_back_pages_once_where_nothing_is_left_to_try(shop):
    s = shop(a="[restart]", limit="tolerance: 10%", baseline="{kind: before, length: 1h}", until="2h")
    _restart_helped(s)
    # The finding lasts until there are calm samples enough: what comes back is not found anew.
    s.api.gauge("a", 3, noise=0.01)
    s.run(10 * MINUTE)
    assert s.states == [("restart", "in vain")]
    assert sum("helped, but not for long: a critical again" in text for text in s.journal) == 1
    assert len(s.pages) == 1


@pytest.mark.parametrize("back", [1, 3])
def test_a_value_that_is_missing_for_a_moment_is_not_critical_again(shop, back):
    s = shop(a="[restart, back]", limit="tolerance: 10%", baseline="{kind: before, length: 1h}")
    _restart_helped(s)
    s.api.remove("a")
    s.run(4 * MINUTE)
    assert s.wanted == [("restart", "a")]
    s.api.gauge("a", back, noise=0.01)
    s.run(5 * MINUTE)
    assert s.wanted == ([("restart", "a")] if back == 1 else [("restart", "a"), ("back", "a")])


@pytest.mark.parametrize(("helps", "state"), [(True, "helped"), (False, "in vain")])
def test_a_leak_has_ended_when_half_of_its_rise_is_gone(shop, helps, state):
    s = shop(a="[restart, back]", limit="critical: 1000, compare: false, leak: true", until="4h")
    s.api.gauge("a", 100, noise=0.5, slope=0.03)
    if helps:
        s.deeds["restart"] = lambda: s.api.gauge("a", 100, noise=0.5)
    s.deploy()
    s.run(2 * HOUR + 30 * MINUTE)
    assert s.wanted[0] == ("restart", "a")
    assert s.states[0] == ("restart", state)


def test_how_new_samples_are_is_asked_for_only_while_an_action_is_followed(shop):
    s = shop(a="[restart]")
    s.deeds["restart"] = lambda: s.set(a=1)
    s.deploy()
    observed = s.stage.app.deploys.observed[s.watch.id]
    exprs = lambda: {each.expr for each in observed.wanted(s.stage.clock.now() + 20 * SECOND)}  # noqa: E731
    assert exprs() == {"max(a)", "max(b)"}
    s.set(a=3)
    s.run(MINUTE)
    assert exprs() == {"max(a)", "max(b)", "min(timestamp(a))"}
    s.run(10 * MINUTE)
    assert s.states == [("restart", "helped")]
    assert exprs() == {"max(a)", "max(b)"}


@pytest.mark.parametrize(
    ("status", "helps", "state", "end", "pages"),
    [
        (200, True, "helped", "rolled back: ", 1),
        (200, False, "in vain", "the roll-back did not help", 2),
        (500, False, "failed", "the roll-back did not help", 2),
    ],
)
def test_a_roll_back_at_the_last_verdict_is_waited_for_and_looked_at(shop, status, helps, state, end, pages):
    s = shop()

    def roll_back():
        s.set(a=1 if helps else 3)
        return status

    s.deeds["back"] = roll_back
    s.deploy()
    s.run(58 * MINUTE)
    s.set(a=3)
    s.run(MINUTE + 30 * SECOND)
    if status == 200:
        assert (s.watch.status, s.watch.verdict, s.states) == ("running", "FAILURE", [("back", "done")])
    s.run(4 * MINUTE)
    assert (s.watch.status, s.watch.verdict, s.states) == ("done", "FAILURE", [("back", state)])
    assert s.journal[-1].startswith(end)
    # The failure itself pages, and so does a roll-back that does not help.
    assert len(s.pages) == pages


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("scrape", ["40s", "2m"])
def test_only_samples_from_after_the_end_and_the_restart_count(shop, tmp_path, restarts, scrape):
    s = shop(a="[restart, back]", verify="30s", scrape=scrape, data=tmp_path / "data")
    s.deeds["restart"] = lambda: s.set(a=1)
    s.deploy()
    s.set(a=3)
    while not s.states:
        s.run(10 * SECOND)
    if restarts:
        s.restart()
    s.run(4 * MINUTE)
    # The newest sample at the end of the waiting time is from before the action.
    assert s.states == [("restart", "helped")]
    assert s.pages == []


def test_after_a_restart_what_was_good_before_it_says_nothing(shop, tmp_path):
    s = shop(a="[restart, back]", verify="1m", scrape="2m", data=tmp_path / "data")
    s.deeds["restart"] = lambda: s.set(a=1)
    s.deploy()
    s.set(a=3)
    while not s.states:
        s.run(10 * SECOND)
    s.run(50 * SECOND)
    s.set(a=3)
    s.restart()
    s.run(30 * SECOND)
    assert s.states == [("restart", "done")]
    s.run(3 * MINUTE)
    assert s.states[0] == ("restart", "in vain")
    assert s.wanted[-1] == ("back", "a")


def test_a_roll_back_that_fails_pages_and_whoever_waited_for_it_goes_on(shop):
    s = shop(a="[back]", b="[back, restart]")
    s.deeds["back"] = lambda: 500
    s.deploy()
    s.set(a=3, b=3)
    s.run(MINUTE)
    assert s.states[0] == ("back", "failed")
    assert len(s.pages) == 1
    assert "back failed" in s.pages[0]
    assert s.wanted == [("back", "a"), ("restart", "b")]
    assert s.watch.status == "running"


@pytest.mark.parametrize(
    ("guard", "why"),
    [
        ("once_within: 1h", "restart refused: "),
        ("max_per_day: 1", "restart refused: "),
        ("approval: true, approve_within: 1m", "restart refused: nobody has approved it within 1m"),
    ],
)
def test_several_actions_of_one_plan_with_guards(shop, guard, why):
    s = shop(a="[restart, back]", b="[restart]", guard=guard)
    s.deeds["restart"] = s.deeds["back"] = lambda: s.set(a=1, b=1)
    s.deploy()
    s.set(b=3)
    s.run(5 * MINUTE)
    assert len(s.pages) == ("approval" in guard)
    s.set(a=3)
    s.run(6 * MINUTE)
    assert s.says(why)
    assert s.wanted == [("restart", "b"), ("restart", "a"), ("back", "a")]
    assert s.states[-1] == ("back", "helped")
    assert (s.watch.status, s.watch.verdict) == ("done", "FAILURE")


def test_an_excursion_has_passed_when_the_newest_value_is_back(shop):
    s = shop(a="[restart, back]", limit="tolerance: 10%", baseline="{kind: before, length: 1h}")
    s.api.gauge("a", 1, noise=0.01)
    s.run(HOUR)
    s.deeds["restart"] = lambda: s.api.gauge("a", 1, noise=0.01)
    s.deploy()
    s.api.gauge("a", 3, noise=0.01)
    s.run(8 * MINUTE)
    assert s.wanted == [("restart", "a")]
    s.run(3 * MINUTE)
    assert s.states == [("restart", "helped")]
