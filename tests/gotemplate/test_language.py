"""The language: each row rendered by us, and by promtool where it is installed."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, ClassVar

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hypercare.gotemplate import PROMETHEUS_NAMES, StringMap, Template, TemplateError, check, prometheus_functions
from hypercare.gotemplate.gofmt import format_float
from hypercare.gotemplate.values import GoObject

if TYPE_CHECKING:
    from pathlib import Path

VALUE = 1234.5678
LABELS = {"job": "api", "instance": "db-1.example.com:9100", "code": "500", "path": "/a b?c=d&e"}

# (template, output); data are an alert's: .Labels, .Value, $labels, $value.
ROWS = [
    ("plain", "plain"),
    ("{{ $labels.instance }} of {{ .Labels.job }}", "db-1.example.com:9100 of api"),
    ("{{ $labels.missing }}|{{ .Labels.missing }}|", "||"),
    ('{{ index $labels "path" }}', "/a b?c=d&e"),
    ("{{ $value }} {{ .Value }}", "1234.5678 1234.5678"),
    ("{{ $value | humanize }}{{ humanize1024 $value }}", "1.235k1.206ki"),
    ('{{ printf "%.2f" $value }} {{ $value | printf "%.1f%%" }}', "1234.57 1234.6%"),
    ("a {{- 1 -}} b", "a1b"),
    ("a {{- /* nothing */ -}} b", "ab"),
    ("a {{/* nothing */}} b", "a  b"),
    ("{{ if gt $value 1000.0 }}big{{ else }}small{{ end }}", "big"),
    ("{{ if lt $value 10.0 }}a{{ else if lt $value 2000.0 }}b{{ else }}c{{ end }}", "b"),
    ('{{ if and (eq .Labels.job "api") (ne .Labels.code "200") }}x{{ end }}', "x"),
    ("{{ if or .Labels.nope .Labels.job }}x{{ end }}{{ if not .Labels.nope }}y{{ end }}", "xy"),
    ("{{ or .Labels.nope .Labels.job }} {{ and 1 0 3 }}", "api 0"),
    ("{{ with .Labels.job }}<{{ . }}>{{ end }}{{ with .Labels.nope }}x{{ else }}none{{ end }}", "<api>none"),
    ("{{ $x := 1 }}{{ $x }}{{ $x = 2 }}{{ $x }}{{ if true }}{{ $x = 3 }}{{ end }}{{ $x }}", "123"),
    ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"),
    (
        "{{ range $k, $v := .Labels }}{{ $k }}={{ $v }};{{ end }}",
        "__name__=m;code=500;instance=db-1.example.com:9100;job=api;path=/a b?c=d&e;",
    ),
    (
        "{{ range $v := .Labels }}{{ if eq $v `api` }}{{ break }}{{ end }}{{ $v }},{{ end }}",
        "m,500,db-1.example.com:9100,",
    ),
    ("{{ range .Labels }}{{ if eq . `m` }}{{ continue }}{{ end }}{{ len . }},{{ end }}", "3,21,3,10,"),
    ("{{ range .ExternalLabels }}x{{ else }}none{{ end }}", "none"),
    ('{{ define "t" }}[{{ . }}]{{ end }}{{ template "t" .Labels.job }}{{ template "t" 5 }}', "[api][5]"),
    ('{{ block "b" .Labels }}({{ .job }}){{ end }}', "(api)"),
    ('{{ "a\\tb\\u00e9\\x41" }}{{ `raw\\n` }}', "a\tbéAraw\\n"),
    (
        "{{ 'a' }} {{ 0x1F }} {{ 1_000 }} {{ 1e3 }} {{ 1.50 }} {{ -3 }} {{ +4 }} {{ .5 }}",
        "97 31 1000 1000 1.5 -3 4 0.5",
    ),
    ("{{ true }}{{ false }}", "truefalse"),
    ('{{ len "héllo" }} {{ slice "hello" 1 3 }} {{ index "abc" 1 }}', "6 el 98"),
    ('{{ eq 1 2 1 }} {{ eq "a" "b" }} {{ le 1 1 }} {{ ge 2 3 }}', "true false true false"),
    ('{{ print 1 2 "x" 3 4 }}|{{ print "a" "b" }}|{{ println 1 "x" }}', "1 2x3 4|ab|1 x\n"),
    ("{{ .Labels }}", "map[__name__:m code:500 instance:db-1.example.com:9100 job:api path:/a b?c=d&e]"),
    (
        '{{ html "<a&\'\\">" }} {{ urlquery "a b&c" "d" }} {{ js "it\'s <b>" }}',
        "&lt;a&amp;&#39;&#34;&gt; a+b%26cd it\\'s \\u003Cb\\u003E",
    ),
    ("{{ (printf `%s-%s` .Labels.job `x`) | toUpper }}", "API-X"),
    ('{{ "x" | printf "%s%s" "y" }}', "yx"),
    (
        "{{ 100000.0 }} {{ 1000000.0 }} {{ 1234567.8 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1e21 }}",
        "100000 1e+06 1.2345678e+06 0.0001 1e-05 1e+21",
    ),
    (
        '{{ printf "%v %g %.3g %f %e %G" 1.5 1e7 123456.0 1.5 1.5 1e-7 }}',
        "1.5 1e+07 1.23e+05 1.500000 1.500000e+00 1E-07",
    ),
    (
        '{{ printf "%d|%5d|%-5d|%05d|%+d|%x|%X|%o|%b|%c|%U" 42 42 42 42 42 255 255 8 5 65 65 }}',
        "42|   42|42   |00042|+42|ff|FF|10|101|A|U+0041",
    ),
    (
        '{{ printf "%s|%5s|%-5s|%.2s|%q|%x|%X" "ab" "ab" "ab" "abc" "a\\"b" "hi" "hi" }}',
        'ab|   ab|ab   |ab|"a\\"b"|6869|6869',
    ),
    (
        '{{ printf "%t %v %6.2f|%-8.1f|%08.3f|%+.1f" true false 3.14159 2.5 3.14159 2.0 }}',
        "true false   3.14|2.5     |0003.142|+2.0",
    ),
    ('{{ printf "%d %s %t" 1.5 2 "x" }}', "%!d(float64=1.5) %!s(int=2) %!t(string=x)"),
    (
        '{{ printf "%s %s" "a" }}|{{ printf "%s" "a" 1 }}|{{ printf "100%" }}',
        "a %!s(MISSING)|a%!(EXTRA int=1)|100%!(NOVERB)",
    ),
    (
        '{{ printf "%[2]s %[1]s" "a" "b" }} {{ printf "%*d" 5 42 }} {{ printf "%T %T %T" 1 "x" 1.5 }}',
        "b a    42 int string float64",
    ),
    ('{{ reReplaceAll "(\\\\w+)\\\\.example\\\\.com" "$1" "db.example.com:1" }}', "db:1"),
    ('{{ reReplaceAll "a(b)" "${1}x$1x$$" "ab" }}', "bx$"),
    ('{{ match "^db" .Labels.instance }} {{ title "hello wORLD o-k" }}', "true Hello WORLD O-K"),
    ("{{ .Labels.instance | stripPort }} {{ stripDomain .Labels.instance }}", "db-1.example.com db-1:9100"),
    (
        "{{ humanizeDuration 3725.0 }} {{ humanizePercentage 0.1234 }} {{ humanizeTimestamp 0.0 }}",
        "1h 2m 5s 12.34% 1970-01-01 00:00:00 +0000 UTC",
    ),
    ('{{ parseDuration "1h30m" }} {{ toTime 1.5 }}', "5400 1970-01-01 00:00:01.5 +0000 UTC"),
    (
        '{{ (toTime 1700000000.0).Format "Mon, 02 Jan 2006 15:04:05.000 -07:00 MST 3:4PM _2 06 1" }}',
        "Tue, 14 Nov 2023 22:13:20.000 +00:00 UTC 10:13PM 14 23 11",
    ),
    ('{{ graphLink "up{a=\\"b c\\"}" }}', "/graph?g0.expr=up%7Ba%3D%22b+c%22%7D&g0.tab=0"),
    ('{{ with $x := "v" }}{{ $x }}{{ . }}{{ $.Labels.job }}{{ end }}', "vvapi"),
    ('{{ args "a" 2 }}', "map[arg0:a arg1:2]"),
    ("{{ nil | print }}{{ $labels.nope | print }}", None),
    ("{{ .Nope }}", None),
    ("{{ if gt $value 5 }}x{{ end }}", None),
    ("{{ index .Labels 1 }}", None),
    ("{{ toUpper 5 }}", None),
    ("{{ toUpper }}", None),
    ("{{ $nope }}", None),
    ("{{ template `nope` }}", None),
    ("{{ humanize(1.0) }}", None),
    ("{{ if }}x{{ end }}", None),
    ("{{ if true }}x", None),
    ("{{ end }}", None),
    ("{{ break }}", None),
    ("{{ 1 | 2 }}", None),
    ("{{ .Labels.job.x }}", None),
    ("{{ 1.2.3 }}", None),
    ("{{ 'ab' }}", None),
    ('{{ "a }}', None),
    ("{{ nope 1 }}", None),
    ("{{ range $a, $b, $c := .Labels }}{{ end }}", None),
    ("{{ else }}", None),
    ('{{ match "(" "x" }}', None),
]


class Holder(GoObject):
    """An alert's data: four known fields, others are errors."""

    GO_TYPE = "struct"
    GO_FIELDS: ClassVar = {
        "Labels": "labels",
        "ExternalLabels": "external_labels",
        "ExternalURL": "external_url",
        "Value": "value",
    }
    labels = StringMap(__name__="m", **LABELS)
    external_labels = StringMap()
    external_url = ""
    value = VALUE


def expand(text: str) -> str:
    holder = Holder()
    variables = {"labels": holder.labels, "externalLabels": holder.external_labels, "externalURL": "", "value": VALUE}
    template = Template.parse(text, "row", functions=PROMETHEUS_NAMES, variables=tuple(variables))
    return template.render(holder, prometheus_functions(0, lambda _: []), variables)


@pytest.mark.parametrize(("text", "output"), ROWS)
def test_rendered(text: str, output: str | None) -> None:
    if output is None:
        with pytest.raises(TemplateError) as caught:
            expand(text)
        assert caught.value.line == 1
    else:
        assert expand(text) == output


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_agrees(tmp_path: Path) -> None:
    """Rows whose output promtool shows, compared in one run; promtool trims nothing."""
    rows = [(t, o) for t, o in ROWS if o is not None]
    rules = [{"alert": f"A{i}", "expr": "m", "annotations": {"x": f"<{t}>"}} for i, (t, _) in enumerate(rows)]
    labels = {**LABELS}
    series = "m{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}"
    expected = [
        {
            "eval_time": "1m",
            "alertname": f"A{i}",
            "exp_alerts": [{"exp_labels": labels, "exp_annotations": {"x": f"<{o}>"}}],
        }
        for i, (_, o) in enumerate(rows)
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    tests = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": series, "values": f"{VALUE} {VALUE}"}],
                "alert_rule_test": expected,
            }
        ],
    }
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "tests.yml")], capture_output=True, text=True, check=False
    )
    failed = {int(n) for n in re.findall(r"alertname: A(\d+),", done.stdout + done.stderr)}
    assert not [rows[n] for n in sorted(failed)], done.stderr + done.stdout
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{{ foo }}", "1:4: function"),
        ("a\n  {{ if }}", "2:9: missing value for if"),
        ("{{ $x }}", "1:4: undefined variable"),
        ("{{", "1:3: unclosed action"),
        ("{{ /* x }}", "1:4: unrecognized character"),
        ("{{/* x }}", "1:3: unclosed comment"),
        ('{{ define "a" }}x', "1:18: unexpected EOF"),
        ('{{ define "a" }}x{{ end }}{{ define "a" }}y{{ end }}', "multiple definition"),
        ("ok {{ . }}", None),
    ],
)
def test_check(text: str, place: str | None) -> None:
    found = check(text, PROMETHEUS_NAMES)
    assert found is None if place is None else place in str(found)


def test_error_has_place_and_snippet() -> None:
    with pytest.raises(TemplateError) as caught:
        expand("one\n  {{ humanize `x` }}")
    error = caught.value
    assert (error.line, error.column, error.snippet) == (2, 6, "humanize `x`")
    assert str(error).startswith('template: row:2:5: executing "row" at <humanize `x`>: error calling humanize: ')


@pytest.mark.parametrize(
    "text",
    [
        '{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}',
        "{{ range $i, $a := 90000 }}{{ range 90000 }}{{ end }}{{ end }}",
        '{{ range 100000 }}{{ printf "%9999d" 1 }}{{ end }}',
        "{{ range 10000000 }}{{ end }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ if true }}" * 5000 + "{{ end }}" * 5000,
    ],
)
def test_work_is_bounded(text: str) -> None:
    with pytest.raises(TemplateError):
        expand(text)


@given(st.text(alphabet="{}.$|()=:,-\"'`/* \nabif range end else with define template 0123", max_size=60))
def test_any_text_gives_output_or_an_error_with_place(text: str) -> None:
    assert check(text, PROMETHEUS_NAMES) is None or ":" in str(check(text, PROMETHEUS_NAMES))
    with contextlib.suppress(TemplateError):
        expand(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_shortest_float_reads_back(value: float) -> None:
    assert float(format_float(value)) == value
    assert float(format_float(value, "e")) == value
    assert float(format_float(value, "f")) == value
