"""Verdicts of Prometheus, promtool and Alertmanager on configuration and rule files."""

import base64
import contextlib
import importlib
import json
import os
from pathlib import Path

import pytest
import yaml

from hypercare.config import (
    HttpClientConfig,
    NotifierConfig,
    Secret,
    SecretUrl,
    StrictModel,
    Url,
    dump,
)
from hypercare.config.alertmanager import AlertmanagerConfig, InhibitRule
from hypercare.config.base import check_http_url
from hypercare.config.integrations_announced import ANNOUNCED, MattermostConfig
from hypercare.config.loader import load, validate_alertmanager
from hypercare.config.matcher_text import MatcherError, format_matcher, parse_classic, parse_matchers, parse_utf8
from hypercare.config.problems import validate
from hypercare.config.prometheus import PrometheusConfig, job_of
from hypercare.config.reading import Reading
from hypercare.config.rule_check import check_rules
from hypercare.config.rule_files import RuleGroups
from hypercare.config.source import Plain, read_yaml
from hypercare.config.time_intervals import TimeInterval, TimeRange
from hypercare.gotemplate import PROMETHEUS_NAMES, check
from hypercare.model.errors import InputError
from hypercare.model.matchers import Matcher, MatchOp

ROOT = Path(os.environ.get("HYPERCARE_CONFORMANCE") or Path(__file__).resolve().parents[3] / "shared" / "conformance")
pytestmark = pytest.mark.skipif(not (ROOT / "config").is_dir(), reason=f"no conformance data in {ROOT}")

REAL_KINDS = ("webhook_configs", "slack_configs", "pagerduty_configs", "email_configs")


def _registry() -> dict[str, type[StrictModel]]:
    try:
        return dict(importlib.import_module("hypercare.channels.registry").INTEGRATIONS)
    except ImportError:
        return {}


REGISTRY = _registry()


class DiskFiles:
    def read(self, path):
        return path.read_bytes()

    def glob(self, pattern):
        base = Path(pattern)
        return sorted(base.parent.glob(base.name))

    def stamp(self, path):
        return (0, path.stat().st_size)


class StandInWebhook(NotifierConfig):
    url: SecretUrl
    http_config: HttpClientConfig | None = None


class StandInEmail(NotifierConfig):
    to: str
    auth_username: str = ""
    auth_password: Secret = Secret("")
    auth_password_file: str = ""
    auth_secret: Secret = Secret("")
    auth_secret_file: str = ""


class StandInPagerduty(NotifierConfig):
    routing_key: Secret


class StandInSlack(NotifierConfig):
    channel: str = ""
    text: str = ""
    app_token: Secret = Secret("")
    api_url: SecretUrl = Secret("")
    app_url: Url | None = None
    image_url: str = ""
    http_config: HttpClientConfig | None = None


STAND_INS = {
    "webhook_configs": StandInWebhook,
    "email_configs": StandInEmail,
    "pagerduty_configs": StandInPagerduty,
    "slack_configs": StandInSlack,
}
INTEGRATIONS = {**STAND_INS, **REGISTRY}


def cases(path, key="cases"):
    file = ROOT / path
    return json.loads(file.read_text())[key] if file.is_file() else []


def ids(entries, key="id"):
    return [str(e.get(key, e.get("id"))) for e in entries]


def reading(env=None):
    return Reading(DiskFiles(), env or {}, check_files=False)


# Prometheus


PROMETHEUS_EXCEPTIONS = {
    "agent_mode.with_alert_manager.yml": "hypercare has no agent mode",
    "agent_mode.with_remote_reads.yml": "hypercare has no agent mode",
    "agent_mode.with_rule_files.yml": "hypercare has no agent mode",
}
PROMETHEUS = cases("config/prometheus/index.json")


def load_prometheus(data: bytes, name: str):
    problems = []
    try:
        document = read_yaml(data, name, "testdata")
    except InputError as err:
        return None, list(err.problems)
    config = validate(PrometheusConfig, document, problems)
    return config, problems


@pytest.mark.parametrize("case", PROMETHEUS, ids=ids(PROMETHEUS, "file"))
def test_prometheus_file(case, tmp_path):
    if case["result"] == "not asserted":
        pytest.skip("no verdict upstream")
    if case["file"] in PROMETHEUS_EXCEPTIONS:
        pytest.skip(PROMETHEUS_EXCEPTIONS[case["file"]])
    path = ROOT / "config/prometheus/testdata" / case["file"]
    if case.get("stage") == "get_scrape_configs":
        own = tmp_path / "hypercare.yml"
        own.write_text(f"prometheus: {path}\n")
        with pytest.raises(InputError):
            load(own, DiskFiles(), {})
        return
    config, problems = load_prometheus(path.read_bytes(), case["file"])
    assert (not problems) == (case["result"] == "good"), [str(p) for p in problems]
    assert all(p.line > 0 and p.column > 0 for p in problems)
    for key, value in (case.get("expect") or {}).items():
        assert look_up(config, key) == value, key


def look_up(config, key):
    if key.startswith("len("):
        return len(look_up(config, key[4:-1]))
    found = config
    if key.startswith("scrape_configs[0].metric_name"):
        return getattr(job_of(config.scrape_configs[0], config.global_), key.split(".")[-1])
    if key.startswith("otlp.") and config.otlp is None:
        from hypercare.config.remote import Otlp

        found, key = Otlp(), key.removeprefix("otlp.")
    if key == "otlp.promote_resource_attributes":
        return list(config.otlp.promoted)
    for part in key.replace("[", ".").replace("]", "").split("."):
        found = found[int(part)] if part.isdigit() else getattr(found, part)
    return list(found) if isinstance(found, tuple) else found


@pytest.mark.parametrize("case", cases("config/prometheus/index.json", "inline"), ids=["empty", "empty block"])
def test_prometheus_text(case):
    config, problems = load_prometheus(case["text"].encode(), "inline")
    assert not problems
    assert config == PrometheusConfig()
    assert config.global_.interval == 60_000


def test_prometheus_external_labels_are_expanded(tmp_path):
    case = next((c for c in PROMETHEUS if c["file"] == "external_labels.good.yml"), None)
    path = tmp_path / "hypercare.yml"
    path.write_text(f"prometheus: {ROOT / 'config/prometheus/testdata' / case['file']}\n")
    for row in case["expect_env"]:
        config = load(path, DiskFiles(), row["env"])
        assert {k: v for k, v in config.prometheus.global_.external_labels.items() if v} == {
            k: v for k, v in row["external_labels"].items() if v
        }


def test_prometheus_secrets_are_hidden():
    path = ROOT / "config/prometheus/testdata/conf.good.yml"
    config, _ = load_prometheus(path.read_bytes(), "conf.good.yml")
    text = dump(config)
    assert "mysecret" not in text
    assert text.count("<secret>") >= 29


# Rule files


RULEFMT = cases("config/rulefmt/index.json")
RULEFMT_INLINE = cases("config/rulefmt/index.json", "inline")


def check_template(text):
    return check(text, PROMETHEUS_NAMES, ("labels", "externalLabels", "externalURL", "value"))


def check_rule_text(data: bytes, name: str, scheme: str = "utf8"):
    try:
        document = read_yaml(data, name)
    except InputError as err:
        return None, list(err.problems), ()
    problems = []
    groups = validate(RuleGroups, document, problems, {"name_scheme": scheme})
    problems += check_rules(document, check_template)
    return groups, problems, document.later


@pytest.mark.parametrize("case", RULEFMT, ids=ids(RULEFMT, "file"))
def test_rule_file(case):
    data = (ROOT / "config/rulefmt/testdata" / case["file"]).read_bytes()
    groups, problems, _ = check_rule_text(data, case["file"], case["scheme"])
    assert (not problems) == (case["result"] == "good"), [str(p) for p in problems]
    if case.get("expect"):
        rules = groups.groups[0].rules
        assert [r.name for r in rules] == [r.get("alert", r.get("record")) for r in case["expect"]["rules"]]
        assert {r.expr for r in rules} == {case["expect"]["every_rule_expr"]}


@pytest.mark.parametrize("case", RULEFMT_INLINE, ids=ids(RULEFMT_INLINE))
def test_rule_text(case):
    groups, problems, later = check_rule_text(case["text"].encode(), case["id"])
    assert (not problems) == (case["result"] == "good"), [str(p) for p in problems]
    if "errors" in case:
        assert len(problems) == case["errors"]
        assert len({(p.line, p.column) for p in problems}) == case["errors"]
    if "groups" in case:
        assert len(groups.groups) == case["groups"]
        assert bool(later) == bool(case["warning"])


# promtool


PROMTOOL = [c for c in cases("config/promtool/index.json", "check_config") if not c["syntax_only"]]
PROMTOOL_EXCEPTIONS = {
    "check-config-08": "syntax only",
    "check-config-13": "its credentials file has an absolute path that exists on upstream's machine only",
}


@pytest.mark.parametrize("case", PROMTOOL, ids=ids(PROMTOOL))
def test_promtool_check_config(case, tmp_path):
    if case["id"] in PROMTOOL_EXCEPTIONS:
        pytest.skip(PROMTOOL_EXCEPTIONS[case["id"]])
    own = tmp_path / "hypercare.yml"
    own.write_text(f"prometheus: {ROOT / 'config/promtool/testdata' / case['file']}\n")
    if case["error"] is None:
        load(own, DiskFiles(), {})
    else:
        with pytest.raises(InputError):
            load(own, DiskFiles(), {})


PROMTOOL_RULES = [c for c in cases("config/promtool/index.json", "check_rules") if not c.get("enabled_features")]


@pytest.mark.parametrize("case", PROMTOOL_RULES, ids=ids(PROMTOOL_RULES, "file"))
def test_promtool_check_rules(case):
    data = (ROOT / "config/promtool/testdata" / case["file"]).read_bytes()
    _, problems, _ = check_rule_text(data, case["file"])
    # Exit code 3 is a lint: a duplicate rule or a long interval, which loads.
    assert (not problems) == (case["exit_code"] in {0, 3}), [str(p) for p in problems]


# Alertmanager


AM = cases("config/alertmanager/index.json")
AM_INLINE = cases("config/alertmanager/inline.json")
AM_EXCEPTIONS = {
    "TestGroupByInvalidLabel": "classic mode only; a real Alertmanager takes any UTF-8 name",
    "TestRouteLabelsInvalidLabelName": "classic mode only; a real Alertmanager takes any UTF-8 name",
}


def load_alertmanager(data: bytes, name: str):
    run = reading()
    try:
        document = read_yaml(data, name)
    except InputError as err:
        return None, list(err.problems)
    config = validate_alertmanager(document, INTEGRATIONS, run)
    return config, run.problems


def uses_missing_kind(text: str) -> bool:
    return any(kind in text for kind in REAL_KINDS if kind not in REGISTRY)


@pytest.mark.parametrize("case", AM, ids=ids(AM, "file"))
def test_alertmanager_file(case):
    data = (ROOT / "config/alertmanager/testdata" / case["file"]).read_bytes()
    if case["result"] == "bad" and case["file"].startswith("conf.slack") and "slack_configs" not in REGISTRY:
        pytest.skip("the slack channel's own model decides")
    config, problems = load_alertmanager(data, case["file"])
    assert (not problems) == (case["result"] == "good"), [str(p) for p in problems]
    if config is not None and case["file"] == "conf.good.yml":
        text = dump(config)
        assert "mysecret" not in text
        assert text.count("<secret>") >= 9
        again, more = load_alertmanager(text.encode(), "dumped.yml")
        assert not more
        assert dump(again) == text
    if config is not None and case["file"] == "conf.group-by-all.yml":
        assert config.route.group_by_all


PART_KINDS = {
    "VictorOpsConfig": "victorops_configs",
    "PushoverConfig": "pushover_configs",
    "WebexConfig": "webex_configs",
    "OpsGenieConfig": "opsgenie_configs",
    "TelegramConfig": "telegram_configs",
    "MattermostConfig": "mattermost_configs",
    "SNSConfig": "sns_configs",
    "WebhookConfig": "webhook_configs",
    "SlackConfig": "slack_configs",
    "EmailConfig": "email_configs",
    "PagerdutyConfig": "pagerduty_configs",
}


@pytest.mark.parametrize("case", AM_INLINE, ids=ids(AM_INLINE))
def test_alertmanager_text(case):
    if case["id"] in AM_EXCEPTIONS:
        pytest.skip(AM_EXCEPTIONS[case["id"]])
    if case["kind"] == "config":
        if uses_missing_kind(case["text"]) and "Empty" in case["id"]:
            pytest.skip("the channel's own model decides")
        config, problems = load_alertmanager(case["text"].encode(), case["id"])
        assert (not problems) == (case["result"] == "good"), [str(p) for p in problems]
        assert config is None or isinstance(config, AlertmanagerConfig)
        return
    if case["kind"] == "MattermostField":
        model = MattermostConfig
        text = "attachments:\n- fields:\n  - " + "\n    ".join(case["text"].strip().split("\n"))
    else:
        kind = PART_KINDS[case["kind"]]
        if kind not in REGISTRY and kind not in ANNOUNCED:
            pytest.skip("the channel's own model decides")
        model, text = {**ANNOUNCED, **REGISTRY}[kind], case["text"]
    problems = []
    found = validate(model, read_yaml(text.encode(), case["id"]), problems)
    assert (not problems) == (case["result"] == "good"), [str(p) for p in problems]
    if "marshalled text" in (case.get("expect") or {}):
        assert "supersecret" not in dump(found)


@pytest.mark.parametrize("case", cases("config/alertmanager/values.json", "host_port"), ids=lambda c: c["id"])
def test_host_port(case):
    text = f"route: {{receiver: a}}\nreceivers: [{{name: a}}]\nglobal: {{smtp_smarthost: {case['text']}}}"
    _, problems = load_alertmanager(text.encode(), case["id"])
    assert bool(problems) == case["error"]


@pytest.mark.parametrize(
    "case", cases("config/alertmanager/values.json", "secret_template_url"), ids=lambda c: c["name"]
)
def test_template_url(case):
    if case["name"] == "invalid template syntax":
        pytest.skip("templates are parsed by gotemplate when the channel is built")
    text = f"webhook_url: {case['text']}"
    problems = []
    validate(MattermostConfig, read_yaml(text.encode(), case["id"]), problems)
    assert bool(problems) == bool(case["error_contains"])


# Matchers


def as_matchers(rows):
    return tuple(Matcher(m["name"], MatchOp(m["op"]), m["value"]) for m in rows)


MATCHERS = [
    ("routing/matchers_utf8.json", parse_utf8),
    ("routing/matchers_classic.json", parse_classic),
    ("routing/matchers_fallback.json", parse_matchers),
]
ROWS = [(f"{c['id']}", parse, c) for file, parse in MATCHERS for c in cases(file)]
ROWS += [
    (c["id"], parse_classic if c["skipped_upstream"] else parse_utf8, c)
    for c in cases("routing/matchers_compliance.json")
]


@pytest.mark.parametrize(("parse", "case"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS])
def test_matchers(parse, case):
    text = case["input"] if "input" in case else base64.b64decode(case["input_b64"]).decode("utf-8", "surrogateescape")
    if case["error"] is not None:
        with pytest.raises(MatcherError):
            parse(text)
    else:
        assert parse(text) == as_matchers(case["matchers"])


@pytest.mark.parametrize("case", cases("routing/matcher_single_utf8.json"), ids=lambda c: c["id"])
def test_single_matcher(case):
    if case["error"] is not None:
        with contextlib.suppress(MatcherError):
            assert len(parse_utf8(case["input"])) != 1
    else:
        assert parse_utf8(case["input"]) == as_matchers(case["matchers"])


@pytest.mark.parametrize("case", cases("routing/matcher_string.json"), ids=lambda c: c["id"])
def test_matcher_as_text(case):
    matcher = Matcher(case["name"], MatchOp(case["op"]), case["value"])
    assert format_matcher(matcher) == case["string"]
    assert parse_utf8(format_matcher(matcher)) == (matcher,)


# Time intervals


@pytest.mark.parametrize("case", cases("routing/timeinterval_yaml.json"), ids=lambda c: c["id"])
def test_time_interval(case):
    entries = read_yaml(case["yaml"].encode(), case["id"]).root.data()
    try:
        found = [TimeInterval.model_validate(entry) for entry in entries]
    except ValueError:
        assert case["error"] is not None
        return
    assert case["error"] is None
    for interval, expected in zip(found, case["intervals"], strict=True):
        assert [{"start_minute": t.start_time, "end_minute": t.end_time} for t in interval.times] == expected.get(
            "times", []
        )
        for key in ("weekdays", "days_of_month", "months", "years"):
            assert [list(pair) for pair in getattr(interval, key)] == expected.get(key, [])
        assert interval.location == expected.get("location", "UTC")


@pytest.mark.parametrize("case", cases("routing/timeinterval_timerange.json"), ids=lambda c: c["id"])
def test_time_range(case):
    data = read_yaml(case["yaml"].encode(), case["id"]).root.data()
    try:
        found = TimeRange.model_validate(data)
    except ValueError:
        assert case["error"]
        return
    assert not case["error"]
    assert (found.start_time, found.end_time) == (case["start_minute"], case["end_minute"])


@pytest.mark.parametrize("case", cases("routing/inhibit_rule_yaml.json"), ids=lambda c: c["id"])
def test_inhibit_rule(case):
    if case["mode"] == "classic" and case["error"]:
        pytest.skip("classic mode only; a real Alertmanager takes any UTF-8 name")
    problems = []
    rule = validate(InhibitRule, read_yaml(case["yaml"].encode(), case["id"]), problems)
    assert not problems
    assert list(rule.equal) == case["equal"]


def test_the_route_trees_load():
    trees = json.loads((ROOT / "routing/route_match.json").read_text())["trees"]
    for name, text in trees.items():
        root = yaml.safe_load(text)
        receivers = sorted({"default", *_receivers(root)})
        whole = {"route": {"receiver": "default", **root}, "receivers": [{"name": r} for r in receivers]}
        _, problems = load_alertmanager(yaml.safe_dump(whole).encode(), name)
        assert not problems, [str(p) for p in problems]


def _receivers(route):
    found = [route["receiver"]] if route.get("receiver") else []
    return found + [name for inner in route.get("routes") or () for name in _receivers(inner)]


def test_plain_scalars_and_urls_are_what_the_tests_take_them_for():
    assert Plain("0x10").resolved == 16
    assert check_http_url("http://a/b") == "http://a/b"
