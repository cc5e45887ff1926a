"""The report of a deployment and its data: what is in them agrees with what happened, in every format."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import re

import numpy as np
import pytest
from deploy_kit import DeployShop

from hypercare.deploys.commands import AddWatchNote, AnswerCriterion, SignCheckpoint
from hypercare.judge.series import Samples
from hypercare.kernel import CommandError
from hypercare.model.time import parse_rfc3339
from hypercare.reports import deployment_numbers as n
from hypercare.reports.deployment import render_export, render_report
from hypercare.reports.deployment_export import COLUMNS


@pytest.fixture
def release(make):
    """A release that leaks and whose errors rise for a while, signed and remarked upon by ana, to its end."""
    one = DeployShop(make)
    one.run(65)
    one.deploy("v2|x", previous="v1")
    one.api.gauge("process_resident_memory_bytes", 5e8, noise=1e6, slope=1e8 / 3600)
    one.api.counter('http_requests_total{status="500"}', 0.5)
    one.run(11)
    one.good()
    one.api.gauge("process_resident_memory_bytes", 5.2e8, noise=1e6, slope=1e8 / 3600)
    one.call(SignCheckpoint("api", "ana", 1, "errors | for ten minutes", "look at the <pool>"))
    one.call(AddWatchNote("api", "warm the *cache* first", "ana"))
    one.call(AnswerCriterion("api", "complaints", "pass", "ana", "none"))
    one.run(50)
    return one


def test_one_story_in_every_format(release):
    app, watch = release.shop.app, release.watch()
    assert (watch.status, watch.verdict) == ("done", "CONCERNS")
    _json(json.loads(render_report(app, watch, "json")))
    _markdown(render_report(app, watch, "md"))
    _html(render_report(app, watch, "html"))
    _exports(app, watch)
    with pytest.raises(CommandError, match="unknown kind of report 'pdf'; one of html, md, json"):
        render_report(app, watch, "pdf")
    with pytest.raises(CommandError, match="unknown kind of export 'xls'"):
        render_export(app, watch, "xls")


def _json(facts):
    assert (facts["deployment"], facts["version"], facts["verdict"]) == (1, "v2|x", "CONCERNS")
    assert "ended in CONCERNS: " in facts["summary"]
    checks = {c["name"]: c for c in facts["checks"]}
    memory = checks["memory"]
    assert memory["before"]["median"] == pytest.approx(5e8, rel=0.01)
    assert memory["during"]["median"] > memory["before"]["median"]
    assert memory["change"] == pytest.approx(memory["during"]["median"] / memory["before"]["median"] - 1)
    trend = memory["trend"]
    assert trend["low"] <= trend["per_hour"] <= trend["high"]
    assert trend["certain"]
    assert trend["per_hour"] == pytest.approx(1e8, rel=0.3)
    errors = checks["http errors"]["errors"]
    # Half an error a second for eleven minutes, among 20.5 events a second for an hour.
    assert errors["bad"] == pytest.approx(0.5 * 660, rel=0.35)
    assert errors["events"] == pytest.approx(20 * 3600, rel=0.1)
    assert errors["usual"] == pytest.approx(0.001, rel=0.2)
    # Three dollars an hour for an hour.
    assert checks["llm cost"]["cost"] == {
        "unit": "$",
        "spent": pytest.approx(3, rel=0.02),
        "usual": pytest.approx(3, rel=0.02),
    }
    first = facts["checkpoints"][0]
    assert (first["state"], first["signed_by"], first["action"]) == ("signed", "ana", "look at the <pool>")
    assert "http errors: warning" in first["issues"]
    assert {f["check"] for f in facts["findings"]} >= {"http errors"}
    assert all('service="api"' in f["query"] for f in facts["findings"] if f["check"] == "http errors")
    assert [x["text"] for x in facts["lessons"]] == [
        "warm the *cache* first",
        "checkpoint 1: errors | for ten minutes; action: look at the <pool>",
        "complaints: pass, none",
    ]
    assert [v["final"] for v in facts["verdicts"]] == [False, True]
    assert facts["timeline"][0]["kind"] == "started"
    assert facts["timeline"][-1]["kind"] == "ended"


def _markdown(text):
    assert text.startswith("# Deployment 1: api v2\\|x\n")
    for title in ("Evidence", "Before and after", "Checkpoints", "Findings", "Errors", "Resource trends", "Cost",
                  "Actions", "Lessons", "Timeline"):  # fmt: skip
        assert f"\n## {title}\n" in text
    assert "errors \\| for ten minutes" in text
    assert "warm the \\*cache\\* first" in text
    assert re.search(r"\| memory \| rises: \d+\.?\d* MB an hour \(.* to .*\) \| reached in \d+h", text)
    # Every row of a table has as many cells as its head.
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block


def _html(text):
    assert "look at the &lt;pool&gt;" in text
    assert "<script" not in text
    assert not re.search(r'(?:src|href)="(?!#)', text), "nothing is fetched"
    assert text.count('class="curve"') >= 3 + 1
    assert 'class="found warning"' in text


def _exports(app, watch):
    rows = list(csv.DictReader(io.StringIO(render_export(app, watch, "csv"))))
    assert tuple(rows[0]) == COLUMNS
    memory = [r for r in rows if r["check"] == "memory" and r["part"] == "watch"]
    assert len(memory) == 60
    assert all(parse_rfc3339(r["time"]) == int(r["timestamp"]) for r in rows)
    assert {r["part"] for r in rows} == {"watch", "baseline"}
    assert all(float(r["traffic"]) > 0 for r in rows if r["check"] == "http errors" and r["traffic"])
    text = render_export(app, watch, "om")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert text.splitlines()[0].startswith("# HELP hypercare_deployment_check ")
    assert text.endswith("\n# EOF\n")
    assert len([line for line in lines if 'check="memory"' in line and 'part="watch"' in line]) == 60
    assert all('version="v2|x"' in line for line in lines)
    last = next(line for line in reversed(lines) if 'check="memory"' in line and 'part="watch"' in line)
    assert float(last.split()[-1]) * 1000 == int(memory[-1]["timestamp"])
    assert float(last.split()[-2]) == float(memory[-1]["value"])
    _parquet(app, watch, rows)


def _parquet(app, watch, rows):
    if importlib.util.find_spec("pyarrow") is None:
        with pytest.raises(CommandError, match=r"pip install 'hypercare\[parquet\]'"):
            render_export(app, watch, "parquet")
        return
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(io.BytesIO(render_export(app, watch, "parquet")))
    assert table.num_rows == len(rows)
    assert table.column("check").to_pylist() == [r["check"] for r in rows]
    assert table.column("value").to_pylist() == [float(r["value"]) if r["value"] else None for r in rows]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "s", "\N{EN DASH}"), (float("nan"), "", "\N{EN DASH}"), (0.2531, "s", "253 ms"), (0.0, "s", "0 s"),
        (12345.6, "", "12,346"), (-1.5, "$/h", "-1.5 $/h"),
    ],
)  # fmt: skip
def test_values_for_people(value, unit, text):
    assert n.written(value, unit) == text


def test_spread_and_change():
    times = np.arange(5, dtype=np.int64)
    found = n.spread(Samples(times, np.array([1.0, 2, 3, 4, 100])))
    assert (found.count, found.least, found.median, found.most) == (5, 1, 3, 100)
    assert n.spread(Samples(times[:0], np.array([]))) is None
    assert n.change(2, 3, ratio=False) == 0.5
    assert n.change(0, 3, ratio=False) is None
    assert n.change(0.01, 0.03, ratio=True) == pytest.approx(0.02)
