"""Broken configurations: each tells its place, what was expected, and what to do. The files are in ``broken/``."""

from pathlib import Path

import pytest
from config_kit import DiskFiles

from hypercare.config import load
from hypercare.gotemplate import PROMETHEUS_NAMES, check
from hypercare.model.errors import InputError

BROKEN = Path(__file__).parent / "broken"
VARIABLES = ("labels", "externalLabels", "externalURL", "value")

# name, file:line:column, how the message begins, how the hint begins
TABLE = [
    ("alias-bomb", "hypercare.yml:6:8", "aliases expand to more than 200000 values", ""),
    ("alias-in-itself", "hypercare.yml:2:5", "alias *s stands within its own anchor", ""),
    ("bad-action", "prometheus.yml:5:17", "expected one of replace, keep, drop, keepequal, ", "did you mean drop?"),
    (
        "bad-contact",
        "hypercare.yml:4:18",
        "expected one of console, slack, email, webhook, ",
        "did you mean pagerduty?",
    ),
    (
        "bad-duration",
        "prometheus.yml:2:20",
        "not a valid duration: '15'; write a number with ",
        "write 15s for seconds",
    ),
    (
        "bad-indentation",
        "hypercare.yml:2:11",
        "not valid YAML: mapping values are not allowed i",
        "a text with ': ' in it needs quotes; els",
    ),
    (
        "bad-matcher",
        "hypercare.yml:2:10",
        "not a matcher: expected one of = != =~ !~, but f",
        'write it as name="value"',
    ),
    ("bad-promql", "rules.yml:5:45", "not a valid expression: unexpected end of input ", ""),
    ("bad-promql-in-a-block", "rules.yml:9:20", "not a valid expression: expected type range vect", ""),
    ("bad-promql-in-a-fold", "rules.yml:7:13", "not a valid expression: unknown function with na", ""),
    (
        "bad-regex",
        "prometheus.yml:5:16",
        "not a valid regular expression: 'a(b': missing )",
        "the syntax is RE2's: no look-around, no ",
    ),
    ("bad-size", "prometheus.yml:3:22", "expected a size such as 512KB, 10MB or 1GB, foun", ""),
    (
        "bad-start",
        "hypercare.yml:8:16",
        "expected a date and time, found 'next monday'",
        "write it as 2026-01-05T09:00",
    ),
    ("bad-template", "rules.yml:7:27", 'not a valid template: undefined variable "$label', ""),
    ("bad-timezone", "hypercare.yml:3:15", "unknown time zone 'Europe/Berln'", "did you mean Europe/Berlin?"),
    (
        "bad-url",
        "hypercare.yml:4:13",
        "expected an http:// or https:// URL, found 'api/",
        "did you mean http://api/health?",
    ),
    ("bad-weekday", "alertmanager.yml:6:20", "'freitag' is not a weekday", "one of sunday, monday, tuesday, wednesda"),
    ("binary-junk", "hypercare.yml:1:9", "not UTF-8 text: byte 0xff", "save the file as UTF-8; is it a text fil"),
    (
        "bound-in-another-unit",
        "hypercare.yml:8:43",
        "400ms is 0.4 seconds, but the values are in ms",
        "write a bare number of ms",
    ),
    (
        "control-character",
        "hypercare.yml:2:8",
        "a control character (U+0007), which YAML does no",
        "is this a text file?",
    ),
    (
        "duplicate-key",
        "hypercare.yml:3:1",
        "key 'platform' stands here a second time",
        "the first is in line 1; remove one of th",
    ),
    ("group-twice", "rules.yml:3:11", "two groups of this file have the name 'api'", ""),
    (
        "includes-itself",
        "hypercare.yml:2:13",
        "hypercare.yml has been read already",
        "a file cannot include itself or one that",
    ),
    ("job-twice", "prometheus.yml:3:15", "two scrape configs have the job_name 'api'", ""),
    ("job-twice-over-files", "jobs.yml:3:15", "two scrape configs have the job_name 'api'", ""),
    ("many-at-once", "hypercare.yml:3:1", "unknown key 'platfrom'", "did you mean platform?"),
    ("many-at-once", "hypercare.yml:6:15", "unknown time zone 'Mars'", "write an IANA name such as Europe/Berlin"),
    ("many-at-once", "prometheus.yml:2:20", "not a valid duration: 'soon'; write a number wit", ""),
    ("many-at-once", "rules.yml:5:20", "not a valid expression: unexpected end of input", ""),
    ("many-at-once", "rules.yml:6:9", "unknown key 'four'", "did you mean for?"),
    ("many-at-once", "alertmanager.yml:2:13", "unknown receiver 'nobody'", "known here: team"),
    ("missing-prometheus", "hypercare.yml:2:13", "no such file: promtheus.yml", "did you mean prometheus.yml?"),
    ("missing-rule-file", "prometheus.yml:3:5", "no such file: alerts.yml", "relative paths start from the folder of "),
    (
        "missing-secret-file",
        "hypercare.yml:4:27",
        "no such file: no/such/file",
        "relative paths start from the folder of ",
    ),
    (
        "missing-variable",
        "hypercare.yml:2:10",
        "the environment variable HYPERCARE_TOKN is not s",
        "did you mean HYPERCARE_TOKEN?",
    ),
    ("no-route", "alertmanager.yml:1:1", "the key 'route' is required here", ""),
    ("not-a-mapping", "hypercare.yml:1:1", "expected a mapping (key: value), found a list", ""),
    ("not-utf8", "hypercare.yml:1:14", "not UTF-8 text: byte 0xe9", "save the file as UTF-8; is it a text fil"),
    (
        "prometheus-as-hypercare",
        "hypercare.yml:1:1",
        "unknown key 'scrape_configs'",
        "this is a key of prometheus.yml; name th",
    ),
    (
        "record-and-alert",
        "rules.yml:4:16",
        "at most one of record, alert may be set",
        "both record and alert are set; remove on",
    ),
    ("root-with-matchers", "alertmanager.yml:3:13", "the root route takes every alert and must not ha", ""),
    (
        "scrape-files-in-a-loop",
        "prometheus.yml:3:5",
        "./prometheus.yml has been read already",
        "a file cannot include itself or one that",
    ),
    ("service-twice", "hypercare.yml:4:11", "the name 'api' stands twice in services", ""),
    (
        "steps-out-of-order",
        "hypercare.yml:7:16",
        "each step must come later than the one before",
        "after counts from the beginning of the e",
    ),
    (
        "tabs",
        "hypercare.yml:3:1",
        "not valid YAML: found character that cannot star",
        "indent with spaces: YAML does not allow ",
    ),
    (
        "target-is-a-url",
        "prometheus.yml:4:29",
        "'http://api:81/metrics' is not a host name or ho",
        "scheme and path are keys of their own",
    ),
    ("tier-out-of-range", "hypercare.yml:3:11", "expected a value at most 4, found '7'", ""),
    ("timeout-beyond-interval", "prometheus.yml:4:21", "the scrape_timeout 10s of the job 'api' is longe", ""),
    ("too-deep", "hypercare.yml:1:111", "nested deeper than 100 levels", ""),
    (
        "two-health-checks-in-one",
        "hypercare.yml:5:12",
        "at most one of http, tcp, tls, dns may be set",
        "both http and tcp are set; remove one",
    ),
    (
        "two-secrets",
        "hypercare.yml:3:15",
        "at most one of token, token_file may be set",
        "both token and token_file are set; remov",
    ),
    (
        "unclosed-quote",
        "hypercare.yml:3:11",
        "not valid YAML: found unexpected end of stream",
        "check the indentation and the quotes of ",
    ),
    ("undefined-alias", "hypercare.yml:1:11", "alias *name has no anchor before it", ""),
    (
        "feature-not-enabled",
        "rules.yml:7:19",
        'function "mad_over_time" is experimental and not ',
        "metrics: {query: {enable_features: [promql-experimental-functions]}} in ",
    ),
    (
        "unknown-feature",
        "hypercare.yml:5:9",
        "unknown feature 'promql-experimental'",
        "did you mean promql-experimental-functions?",
    ),
    ("unknown-integration", "alertmanager.yml:4:5", "unknown key 'slak_configs'", "did you mean sns_configs?"),
    ("unknown-key", "hypercare.yml:2:1", "unknown key 'escalation'", "did you mean escalations?"),
    ("unknown-person", "hypercare.yml:8:23", "unknown person 'grcae'", "did you mean grace?"),
    ("unknown-receiver", "alertmanager.yml:5:17", "unknown receiver 'pagre'", "did you mean pager?"),
    ("unknown-receiver-of-step", "hypercare.yml:6:18", "unknown receiver 'taem'", "did you mean team?"),
    ("unknown-schedule", "hypercare.yml:10:17", "unknown schedule 'primry'", "did you mean primary?"),
    ("unknown-tag", "hypercare.yml:1:11", "unknown YAML tag !python/object:os.system", ""),
    ("unknown-time-interval", "alertmanager.yml:4:29", "unknown time interval 'weekend'", "did you mean weekends?"),
    ("wrong-number", "hypercare.yml:3:11", "expected a whole number, found 'high'", ""),
    ("wrong-type", "hypercare.yml:3:3", "expected a list, found a mapping", "put a - before it"),
]


def problems_of(name):
    folder = BROKEN / name
    with pytest.raises(InputError) as caught:
        load(
            folder / "hypercare.yml",
            DiskFiles(),
            {"HYPERCARE_TOKEN": "x"},
            check_template=lambda text: check(text, PROMETHEUS_NAMES, VARIABLES),
        )
    return [
        (f"{Path(p.file).relative_to(folder)}:{p.line}:{p.column}", p.message.replace(f"{folder}/", ""), p.hint)
        for p in caught.value.problems
    ]


@pytest.mark.parametrize("name", sorted({row[0] for row in TABLE}))
def test_place_message_and_hint(name):
    expected = [row[1:] for row in TABLE if row[0] == name]
    found = problems_of(name)
    assert [place for place, _, _ in found] == [place for place, _, _ in expected]
    for (_, message, hint), (_, says, advises) in zip(found, expected, strict=True):
        assert message.startswith(says)
        assert hint.startswith(advises)
        assert bool(hint) == bool(advises)


def test_every_folder_is_in_the_table():
    assert sorted({row[0] for row in TABLE}) == sorted(folder.name for folder in BROKEN.iterdir())
    assert len(TABLE) >= 30


def test_a_missing_file_is_explained():
    with pytest.raises(InputError) as caught:
        load(BROKEN / "no-such.yml", DiskFiles(), {})
    (problem,) = caught.value.problems
    assert problem.message.startswith("no such file")
    assert "--config" in problem.hint
