"""What a whole App tells of its own parts."""

from __future__ import annotations

import pytest

from hypercare import selfwatch
from hypercare.model.errors import InputError, Problem
from hypercare.model.labels import Labels
from hypercare.model.time import MINUTE, SECOND
from hypercare.tsdb.snapshot import Snapshot

BAD = {"alert": "Bad", "expr": "load * on () load > 0"}


def shown(story):
    """The metrics as a scraper reads them."""
    lines = story.app.own.render(story.clock.now()).decode().splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines if not line.startswith("#"))}


def refuse():
    raise InputError([Problem("hypercare.yml", 1, 1, "broken")])


def test_every_family_is_there_with_its_help_and_once(story):
    text = story().app.own.render(0).decode()
    names = [reading.name for reading in selfwatch.readings(story().app)]
    assert len(names) == len(set(names)) == 31
    for name in names:
        assert text.count(f"# HELP {name} ") == text.count(f"# TYPE {name} ") == 1
        kind = "counter" if name.endswith("_total") else "summary" if "_time_to_" in name else "gauge"
        assert f"# TYPE {name} {kind}\n" in text


def test_rules_and_loop_are_counted(story, write):
    one = story(rules_yml=write.rules(write.high, BAD)).run(10 * MINUTE)
    seen = shown(one)
    assert seen["hypercare_rule_evaluations_total"] == 2 * 20
    assert seen["hypercare_rule_evaluation_failures_total"] == pytest.approx(20, abs=1)
    assert seen["hypercare_rule_group_iterations_missed_total"] == 0
    assert seen["hypercare_kernel_steps_total"] == one.app.kernel.steps > 60
    assert seen["hypercare_kernel_step_failures_total"] == 0
    assert shown(one.sleep(5 * MINUTE).run(SECOND))["hypercare_rule_group_iterations_missed_total"] >= 9


def test_refused_samples_are_counted_over_reloads(story, write):
    twice = [{"record": "same", "expr": expr} for expr in ("max(load)", "min(load) + 1")]
    one = story(rules_yml=write.rules(*twice)).run(5 * MINUTE)
    before = shown(one)["hypercare_rule_samples_refused_total"]
    assert before == 9
    assert shown(one.reload(rules_yml=write.rules(write.high)))["hypercare_rule_samples_refused_total"] == before


def test_store_is_measured(story):
    one = story().run(5 * MINUTE)
    seen, stats = shown(one), one.app.tsdb.snapshot().stats()
    assert seen["hypercare_tsdb_head_series"] == stats.head_series > 10
    assert seen["hypercare_tsdb_samples_appended_total"] == stats.samples_appended > 100
    assert seen["hypercare_tsdb_out_of_order_samples_total"] == 0
    group = one.app.tsdb.group("late")
    column = group.column(Labels.of(__name__="late"))
    one.app.tsdb.append(group, 2000, [column], [1.0])
    one.app.tsdb.append(group, 1000, [column], [1.0])
    assert shown(one)["hypercare_tsdb_out_of_order_samples_total"] == 1


def test_damage_is_counted(story, tmp_path):
    one = story(data=tmp_path).run(MINUTE)
    assert shown(one)["hypercare_tsdb_wal_problems"] == 0
    (log,) = (one.data / "metrics" / "wal").iterdir()
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 1
    log.write_bytes(content)
    assert shown(one.kill())["hypercare_tsdb_wal_problems"] >= 1


def test_waiting_notifications_are_counted(story):
    one = story()
    one.chat.status = 503
    one.load("a", 9).run(5 * MINUTE)
    assert shown(one)["hypercare_outbox_pending"] == 1
    one.chat.status = 200
    assert shown(one.run(10 * MINUTE))["hypercare_outbox_pending"] == 0


def test_refused_configuration_shows(story):
    one = story().run(MINUTE)
    taken = shown(one)["hypercare_config_last_reload_success_timestamp_seconds"]
    assert shown(one)["hypercare_config_last_reload_successful"] == 1
    with pytest.raises(InputError):
        one.app.reload(refuse)
    seen = shown(one.run(MINUTE))
    assert seen["hypercare_config_last_reload_successful"] == 0
    assert seen["hypercare_config_last_reload_success_timestamp_seconds"] == taken == one.clock.now() / 1000 - 120
    seen = shown(one.reload())
    assert seen["hypercare_config_last_reload_successful"] == 1
    assert seen["hypercare_config_last_reload_success_timestamp_seconds"] == one.clock.now() / 1000


def test_nothing_scans_labels(story, monkeypatch):
    one = story().run(MINUTE)
    monkeypatch.setattr(Snapshot, "stats", None)
    assert shown(one)["hypercare_tsdb_head_series"] > 10


def test_own_metrics_are_series(story, write):
    assert story().run(2 * MINUTE).value("hypercare_rule_evaluations_total")
