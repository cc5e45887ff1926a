import json
from pathlib import Path

import pytest
import yaml
from config_kit import MemoryFiles

from hypercare.config import (
    Config,
    HttpClientConfig,
    NotifierConfig,
    Secret,
    SecretUrl,
    dump,
    load,
    schema,
)
from hypercare.config.targets import NotifyTarget
from hypercare.model.errors import InputError
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.severity import Severity


def config_of(hypercare: str, env=None, **files) -> Config:
    integrations = files.pop("integrations", None)
    return load(Path("hypercare.yml"), MemoryFiles(hypercare__yml=hypercare, **files), env or {}, integrations)


def places(hypercare: str, **files) -> list[str]:
    with pytest.raises(InputError) as caught:
        config_of(hypercare, **files)
    return [f"{p.file}:{p.line}:{p.column}" for p in caught.value.problems]


FULL = """
platform: Petshop ${STAGE:-production}
prometheus: false
services:
  - name: api
    tier: 1
    owner: ada
    runbook: https://wiki.example/api
    health:
      http: http://api:8080/health
      interval: 15s
      expect: {status: [200, 3xx], body: 'o.k'}
      max_latency: 800ms
    slo: {availability: 99.9%, latency: 200ms}
  - name: db
    match: ['service=~"postgres|pgbouncer"']
    health:
      - tcp: db:5432
      - {tls: 'db:5432', timeout: 3s}
people:
  - name: ada
    full_name: Ada L.
    email: ada@example.org
    timezone: Europe/London
    contact:
      - channel: email
      - {channel: webhook, url: 'https://hooks.example/${TOKEN}'}
  - name: grace
oncall:
  schedules:
    - name: primary
      timezone: Europe/Berlin
      rotation: {people: [ada, grace], every: 1w, start: 2026-01-05T09:00, handoff: '09:00'}
      overrides:
        - {person: grace, from: 2026-02-01T00:00, until: 2026-02-03T00:00}
escalations:
  - name: critical
    match: [severity="critical"]
    steps:
      - notify: schedule:primary
      - {notify: [grace, receiver:console], after: 5m}
      - {notify: everyone, after: 15m}
    repeat: 2
incidents:
  severity:
    - {match: [severity="critical"], tier: 1, is: P0}
web:
  token: $$literal
  users: [{name: ada, password_hash: '$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA', role: admin}]
"""


def test_a_whole_file():
    config = config_of(FULL, {"TOKEN": "s3cret"}).hypercare
    assert config.platform == "Petshop production"
    api, db = config.services
    assert api.health[0].kind == "http"
    assert (api.health[0].interval, api.health[0].max_latency) == (15_000, 800)
    assert api.health[0].expect.accepts_status(304)
    assert not api.health[0].expect.accepts_status(404)
    assert api.slo.availability == 99.9
    assert [check.kind for check in db.health] == ["tcp", "tls"]
    assert api.selects(Labels.of(job="api"))
    assert api.selects(Labels.of(service="api"))
    assert not db.selects(Labels.of(service="db"))
    assert config.service_of(Labels.of(service="pgbouncer")) is db
    assert config.people[0].contact[1].url.reveal() == "https://hooks.example/s3cret"
    assert config.people[1].contact[0].channel == "console"
    assert config.escalations[0].steps[1].notify == (
        NotifyTarget("person", "grace"),
        NotifyTarget("receiver", "console"),
    )
    assert [step.after for step in config.escalations[0].timed()[0]] == [0, 300_000, 900_000]
    assert config.web.token.reveal() == "$literal"
    assert config.web.users[0].password_hash.reveal().startswith("$argon2id$v=19$m=1")


def test_severities():
    incidents = config_of(FULL, {"TOKEN": "x"}).hypercare.incidents
    critical, warning = Labels.of(severity="critical"), Labels.of(severity="warning")
    assert incidents.severity_of(critical, 1) is Severity.P0
    assert incidents.severity_of(critical, 2) is Severity.P1
    assert incidents.severity_of(critical) is Severity.P1
    assert incidents.severity_of(warning, 1) is Severity.P2
    assert incidents.severity_of(Labels.of(severity="info")) is Severity.P3
    assert incidents.opens(critical)
    assert not incidents.opens(warning)


def test_only_one_of_the_two_files_is_enough():
    config = config_of(
        "prometheus: p.yml\n", p__yml="scrape_configs: [{job_name: a, static_configs: [{targets: ['a:1']}]}]"
    )
    assert [job.name for job in config.prometheus.jobs] == ["a"]
    assert config.alertmanager.route.receiver == "console"
    assert config.alertmanager.route.group_by == ("alertname",)
    assert [key for key, _ in config.alertmanager.receivers[0].integrations] == ["console_configs"]
    config = config_of("alertmanager: a.yml\n", a__yml="route: {receiver: x}\nreceivers: [{name: x}]\n")
    assert config.alertmanager.route.receiver == "x"
    assert config.prometheus.jobs == ()
    assert config_of("").hypercare.storage.retention == 15 * 86_400_000


def test_inline_files():
    text = "prometheus:\n  scrape_configs:\n    - job_name: a\n      relabel_configs:\n        - {source_labels: [a], target_label: b, replacement: 'x$${1}${1}'}\n"
    config = config_of(text)
    assert config.prometheus.scrape_configs[0].relabel_configs[0].replacement == "x$${1}${1}"
    assert places(text.replace("job_name", "jobname")) == ["hypercare.yml:3:7", "hypercare.yml:3:7"]


def test_global_defaults_fill_jobs():
    text = "global: {scrape_interval: 15s, sample_limit: 10, body_size_limit: 1MB}\nscrape_configs:\n- {job_name: a}\n- {job_name: b, scrape_interval: 5s, sample_limit: 3}\n"
    a, b = config_of("prometheus: p.yml", p__yml=text).prometheus.jobs
    assert (a.interval, a.timeout, a.sample_limit, a.body_size_limit) == (15_000, 10_000, 10, 1 << 20)
    assert (b.interval, b.timeout, b.sample_limit, b.body_size_limit) == (5_000, 5_000, 3, 1 << 20)


def test_included_files_and_relative_paths():
    config = config_of(
        "prometheus: prom/p.yml",
        **{
            "prom/p__yml": "rule_files: ['rules/*.yml']\nscrape_config_files: [jobs.yml]\nscrape_configs: [{job_name: a}]\n",
            "prom/jobs__yml": "scrape_configs:\n- job_name: b\n  file_sd_configs: [{files: [t/*.json]}]\n",
            "prom/rules/one__yml": "groups:\n- name: g\n  rules: [{alert: A, expr: up == 0, for: 5m}]\n",
            "prom/rules/two__yml": "groups:\n- name: g\n  rules: [{record: 'a:b', expr: sum(up)}]\n",
        },
    )
    assert [job.name for job in config.prometheus.jobs] == ["a", "b"]
    assert config.prometheus.scrape_configs[1].file_sd_configs[0].files == ("prom/t/*.json",)
    assert [(file.path, file.groups[0].rules[0].name) for file in config.rules] == [
        ("prom/rules/one.yml", "A"),
        ("prom/rules/two.yml", "a:b"),
    ]
    assert config.rules[0].groups[0].rules[0].for_ == 300_000
    assert config.paths == ("hypercare.yml", "prom/p.yml", "prom/jobs.yml", "prom/rules/one.yml", "prom/rules/two.yml")


def test_what_is_not_acted_on_is_announced_with_its_place():
    text = (
        "global:\n  query_log_file: q.log\nremote_write:\n- url: http://r/push\n  name: far\nscrape_configs:\n"
        "- job_name: a\n  track_timestamps_staleness: true\n  ec2_sd_configs:\n  - region: eu\n    port: 9100\n"
    )
    found = config_of("prometheus: p.yml", p__yml=text).announcements
    assert [(a.line, a.column, a.key) for a in found] == [
        (2, 3, "global.query_log_file"),
        (8, 3, "scrape_configs.track_timestamps_staleness"),
        (10, 5, "scrape_configs.ec2_sd_configs"),
    ]
    assert all(a.text and a.file == "p.yml" for a in found)
    assert config_of(FULL, {"TOKEN": "x"}).announcements == ()


def test_a_pattern_without_files_is_announced():
    found = config_of("prometheus: p.yml", p__yml="rule_files: [none/*.yml]\n").announcements
    assert [(str(a.line), a.key) for a in found] == [("1", "none/*.yml")]


class Hook(NotifierConfig):
    send_resolved: bool = True
    url: SecretUrl = Secret("")
    http_config: HttpClientConfig | None = None

    def missing(self, defaults):
        return "" if self.url or defaults.slack_api_url else "needs an url, or slack_api_url in global"


AM = """
global: {slack_api_url: 'https://hooks.example/T0'}
route:
  receiver: a
  group_by: ['...']
  routes:
    - match: {x: '1'}
      match_re: {y: 'a|b'}
      matchers: ['z!="q"', '{w=~"5..",v="u"}']
      continue: true
      group_wait: 10s
receivers:
  - name: a
    hook_configs:
      - url: https://hooks.example/secret
        http_config: {basic_auth: {username: u, password: p4ssword}}
      - send_resolved: false
"""


def test_integrations_come_from_the_registry():
    config = config_of("alertmanager: a.yml", a__yml=AM, integrations={"hook_configs": Hook})
    first, second = (model for _, model in config.alertmanager.receivers[0].integrations)
    assert first.url.reveal() == "https://hooks.example/secret"
    assert not second.send_resolved
    assert config.alertmanager.route.group_by_all
    route = config.alertmanager.route.routes[0]
    assert route.continue_
    assert route.group_by is None
    assert route.group_wait == 10_000
    assert route.all_matchers == (
        Matcher("v", MatchOp.EQUAL, "u"),
        Matcher("w", MatchOp.REGEX, "5.."),
        Matcher("x", MatchOp.EQUAL, "1"),
        Matcher("y", MatchOp.REGEX, "a|b"),
        Matcher("z", MatchOp.NOT_EQUAL, "q"),
    )
    assert places("alertmanager: a.yml", a__yml=AM) == ["a.yml:14:5"]


def test_an_integration_may_need_a_global_key():
    text = AM.replace("global: {slack_api_url: 'https://hooks.example/T0'}", "global: {}")
    assert places("alertmanager: a.yml", a__yml=text, integrations={"hook_configs": Hook}) == ["a.yml:17:9"]


def test_dumps_hide_secrets_and_load_again():
    config = config_of(
        "alertmanager: a.yml\n" + FULL.replace("receiver:console", "receiver:a"),
        {"TOKEN": "t0ken"},
        a__yml=AM,
        integrations={"hook_configs": Hook},
    )
    text = config.as_yaml()
    for secret in ("secret\n", "p4ssword", "t0ken", "$literal", "argon2id", "hooks.example"):
        assert secret not in text
        assert secret not in repr(config)
    assert text.count("<secret>") == 6
    again = config_of(dump(config.hypercare), a__yml=AM, integrations={"hook_configs": Hook}).hypercare
    assert dump(again) == dump(config.hypercare)
    again = config_of("alertmanager: a.yml", a__yml=dump(config.alertmanager), integrations={"hook_configs": Hook})
    assert dump(again.alertmanager) == dump(config.alertmanager)


def test_the_hash_follows_files_and_variables():
    one = config_of("platform: ${A}", {"A": "1"})
    assert one.hash == config_of("platform: ${A}", {"A": "1", "B": "2"}).hash
    assert one.hash != config_of("platform: ${A}", {"A": "2"}).hash
    assert one.hash != config_of("platform: ${A} ", {"A": "1"}).hash


def test_variables():
    env = {"A": "1", "EMPTY": ""}
    for text, value in [
        ("${A}", "1"),
        ("x${A}y", "x1y"),
        ("${B:-z}", "z"),
        ("${EMPTY:-z}", "z"),
        ("$A", "$A"),
        ("$${A}", "${A}"),
        ("a$", "a$"),
    ]:
        assert config_of(f"platform: '{text}'", env).hypercare.platform == value
    assert places("services:\n- {name: a, owner: '${NOBODY}'}\n- {name: b, owner: '${NOBODY}'}") == [
        "hypercare.yml:2:20",
        "hypercare.yml:3:20",
    ]


def test_files_that_must_exist_unless_told_otherwise():
    text = "prometheus: p.yml"
    job = "scrape_configs: [{job_name: a, basic_auth: {username: u, password_file: pw}, tls_config: {ca_file: ca}}]"
    assert len(places(text, p__yml=job)) == 2
    assert config_of(text, p__yml=job, pw="x", ca="y").prometheus.scrape_configs[0].basic_auth.password_file == "pw"
    load(Path("hypercare.yml"), MemoryFiles(hypercare__yml=text, p__yml=job), {}, check_files=False)


def test_the_schema_is_json_schema_of_every_key():
    found = schema()
    json.dumps(found)
    assert {"prometheus", "alertmanager", "services", "people", "oncall", "escalations", "web"} <= set(
        found["properties"]
    )
    assert found["additionalProperties"] is False
    rotation = found["$defs"]["Rotation"]["properties"]
    assert rotation["every"]["format"] == "duration"
    assert "from" in found["$defs"]["Override"]["properties"]


def test_passwords_in_urls_are_hidden():
    text = "state: postgresql://ada:pa55@db/hypercare\nservices: [{name: a, runbook: 'https://u:pa55@wiki/x'}]\n"
    found = config_of(text).as_yaml()
    assert "pa55" not in found
    assert "postgresql://ada:<secret>@db/hypercare" in found


@pytest.mark.parametrize(
    ("key", "found", "hint"),
    [
        ("tier: '2'", "expected a whole number, found '2'", "write it without quotes"),
        ("tier: two", "expected a whole number, found 'two'", ""),
        ("tier: 1.5", "expected a whole number", ""),
        ("health: {http: 'http://a', http_config: {follow_redirects: 0}}", "expected true or false, found '0'", ""),
        ("health: {http: 'http://a', http_config: {follow_redirects: 'true'}}", "expected true or false", "write it without quotes"),
    ],
)  # fmt: skip
def test_numbers_and_truth_values_are_not_quoted(key, found, hint):
    with pytest.raises(InputError) as caught:
        config_of(f"services:\n- name: a\n  {key}\n")
    (problem,) = caught.value.problems
    assert problem.message.startswith(found)
    assert problem.hint.startswith(hint) or not hint


@pytest.mark.parametrize(("text", "value"), [("yes", True), ("off", False), ("True", True), ("n", False)])
def test_the_ways_to_write_a_truth_value(text, value):
    assert config_of(f"incidents: {{confirm: {text}}}").hypercare.incidents.confirm is value


def test_a_secret_of_the_wrong_type_is_one_problem():
    assert places("web:\n  token: [a]\n") == ["hypercare.yml:2:10"]


def test_templates_must_exist():
    text = "route: {receiver: x}\nreceivers: [{name: x}]\ntemplates: ['*.tmpl', mail.tmpl]\n"
    assert places("alertmanager: a.yml", a__yml=text) == ["a.yml:3:23"]
    config_of("alertmanager: a.yml", a__yml=text, mail__tmpl="x")


def test_as_yaml_is_yaml():
    documents = list(yaml.safe_load_all(config_of(FULL, {"TOKEN": "x"}).as_yaml()))
    assert documents[0]["services"][0]["health"][0]["interval"] == "15s"
