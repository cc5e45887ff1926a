"""Alertmanager's own expectations: route trees, inhibition, deduplication, intervals, silences."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from hypercare.config import alertmanager as am
from hypercare.config import time_intervals as ti
from hypercare.config.source import read_yaml
from hypercare.model.alerts import Alert
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.time import SECOND, from_datetime
from hypercare.routing import dedup, intervals, silences
from hypercare.routing.from_config import inhibit_rule, route_spec, time_interval
from hypercare.routing.inhibition import Inhibitor, InhibitRule
from hypercare.routing.silences import Silence, Silencer
from hypercare.routing.tree import Route, RouteSpec, build_tree

NOW = from_datetime(dt.datetime(2025, 6, 15, 15, 6, 40, tzinfo=dt.UTC))
FOLDER = Path(os.environ.get("HYPERCARE_CONFORMANCE") or Path(__file__).parents[2].parent / "shared" / "conformance")
DATA = FOLDER / "routing"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no conformance data in {DATA}; set HYPERCARE_CONFORMANCE")


def data(name: str) -> dict[str, Any]:
    path = DATA / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {"cases": []}


def cases(name: str) -> Any:
    return pytest.mark.parametrize("case", [pytest.param(c, id=c["id"]) for c in data(name)["cases"]])


def at(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, dict):
        return NOW + int(value["now_offset_s"] * SECOND)
    return from_datetime(dt.datetime.fromisoformat(value))


def matchers(sets: list[dict[str, str]]) -> tuple[Matcher, ...]:
    return tuple(silences.make_matcher(m["name"], m["op"], m["value"]) for m in sets)


def spec_of(raw: dict[str, Any]) -> RouteSpec:
    """A route without the checks of a whole configuration (upstream's trees have no receivers)."""
    return route_spec(am.Route.model_validate(raw))


def plain(text: str) -> Any:
    """YAML as our own reader gives it to the models."""
    return read_yaml(text.encode(), "test.yml").root.data()


def tree_of(text: str) -> Route:
    return build_tree(spec_of(plain(text)))


def shown(route: Route) -> dict[str, Any]:
    return {
        "receiver": route.receiver,
        "group_by": list(route.group_by),
        "group_by_all": route.group_by_all,
        "group_wait_s": route.group_wait // SECOND,
        "group_interval_s": route.group_interval // SECOND,
        "repeat_interval_s": route.repeat_interval // SECOND,
        "labels": route.labels.as_dict(),
        "key": route.key,
    }


@cases("route_match")
def test_route_match(case):
    tree = tree_of(data("route_match")["trees"][case["tree"]])
    found = [shown(r) for r in tree.match(Labels(case["labels"].items()))]
    assert found == [{**r, "group_by": sorted(r["group_by"])} for r in case["routes"]]


@cases("route_tree")
def test_route_tree(case):
    tree = tree_of(data("route_tree")["trees"][case["tree"]])
    nodes = list(tree.walk())
    expected = case["expected"]
    match case["op"]:
        case "walk_receivers":
            assert [r.receiver for r in nodes] == expected
        case "route_ids":
            assert sorted(r.id for r in nodes) == sorted(expected)
        case "group_by_all_flags":
            first = tree.routes[0]
            assert [first.group_by_all, *(r.group_by_all for r in first.routes)] == list(expected.values())
        case "route_labels":
            [only] = tree.match(Labels(case["labels"].items()))
            assert only.labels.as_dict() == expected
        case "route_indices":
            assert sorted(r.index for r in nodes) == list(range(len(nodes)))
            assert tree.index == len(nodes) - 1
        case op:
            pytest.fail(f"unknown operation {op}")


@cases("cli_routing")
def test_cli_routing(case):
    tree = build_tree(spec_of(plain((DATA / case["config"]).read_text())["route"]))
    assert [r.receiver for r in tree.match(Labels(case["labels"].items()))] == case["receivers"]


def rule_of(raw: dict[str, Any]) -> InhibitRule:
    texts = {
        key: [f"{m['name']}{m['op']}{json.dumps(m['value'])}" for m in raw[key]]
        for key in ("source_matchers", "target_matchers")
        if key in raw
    }
    return inhibit_rule(am.InhibitRule.model_validate({**raw, **texts}))


def alert_of(raw: dict[str, Any]) -> Alert:
    ends_at = None if raw["ends_at"] is None else at(raw["ends_at"])
    return Alert(Labels(raw["labels"].items()), starts_at=at(raw["starts_at"]), ends_at=ends_at)


def inhibitor_of(rules: list[InhibitRule], alerts: list[dict[str, Any]]) -> Inhibitor:
    inhibitor = Inhibitor(tuple(rules))
    for raw in alerts:
        alert = alert_of(raw)
        inhibitor.put(alert.fingerprint, alert)
    return inhibitor


@cases("inhibit")
def test_inhibit(case):
    setup = data("inhibit")["setups"][case["setup"]]
    inhibitor = inhibitor_of([rule_of(r) for r in setup["rules"]], setup["source_alerts"])
    decision = inhibitor.decide(Labels(case["target"].items()), NOW)
    assert (decision is not None) == case["muted"]


@cases("inhibit_has_equal")
def test_inhibit_has_equal(case):
    rule = InhibitRule((), (Matcher("never", MatchOp.EQUAL, ""),), tuple(case["equal"]))
    inhibitor = Inhibitor((rule,))
    [index] = inhibitor._rules
    for raw in case["source_alerts"]:
        alert = alert_of(raw)
        # Straight into the index: this is about the search by equal labels alone.
        values = rule.equal_values(alert.labels)
        index.sources.setdefault(values, {})[alert.fingerprint] = (alert, False, False)
    assert (index.source_for(Labels(case["target"].items()), NOW) is not None) == case["found"]


@cases("inhibit_rule_yaml")
def test_inhibit_rule_yaml(case):
    if case["mode"] == "classic" and case["error"]:
        pytest.skip("names are read in UTF-8 mode, as Alertmanager does by default since 0.27")
    rule = inhibit_rule(am.InhibitRule.model_validate(plain(case["yaml"])))
    assert list(rule.equal) == case["equal"]


@cases("needs_update")
def test_needs_update(case):
    entry = case["entry"]
    told = None
    if entry is not None:
        told = dedup.Told(
            frozenset(map(str, entry["firing"])), frozenset(map(str, entry["resolved"])), at(entry["timestamp"])
        )
    decision = dedup.decide(
        told,
        frozenset(map(str, case["firing"])),
        frozenset(map(str, case["resolved"])),
        send_resolved=case["send_resolved"],
        repeat_interval=case["repeat_interval_s"] * SECOND,
        now=NOW,
    )
    assert decision.send == case["notify"]


@cases("mute_stage")
def test_mute_stage(case):
    silence = Silence("s", (matchers([{"name": "mute", "op": "=", "value": "me"}]),), NOW - SECOND, NOW + 1000 * SECOND)
    if "expired" in case["muter"]:
        silence = dataclasses.replace(silence, ends_at=NOW - 1)
    silencer = Silencer([silence])
    sets = [Labels(labels.items()) for labels in case["input"]]
    passed = [s.as_dict() for s in sets if silencer.decide(s.fingerprint(), s, NOW) is None]
    assert passed == case["output"]


def interval_of(raw: dict[str, Any]) -> intervals.TimeInterval:
    return intervals.TimeInterval(
        times=tuple((t["start_minute"], t["end_minute"]) for t in raw.get("times", ())),
        **{key: tuple(map(tuple, raw.get(key, ()))) for key in ("weekdays", "days_of_month", "months", "years")},
        location=raw.get("location", ""),
    )


def check_instants(case: dict[str, Any], sets: list[intervals.TimeInterval]) -> None:
    for want, key in ((True, "contains"), (False, "excludes")):
        for instant in case[key]:
            assert any(i.contains(at(instant["instant"])) for i in sets) == want, instant


@cases("timeinterval_contains")
def test_interval_contains(case):
    check_instants(case, [interval_of(case["interval"])])


@cases("timeinterval_yaml")
def test_interval_yaml(case):
    if case["error"]:
        with pytest.raises(ValueError):
            TypeAdapter(list[ti.TimeInterval]).validate_python(plain(case["yaml"]))
        return
    found = [time_interval(i) for i in TypeAdapter(list[ti.TimeInterval]).validate_python(plain(case["yaml"]))]
    expected = [interval_of(raw) for raw in case["intervals"]]
    assert [dataclasses.replace(i, location="") for i in found] == [
        dataclasses.replace(i, location="") for i in expected
    ]
    check_instants(case, found)


@cases("timeinterval_complete")
def test_interval_complete(case):
    check_instants(case, [time_interval(ti.TimeInterval.model_validate(plain(case["yaml"])))])


@cases("timeinterval_mutes")
def test_interval_mutes(case):
    raw = data("timeinterval_mutes")["interval_sets"][case["intervals"]]
    sets = {name: tuple(interval_of(i) for i in items) for name, items in raw.items()}
    names = tuple(case["names"])
    if case["op"] == "mutes":
        assert list(intervals.containing(names, sets, at(case["now"]))) == case["muted_by"]
        return
    mute, active = (names, ()) if case["op"] == "mute_stage" else ((), names)
    decision = intervals.decide(mute, active, sets, at(case["now"]))
    assert (decision.by.split(", ") if decision else []) == case["muted_by"]


@cases("silence_current_state")
def test_silence_state(case):
    # "Just before the check" is a moment, not the same instant.
    later = 1 if case["state"] == "expired" else 0
    silence = Silence("s", (), at(case["starts_at"]), at(case["ends_at"]))
    assert silence.state(NOW + later) == case["state"]


@cases("silence_filter_state")
def test_silence_filter_state(case):
    silence = Silence("s", (), at(case["silence"]["starts_at"]), at(case["silence"]["ends_at"]))
    assert (str(silence.state(NOW)) in case["states"]) == case["keep"]


@cases("silence_matches")
def test_silence_matches(case):
    silence = Silence("s", tuple(matchers(s) for s in case["matcher_sets"]), NOW, NOW + SECOND)
    assert silence.matches(Labels(case["labels"].items())) == case["matches"]


def silence_of(raw: dict[str, Any], *, utf8: bool = True) -> Silence:
    sets = raw.get("matcher_sets") or ([raw["matchers_legacy"]] if "matchers_legacy" in raw else [])
    made = []
    for number, found in enumerate(sets):
        for position, m in enumerate(found):
            try:
                silences.make_matcher(m["name"], m["op"] or str(m["op_number"]), m["value"], utf8=utf8)
            except ValueError as err:
                msg = f"invalid label matcher {position} in set {number}: {err}"
                raise ValueError(msg) from err
        made.append(matchers(found))
    return Silence(raw.get("id", ""), tuple(made), at(raw["starts_at"]), at(raw["ends_at"]))


@cases("silence_can_update")
def test_silence_can_update(case):
    assert silences.can_update(silence_of(case["old"]), silence_of(case["new"]), NOW) == case["ok"]


@cases("silence_validate_matcher")
def test_silence_validate_matcher(case):
    m = case["matcher"]
    if any(key.endswith("_b64") for key in m):
        m = {k.removesuffix("_b64"): _text(v) if k.endswith("_b64") else v for k, v in m.items()}
    op = m["op"] or str(m.get("op_number"))
    utf8 = case["mode"] == "utf8"
    if case["error_contains"] is None:
        silences.make_matcher(m["name"], op, m["value"], utf8=utf8)
        return
    with pytest.raises(ValueError, match=case["error_contains"]):
        silences.make_matcher(m["name"], op, m["value"], utf8=utf8)


def _text(encoded: str) -> str:
    import base64

    return base64.b64decode(encoded).decode("utf-8", "surrogateescape")


@cases("silence_validate")
def test_silence_validate(case):
    def run() -> None:
        silences.validate(silence_of(case["silence"], utf8=case["mode"] != "classic"))

    if case["error_contains"] is None:
        run()
        return
    with pytest.raises(ValueError) as caught:
        run()
    assert case["error_contains"] in str(caught.value)


@cases("silence_set_fail")
def test_silence_set_fail(case):
    with pytest.raises((ValueError, LookupError)) as caught:
        silences.put(silence_of(case["silence"]), None, "new", NOW)
    assert case["error_contains"] in str(caught.value)


class Book:
    """Plays a silence scenario: all instants are seconds from its start."""

    def __init__(self, target: dict[str, str]) -> None:
        self.target = Labels(target.items())
        self.silencer = Silencer()
        self.ids: dict[str, str] = {}
        self.count = 0

    def play(self, step: dict[str, Any]) -> None:
        now = NOW + round(step["at_s"] * 1000)
        getattr(self, f"do_{step['do']}")(step, now)

    def when(self, seconds: float | None) -> int:
        return 0 if seconds is None else NOW + round(seconds * 1000)

    def do_check(self, step: dict[str, Any], now: int) -> None:
        decision = self.silencer.decide("target", self.target, now)
        assert (decision is not None) == step["muted"]

    def do_set(self, step: dict[str, Any], now: int) -> None:
        old = self.silencer.get(self.ids[step["update_of"]]) if "update_of" in step else None
        wanted = old or Silence("", (), 0, 0)
        raw = step.get("changes", step)
        changes: dict[str, Any] = {}
        if "matcher_sets" in raw:
            changes["matcher_sets"] = tuple(matchers(s) for s in raw["matcher_sets"])
        for key in ("starts_at", "ends_at"):
            if f"{key}_s" in raw:
                changes[key] = self.when(raw[f"{key}_s"])
        if "comment" in raw:
            changes["comment"] = raw["comment"]
        self.count += 1
        wanted = dataclasses.replace(wanted, **changes)
        if "error" in step:
            with pytest.raises(ValueError) as caught:
                silences.put(wanted, old, f"id{self.count}", now)
            assert str(caught.value) == step["error"]
            assert old is not None
            assert old.state(now) == "active"
            return
        stored = silences.put(wanted, old, f"id{self.count}", now)
        for silence in stored:
            self.silencer.put(silence)
        if "new_id" in step:
            assert (stored[0].id == f"id{self.count}") == step["new_id"]
        if "name" in step:
            self.ids[step["name"]] = stored[0].id
        self.same(stored[0], step.get("stored"))
        if "old_after" in step:
            self.same(self.silencer.get(old.id), step["old_after"])

    def do_expire(self, step: dict[str, Any], now: int) -> None:
        silence = silences.expire(self.silencer.get(self.ids[step["name"]]), now)
        self.silencer.put(silence)
        self.same(silence, step["stored"])

    def do_count(self, step: dict[str, Any], now: int) -> None:
        assert sum(s.state(now) == step["state"] for s in self.silencer.all()) == step["count"]

    def same(self, silence: Silence, expected: dict[str, Any] | None) -> None:
        for key in ("starts_at", "ends_at", "updated_at"):
            if expected and f"{key}_s" in expected:
                assert getattr(silence, key) == self.when(expected[f"{key}_s"]), key
        if expected and "comment" in expected:
            assert silence.comment == expected["comment"]


@cases("silence_scenarios")
def test_silence_scenarios(case):
    book = Book(case.get("target", {}))
    for raw in case.get("initial", ()):
        found = (matchers([{"name": "a", "op": "=", "value": "b"}]),)
        book.silencer.put(
            Silence(raw["name"], found, *(book.when(raw[f"{k}_s"]) for k in ("starts_at", "ends_at", "updated_at")))
        )
        book.ids[raw["name"]] = raw["name"]
    for step in case["steps"]:
        book.play(step)


@cases("matcher_match")
def test_matcher_match(case):
    if "\n" in case["value"] and "." in case["pattern"]:
        pytest.skip("one dialect in the house: as in Prometheus, a dot matches a line break, too")
    assert Matcher("n", MatchOp(case["op"]), case["pattern"]).matches_value(case["value"]) == case["match"]


def test_all_routing_data_is_used():
    """Files about reading texts are used where the texts are read, in the tests of the configuration."""
    parsing = {"matcher_json", "matcher_single_utf8", "matcher_string", "matchers_classic", "matchers_compliance"}
    parsing |= {"matchers_fallback", "matchers_utf8", "label_name_valid", "timeinterval_timerange"}
    here = set(re.findall(r'^@cases\("(\w+)"\)', Path(__file__).read_text(), re.MULTILINE))
    assert {p.stem for p in DATA.glob("*.json")} == parsing | here
