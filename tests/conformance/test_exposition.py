"""Other people's verdicts about the text formats (see exposition/README.md in the conformance data)."""

from __future__ import annotations

import base64
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from hypercare.collectors.exposition import (
    Comment,
    ExpositionError,
    Format,
    Meta,
    ScrapeCache,
    Series,
    choose_format,
    parse,
)
from hypercare.collectors.exposition.formats import media_type

ROOT = (
    Path(os.environ.get("HYPERCARE_CONFORMANCE", Path(__file__).parents[3] / "shared" / "conformance")) / "exposition"
)

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason=f"no conformance data at {ROOT}; set HYPERCARE_CONFORMANCE")


def cases(name: str) -> list[Any]:
    path = ROOT / name
    return json.loads(path.read_bytes())["cases"] if path.is_file() else []


def data(case: Any) -> bytes:
    return base64.b64decode(case["input_b64"]) if "input_b64" in case else case["input"].encode()


def verdicts(body: bytes, *, openmetrics: bool) -> tuple[bool, bool]:
    """Whether the parser takes a body, and whether the cache of scrapes does."""
    found = []
    for read in (lambda: list(parse(body, openmetrics=openmetrics)), lambda: scrape(body, openmetrics=openmetrics)):
        try:
            read()
        except ExpositionError:
            found.append(False)
        else:
            found.append(True)
    return found[0], found[1]


def scrape(body: bytes, *, openmetrics: bool) -> None:
    known: dict[Any, int] = {}
    cache = ScrapeCache(lambda labels: known.setdefault(labels, len(known)))
    cache.parse(body, openmetrics=openmetrics)


ERRORS = [*cases("prometheus/errors_openmetrics.json"), *cases("prometheus/errors_text.json")]


@pytest.mark.parametrize("case", ERRORS, ids=[c["id"] for c in ERRORS])
def test_prometheus_accepts_and_refuses(case):
    expected = case["ok"]
    assert verdicts(data(case), openmetrics=case["format"] == "openmetrics") == (expected, expected), case["error"]


GOOD = [c for c in cases("openmetrics/index.json") if c["should_parse"]]


@pytest.mark.parametrize("case", GOOD, ids=[c["id"] for c in GOOD])
def test_what_openmetrics_calls_good_is_read(case):
    assert verdicts((ROOT / "openmetrics" / case["file"]).read_bytes(), openmetrics=True) == (True, True)


# Prometheus takes many of these, and so do scrapes; held to all rules, the parser takes none of them.
BAD = [c for c in cases("openmetrics/index.json") if not c["should_parse"]]


@pytest.mark.parametrize("case", BAD, ids=[c["id"] for c in BAD])
def test_what_openmetrics_calls_bad_is_refused_in_strict_mode(case):
    with pytest.raises(ExpositionError, match=r"line|# EOF"):
        list(parse((ROOT / "openmetrics" / case["file"]).read_bytes(), openmetrics=True, strict=True))


@pytest.mark.parametrize("case", GOOD, ids=[c["id"] for c in GOOD])
def test_what_openmetrics_calls_good_passes_in_strict_mode(case):
    body = (ROOT / "openmetrics" / case["file"]).read_bytes()
    assert len(list(parse(body, openmetrics=True, strict=True))) == len(list(parse(body, openmetrics=True)))


@pytest.mark.parametrize("case", cases("prometheus/no_panic.json"), ids=str)
def test_no_input_breaks_the_parser(case):
    verdicts(data(case), openmetrics=case["format"] == "openmetrics")


FILES = [
    ("1histogram.om.txt", True),
    ("alltypes.5mfs.om.txt", True),
    ("alltypes.237mfs.prom.txt", False),
    ("alltypes.237mfs.nometa.prom.txt", False),
]


@pytest.mark.parametrize(("name", "openmetrics"), FILES)
def test_real_expositions(name, openmetrics):
    body = (ROOT / "prometheus" / "testdata" / name).read_bytes()
    if openmetrics and not body.endswith((b"# EOF\n", b"# EOF")):
        body += b"# EOF\n"
    series = [e for e in parse(body, openmetrics=openmetrics) if isinstance(e, Series)]
    known: dict[Any, int] = {}
    cache = ScrapeCache(lambda labels: known.setdefault(labels, len(known)))
    for _ in range(3):
        parsed = cache.parse(body, openmetrics=openmetrics)
        assert parsed.scraped == len(series)
        by_column = dict(zip(parsed.columns.tolist(), parsed.values.tolist(), strict=True))
        for one in series:
            if one.timestamp is None:
                assert same(by_column[known[one.labels]], one.value)


# Labels from TYPE and UNIT are a feature of Prometheus that hypercare does not have.
PARSE = [c for c in cases("prometheus/parse.json") if not c["type_and_unit_labels"]]


@pytest.mark.parametrize("case", PARSE, ids=[c["id"] for c in PARSE])
def test_entries_are_read_as_prometheus_does(case):
    found = list(parse(case["input"].encode(), openmetrics=case["format"] == "openmetrics"))
    if case["skip_created_series"]:
        found = without_created(found)
    assert len(found) == len(case["entries"])
    for entry, expected in zip(found, case["entries"], strict=True):
        check(entry, expected)


def without_created(entries: list[Any]) -> list[Any]:
    """Prometheus can fold ``_created`` series into others; hypercare stores them, as Prometheus does by default."""
    kept, families = [], set()
    for entry in entries:
        if isinstance(entry, Meta) and entry.kind == "type" and entry.text in {"counter", "histogram", "summary"}:
            families.add(entry.metric + "_created")
        if not (isinstance(entry, Series) and entry.labels.name in families):
            kept.append(entry)
    return kept


def same(one: float, other: Any) -> bool:
    return math.isnan(one) if math.isnan(float(other)) else one == float(other)


def check(entry: Any, expected: Any) -> None:
    if expected["kind"] == "series":
        assert isinstance(entry, Series)
        assert entry.text == expected["series"]
        if "value" not in expected:
            return
        assert same(entry.value, expected["value"])
        assert entry.labels.as_dict() == {k: v for k, v in sorted(expected["labels"].items()) if v}
        assert entry.timestamp == expected["timestamp_ms"]
        wanted = [(e["labels"], e["value"], e["timestamp_ms"]) for e in expected["exemplars"]]
        exemplar = entry.exemplar
        assert wanted == ([(exemplar.labels.as_dict(), exemplar.value, exemplar.timestamp)] if exemplar else [])
    elif expected["kind"] == "comment":
        assert isinstance(entry, Comment)
    else:
        text = expected["text"] if expected["kind"] == "help" else expected[expected["kind"]]
        assert entry == Meta(expected["kind"], expected["metric"], text)


CONTENT = cases("prometheus/content_type.json")


@pytest.mark.parametrize("case", CONTENT, ids=[c["id"] for c in CONTENT])
def test_the_format_is_told_by_the_content_type(case):
    # Without a Content-Type and a fallback Prometheus 3 refuses; hypercare takes it for text, as Prometheus 2 did.
    expected = Format(case["parser"] or "text")
    if case["error_contains"] and "duplicate" in case["error_contains"]:
        expected = Format.TEXT
    assert choose_format(case["content_type"], case["fallback_scrape_protocol"] or "") is expected
    if case["error_contains"] and case["content_type"]:
        with pytest.raises(ValueError, match=case["error_contains"][:20]):
            media_type(case["content_type"])
