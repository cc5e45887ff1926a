"""Whatever the bytes: a configuration or an InputError, never another exception."""

import contextlib
from pathlib import Path

from config_kit import MemoryFiles
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypercare.config import load
from hypercare.config.matcher_text import MatcherError, format_matcher, parse_matchers, parse_utf8
from hypercare.model.errors import InputError
from hypercare.model.matchers import Matcher, MatchOp

HYPERCARE = """platform: x
prometheus: p.yml
alertmanager: a.yml
services:
- {name: api, tier: 1, health: {http: 'http://a/b', expect: {status: 2xx}}, slo: {availability: 99.9%}}
people:
- {name: ada, timezone: Europe/Berlin, contact: [{channel: console}]}
oncall:
  schedules:
  - {name: s, rotation: {people: [ada], start: 2026-01-05T09:00}}
escalations:
- {name: e, steps: [{notify: [ada, schedule:s], after: 5m}]}
incidents: {severity: [{match: [a="b"], is: P1}]}
web: {token: '${T:-x}'}
"""
PROMETHEUS = """global: {scrape_interval: 15s, external_labels: {a: '$B'}}
rule_files: [r.yml]
scrape_configs:
- job_name: a
  basic_auth: {username: u, password: p}
  static_configs: [{targets: ['a:1'], labels: {x: y}}]
  relabel_configs: [{source_labels: [a], regex: '(.*)', target_label: b, action: replace}]
  kubernetes_sd_configs: [{role: pod}]
remote_write: [{url: 'http://a/b', queue_config: {capacity: 10}}]
"""
RULES = """groups:
- name: g
  rules:
  - alert: A
    expr: |
      sum(rate(a[5m])) by (b)
        > 1
    labels: &l {severity: critical}
  - {record: 'a:b', expr: 'up', labels: *l}
"""
ALERTMANAGER = """global: {resolve_timeout: 5m, smtp_smarthost: 'a:25'}
route: {receiver: r, group_by: [a], routes: [{matchers: ['a=~"b"'], mute_time_intervals: [t]}]}
receivers: [{name: r, mattermost_configs: [{webhook_url: 'https://a/b'}]}]
inhibit_rules: [{source_matchers: [a=b], target_match: {c: d}, equal: [e]}]
time_intervals: [{name: t, time_intervals: [{weekdays: ['monday:friday'], times: [{start_time: '09:00', end_time: '17:00'}]}]}]
"""
GOOD = {"hypercare__yml": HYPERCARE, "p__yml": PROMETHEUS, "r__yml": RULES, "a__yml": ALERTMANAGER}
WORDS = [
    "~",
    "[]",
    "{}",
    "- ",
    ": ",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "'",
    '"',
    "|\n",
    "${X}",
    "1e999",
    "-1",
    "\t",
    "#",
    "\x00",
    "yes",
    "0x",
    "9" * 40,
    "é",
    "\ud7ff",
    "{{",
    "a: b\n",
]


def attempt(**texts):
    with contextlib.suppress(InputError):
        load(Path("hypercare.yml"), MemoryFiles(**texts), {})


def test_the_good_files_are_good():
    load(Path("hypercare.yml"), MemoryFiles(**GOOD), {})


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes(data):
    for name in GOOD:
        attempt(**{**GOOD, name: data})


@given(st.sampled_from(sorted(GOOD)), st.data())
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_good_files(name, data):
    text = GOOD[name]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        word = data.draw(st.sampled_from(WORDS) | st.text(max_size=3))
        text = text[:at] + word + text[at + cut :]
    attempt(**{**GOOD, name: text.encode("utf-8", "surrogatepass")})


@given(st.text(max_size=40))
@settings(max_examples=500)
def test_any_matcher_text(text):
    with contextlib.suppress(MatcherError):
        parse_matchers(text)


@given(st.text(min_size=1, max_size=10), st.sampled_from([MatchOp.EQUAL, MatchOp.NOT_EQUAL]), st.text(max_size=20))
def test_written_matchers_are_read_back(name, op, value):
    try:
        (name + value).encode()
    except UnicodeEncodeError:
        return
    matcher = Matcher(name, op, value)
    assert parse_utf8(format_matcher(matcher)) == (matcher,)
