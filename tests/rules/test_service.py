"""Groups under the virtual clock: states, series, news for routing, failures, reloads."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from hypercare.model.labels import Labels
from hypercare.model.relabel import RelabelAction, RelabelRule
from hypercare.model.time import MINUTE
from hypercare.promql import Engine
from hypercare.promql.native.literal import parse_histogram
from hypercare.rules.spec import Surroundings
from hypercare.rules.tables import rule_alerts

ONE = """
groups:
- name: g
  interval: 1m
  rules:
  - alert: High
    expr: load > 5
    for: 2m
    labels: {severity: page, where: "{{ $labels.host }}/{{ $externalLabels.dc }}"}
    annotations: {summary: "{{ $labels.host }} is at {{ $value }}"}
"""
AROUND = Surroundings(external_url="http://hc", external_labels=Labels.of(dc="eu"))


def test_life_of_an_alert(house) -> None:
    h = house().load("1m", 'load{host="a"} 1 9 9 9 9 1 1').run(ONE, AROUND)
    seen = []
    for step in range(7):
        h.until(step * 60_000)
        seen.append(h.states())
    assert seen == [[], ["pending"], ["pending"], ["firing"], ["firing"], [], []]
    (at, (fired,)), (ended, (resolved,)) = h.news
    assert (at, ended) == (180_000, 300_000)
    assert fired.labels == Labels.of(alertname="High", host="a", severity="page", where="a/eu", dc="eu")
    assert fired.annotations == Labels.of(summary="a is at 9")
    assert fired.generator_url == "http://hc/graph?g0.expr=load+%3E+5&g0.tab=1"
    assert (fired.ends_at, resolved.labels, resolved.starts_at) == (None, fired.labels, fired.starts_at)
    assert resolved.ends_at == resolved.starts_at + 120_000


def test_series_of_alerts(house, t0) -> None:
    h = house().load("1m", 'load{host="a"} 9 9 9 9 1 1').run(ONE, AROUND)
    name = 'alertname="High", {}host="a", severity="page", where="a/eu"'
    h.until("1m")
    assert h.value("ALERTS") == {"ALERTS{" + name.format('alertstate="pending", ') + "}": 1.0}
    h.until("2m")
    assert h.value("ALERTS") == {"ALERTS{" + name.format('alertstate="firing", ') + "}": 1.0}
    assert h.value("ALERTS_FOR_STATE") == {"ALERTS_FOR_STATE{" + name.format("") + "}": t0 / 1000}
    h.until("4m")
    assert h.value("ALERTS") == {}
    assert h.value("ALERTS_FOR_STATE") == {}


def test_quiet_rules_touch_nothing(house, monkeypatch) -> None:
    h = house().load("1m", 'load{host="a"} 1x60').run(ONE)
    appended = h.tsdb.snapshot().stats().samples if hasattr(h.tsdb.snapshot().stats(), "samples") else None
    begun = []
    monkeypatch.setattr(h.state.engine, "connect", lambda: begun.append(1))
    h.until("50m")
    assert begun == []
    assert h.tsdb.group("rules/rules.yml;g").last is None
    assert h.rules.evaluations == 51
    assert appended is None or appended >= 0


CHAIN = """
groups:
- name: g
  interval: 1m
  rules:
  - {record: "job:load:sum", expr: "sum by (job) (load)", labels: {kind: total}}
  - {record: "job:load:double", expr: "2 * job:load:sum"}
  - {alert: Sum, expr: "job:load:double > 10"}
  - {alert: Meta, expr: 'ALERTS{alertname="Sum", alertstate="firing"} == 1', annotations: {n: '{{ query "job:load:double" | first | value }}'}}
  - {record: one, expr: "1"}
"""


def test_later_rules_see_earlier_ones_at_the_same_instant(house) -> None:
    h = house().load("1m", 'load{job="x",i="1"} 2 3', 'load{job="x",i="2"} 2 3').run(CHAIN)
    assert h.value('{__name__=~"job:.*|one"}') == {
        'job:load:sum{job="x", kind="total"}': 4.0,
        'job:load:double{job="x", kind="total"}': 8.0,
        "one": 1.0,
    }
    assert h.states() == []
    h.until("1m")
    assert h.states() == ["firing", "firing"]
    assert h.rule("Meta").alerts[0].annotations == Labels.of(n="12")
    assert h.rules.refused == 0


def test_vanished_outputs_become_stale(house) -> None:
    h = house().load("1m", 'load{job="x"} 1 1 stale', 'load{job="y"} 1x9').run(CHAIN)
    assert len(h.value("job:load:sum")) == 2
    h.until("2m")
    assert list(h.value("job:load:sum")) == ['job:load:sum{job="y", kind="total"}']


FAILING = """
groups:
- name: g
  interval: 1m
  limit: 1
  rules:
  - {record: twice, expr: "load * on (host) group_right load"}
  - {record: many, expr: "load"}
  - {alert: Many, expr: "load > 0"}
  - {alert: Same, expr: "load > 0", labels: {host: ""}}
  - {alert: Text, expr: "sum(load) > 0", labels: {l: "{{ $labels.host | first }}"}, annotations: {a: "{{ template `nope` }}", b: fine}}
  - {record: broken, expr: "sum("}
  - {record: word, expr: '"text"'}
  - {alert: Good, expr: "sum(load) > 0"}
- name: h
  interval: 1m
  rules:
  - {alert: Other, expr: "load > 0"}
"""


def test_a_failing_rule_harms_no_other(house) -> None:
    h = house().load("1m", 'load{host="a"} 1x9', 'load{host="b"} 1x9').run(FAILING)
    errors = {r.name: (r.health, r.last_error) for g in h.rules.snapshot.groups for r in g.rules}
    assert errors["many"] == ("err", "exceeded limit of 1 with 2 series")
    assert errors["Many"] == ("err", "exceeded limit of 1 with 2 alerts")
    assert "same labelset after applying alert labels" in errors["Same"][1]
    assert errors["broken"][0] == "err"
    assert errors["word"] == ("err", "rule result is not a vector or scalar")
    assert errors["Good"] == ("ok", "")
    assert errors["Other"] == ("ok", "")
    assert len(h.rule("Other").alerts) == 2
    assert h.rules.failures == 7 - (errors["twice"][0] == "ok")


def test_an_alert_with_a_broken_text_goes_out_all_the_same(house) -> None:
    h = house().load("1m", 'load{host="a"} 1x9').run(FAILING)
    rule = h.rule("Text")
    assert rule.health == "err"
    assert rule.last_error.startswith("error executing template __alert_Text: ")
    assert [str(a.state) for a in rule.alerts] == ["firing"]
    assert rule.alerts[0].labels.get("l").startswith("<error expanding template: ")
    assert rule.alerts[0].annotations.get("a").startswith("<error expanding template: ")
    assert rule.alerts[0].annotations.get("b") == "fine"


def test_failure_leaves_what_fires(house) -> None:
    rules = """
groups:
- name: g
  interval: 1m
  limit: 2
  rules:
  - {alert: A, expr: "load > 5"}
"""
    h = house().load("1m", 'load{h="a"} 9x9', 'load{h="b"} _ 9 9 1x9', 'load{h="c"} _ _ 9 1x9').run(rules)
    h.until("1m")
    assert h.states() == ["firing", "firing"]
    h.until("2m")
    assert h.states() == ["firing", "firing"]
    assert h.rule("A").health == "err"
    h.until("3m")
    assert h.alerts() == [('{h="a"}', "firing")]
    assert h.rule("A").health == "ok"


def test_engine_faults_stay_in_their_rule(house, monkeypatch, caplog) -> None:
    h = house().load("1m", 'load{h="a"} 9x9')
    h.run('groups: [{name: g, interval: 1m, rules: [{record: x, expr: load}, {alert: A, expr: "load > 5"}]}]')
    h.until("1m")
    from hypercare.rules.recording import RecordingRule

    def fail(*_):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(RecordingRule, "query", fail)
    h.until("2m")
    assert "a fault" in h.rule("x").last_error
    assert h.states() == ["firing"]
    assert h.rule("A").health == "ok"


def test_annotations_change_at_most_once_a_minute(house) -> None:
    rules = """
groups:
- name: g
  interval: 15s
  rules:
  - {alert: A, expr: "load > 0", annotations: {v: "{{ $value }}"}}
"""
    h = house().load("15s", "load 1+1x12").run(rules).until("3m")
    assert [(at // 1000, alerts[0].annotations.get("v")) for at, alerts in h.news] == [
        (0, "1"),
        (60, "5"),
        (120, "9"),
        (180, "13"),
    ]
    assert len({alerts[0].starts_at for _, alerts in h.news}) == 1


def test_query_offset(house, t0) -> None:
    rules = 'groups: [{name: g, interval: 1m, query_offset: 1m, rules: [{record: x, expr: load}, {alert: A, expr: "load > 5"}]}]'
    h = house().load("1m", "load 1 9 1 1").run(rules)
    h.until("1m")
    assert h.states() == []
    h.until("2m")
    assert h.states() == ["firing"]
    assert h.tsdb.group("rules/rules.yml;g").last == t0 + 60_000
    assert h.rule("A").alerts[0].active_at == t0 + 120_000


def test_late_loop_counts_missed_ticks_and_evaluates_at_scheduled_instants(house, t0) -> None:
    h = house().load("1m", "load 9x60").run(ONE)
    h.until("1m")
    h.clock.advance_to(t0 + 5 * 60_000 + 20_000)
    h.until(5 * 60_000 + 30_000)
    assert (h.rules.missed, h.rules.snapshot.groups[0].last_evaluation) == (3, t0 + 300_000)
    h.until("6m")
    assert h.rules.snapshot.groups[0].last_evaluation == t0 + 360_000
    assert h.rules.missed == 3


def test_reload_keeps_what_stays(house) -> None:
    h = house().load("1m", 'load{host="a"} 9x60').run(ONE, AROUND).until("2m")
    h.run(ONE, AROUND)
    h.run(ONE.replace("for: 2m", "for: 5m").replace("load > 5", "load > 4"), AROUND)
    assert h.states() == ["firing"]
    h.until("8m")
    assert len(h.news) == 1


def test_reload_resolves_what_goes(house, t0) -> None:
    h = house().load("1m", 'load{host="a"} 9x60').run(ONE, AROUND).until("2m")
    h.run({"groups": []}, AROUND)
    assert [(at, alerts[0].ends_at) for at, alerts in h.news] == [(120_000, None), (120_000, t0 + 120_000)]
    assert h.rules.snapshot.groups == ()
    h.until("2m1s")
    assert h.value("ALERTS") == {}
    with h.state.read() as db:
        assert db.execute(select(rule_alerts)).all() == []
    h.run(ONE, AROUND).until("5m")
    assert len(h.news) == 3


def test_removed_rule_of_a_kept_group(house) -> None:
    both = 'groups: [{name: g, interval: 1m, rules: [{alert: A, expr: "load > 5"}, {alert: B, expr: "load > 5"}, {record: x, expr: load}]}]'
    h = house().load("1m", "load 9x60").run(both).until("1m")
    h.run('groups: [{name: g, interval: 1m, rules: [{alert: B, expr: "load > 5"}]}]').until("2m")
    assert [(a.name, a.ends_at is None) for _, alerts in h.news for a in alerts] == [
        ("A", True),
        ("B", True),
        ("A", False),
    ]
    assert list(h.value('{__name__=~"ALERTS|x"}')) == ['ALERTS{alertname="B", alertstate="firing"}']


def test_external_labels_and_relabelling_move_with_the_configuration(house) -> None:
    h = house().load("1m", 'load{host="a"} 9x60').run(ONE, AROUND).until("2m")
    moved = Surroundings(
        external_labels=Labels.of(dc="us"), relabel=(RelabelRule(action=RelabelAction.LABELDROP, regex="host"),)
    )
    h.run(ONE, moved)
    (_, (old, new)) = h.news[-1]
    assert (old.labels.get("dc"), old.labels.get("host"), old.ends_at is not None) == ("eu", "a", True)
    assert (new.labels.get("dc"), new.labels.get("host"), new.ends_at) == ("us", "", None)
    drop = Surroundings(relabel=(RelabelRule(action=RelabelAction.DROP, source_labels=("alertname",), regex="High"),))
    h.run(ONE, drop)
    assert [a.ends_at is not None for a in h.news[-1][1]] == [True]
    h.until("9m")
    assert len(h.news) == 3


def test_two_rules_with_one_series(house) -> None:
    h = house().load("1m", "load 9x60")
    h.run("groups: [{name: g, interval: 1m, rules: [{record: x, expr: load}, {record: x, expr: load + 1}]}]").until(
        "2m"
    )
    assert h.value("x") == {"x": 9.0}
    assert h.rules.refused == 3


def test_special_values(house) -> None:
    rules = 'groups: [{name: g, interval: 1m, rules: [{alert: A, expr: "load", annotations: {v: "{{ $value }}"}}]}]'
    h = house().load("1m", 'load{h="a"} NaN NaN', 'load{h="b"} Inf -Inf').run(rules)
    assert [a.annotations.get("v") for a in h.rule("A").alerts] == ["NaN", "+Inf"]
    h.until("1m")
    assert [a.annotations.get("v") for a in h.rule("A").alerts] == ["NaN", "-Inf"]


def test_phase_is_stable_and_spreads(t0) -> None:
    from hypercare.rules.spec import GroupSpec

    phases = []
    for n in range(50):
        spec = GroupSpec(f"/etc/rules/f{n}.yml", "g", 60_000, 0, 0, ())
        phases.append(GroupSpec.real_phase.fget(spec))
        assert phases[-1] == GroupSpec.real_phase.fget(GroupSpec(f"/other/f{n}.yml", "g", 60_000, 0, 0, ()))
    assert len({p // 10_000 for p in phases}) == 6


@pytest.mark.parametrize("now", [0, 1, 59_999, 60_000, 1_767_600_012_345])
def test_due_is_the_next_instant_of_the_phase(now) -> None:
    from hypercare.rules.spec import GroupSpec

    due = GroupSpec("f", "g", 60_000, 0, 0, ()).due(now)
    assert now <= due < now + 60_000
    assert due % 60_000 == 0


def test_failed_step_changes_nothing(house) -> None:
    """If routing cannot take the news, the alert has not fired; it does when the step is tried again."""
    from hypercare.model.events import AlertsReceived

    h = house().load("1m", 'load{host="a"} 9x60').run(ONE)
    broken = [True]

    def refuse(ctx, event):
        if broken:
            broken.pop()
            raise RuntimeError("no")

    h.kernel.subscribe(AlertsReceived, refuse)
    h.until("2m")
    assert h.states() == ["pending"]
    h.until("2m10s")
    assert h.states() == ["firing"]
    assert h.rule("High").alerts[0].fired_at == h.news[-1][1][0].starts_at


def test_native_histograms_are_recorded_and_raise_alerts(house, t0) -> None:
    histogram = parse_histogram("{{schema:0 count:6 sum:9 buckets:[2 4]}}")
    one = house()
    group = one.tsdb.group("native")
    column = group.column(Labels.of(__name__="h", job="a"))
    for at in range(0, 4 * MINUTE, MINUTE):
        one.world.at(t0 + at, lambda a=t0 + at: one.tsdb.append(group, a, [], [], histograms=((column, histogram),)))
    one.run("""
groups:
  - name: g
    interval: 1m
    rules:
      - {record: "job:h:sum", expr: "sum by (job) (h)"}
      - {alert: Seen, expr: "h", annotations: {v: "{{ $value }}"}}
      - {record: "job:h:count", expr: "histogram_count(job:h:sum)"}
""")
    one.sim.run_for(3 * MINUTE)
    snapshot, now = one.tsdb.snapshot(), one.clock.now()
    (found,) = Engine().instant(snapshot, "job:h:sum", now).histograms
    assert (found.labels, found.histogram.count) == (Labels.of(__name__="job:h:sum", job="a"), 6)
    assert Engine().instant(snapshot, "job:h:count", now).values.tolist() == [6]
    ((_, (alert,)), *_) = one.news
    assert alert.annotations.get("v") == "0"
