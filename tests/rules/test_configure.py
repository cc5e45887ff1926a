"""From the files of a configuration to running groups."""

from __future__ import annotations

from hypercare.adapters.system import SystemFiles
from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.model.labels import Labels
from hypercare.model.time import MINUTE, SECOND
from hypercare.rules import check_template
from hypercare.rules.spec import groups_of, surroundings_of

FILES = {
    "hypercare.yml": "prometheus: prometheus.yml\nweb: {external_url: 'http://hc.example/x/'}\n",
    "prometheus.yml": """
global: {evaluation_interval: 20s, scrape_interval: 90s, external_labels: {dc: eu}, rule_query_offset: 5s}
rule_files: [rules.yml]
alerting: {alert_relabel_configs: [{action: labeldrop, regex: pod}]}
scrape_configs: [{job_name: a}]
""",
    "rules.yml": """
groups:
- name: one
  labels: {team: core, keep: group}
  rules:
  - {record: "a:b", expr: "sum(up)", labels: {keep: rule}}
  - {alert: Down, expr: up == 0, for: 1m, keep_firing_for: 2m, labels: {pod: ""}, annotations: {s: "{{ $value }}"}}
- {name: two, interval: 10s, query_offset: 0s, limit: 3, rules: [{record: x, expr: "1"}, {record: x, expr: "2"}]}
""",
}


def configuration(path):
    for name, text in FILES.items():
        (path / name).write_text(text)
    return load(path / "hypercare.yml", SystemFiles(), {}, INTEGRATIONS, check_template)


def test_groups(tmp_path) -> None:
    one, two = groups_of(configuration(tmp_path))
    assert (one.name, one.interval, one.query_offset, one.limit) == ("one", 20 * SECOND, 5 * SECOND, 0)
    assert (two.name, two.interval, two.query_offset, two.limit) == ("two", 10 * SECOND, 0, 3)
    recorded, down = one.rules
    assert recorded.labels == (("keep", "rule"), ("team", "core"))
    assert down.labels == (("keep", "group"), ("pod", ""), ("team", "core"))
    assert (down.alerting, down.hold, down.keep) == (True, MINUTE, 2 * MINUTE)
    assert len({rule.key for group in (one, two) for rule in group.rules}) == 4


def test_surroundings(tmp_path) -> None:
    around = surroundings_of(configuration(tmp_path))
    assert around.external_url == "http://hc.example/x"
    assert around.external_labels == Labels.of(dc="eu")
    assert around.patience == 105 * SECOND
    assert len(around.relabel) == 1


def test_keys_survive_a_change_of_the_expression(tmp_path) -> None:
    before = [rule.key for group in groups_of(configuration(tmp_path)) for rule in group.rules]
    changed = FILES["rules.yml"].replace("up == 0", "up < 1").replace("for: 1m", "for: 3m")
    (tmp_path / "rules.yml").write_text(changed)
    config = load(tmp_path / "hypercare.yml", SystemFiles(), {}, INTEGRATIONS, check_template)
    assert [rule.key for group in groups_of(config) for rule in group.rules] == before


def test_service_runs_a_configuration(tmp_path, house) -> None:
    h = house()
    config = configuration(tmp_path)
    done = h.kernel.call(h.command(lambda ctx: h.rules.configure(ctx, config)))
    h.until(5 * MINUTE)
    done.result(timeout=1)
    assert h.value("x") == {"x": 1.0}
    assert h.rules.evaluations == 2 * 16 + 2 * 31


def test_template_check() -> None:
    assert check_template("{{ $labels.x }} {{ $value | humanize }} {{ $externalURL }} {{ query `up` }}") is None
    assert check_template("a\n{{ nope }}") == '2:4: function "nope" not defined'
    assert check_template("{{ $other }}") == '1:4: undefined variable "$other"'
