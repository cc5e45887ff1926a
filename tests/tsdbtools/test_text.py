"""OpenMetrics text out of a store and into one."""

from __future__ import annotations

import gzip
import io
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_kit import HOUR, NOW, START, content, samples, write

from hypercare.collectors.exposition import parse
from hypercare.model.errors import InputError
from hypercare.model.ingest import FloatSeries, WriteBatch
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.tsdb import Options, Tsdb
from hypercare.tsdbtools import export, import_file

EVER = 2**61


def exported(db: Tsdb, selectors=(), start=0, end=EVER) -> tuple[str, tuple]:
    out = io.StringIO()
    report = export(db.snapshot(), selectors, start, end, out.write)
    return out.getvalue(), report


def test_what_goes_out_comes_in_again_bit_by_bit(tmp_path):
    db = write(tmp_path / "one")
    text, report = exported(db)
    assert (report.series, report.samples, report.stale, report.histograms) == (80, 80 * 1200, 0, 0)
    assert len(list(parse(text.encode(), openmetrics=True))) == report.samples
    (tmp_path / "file").write_text(text)
    found = import_file(tmp_path / "file", tmp_path / "two", NOW)
    assert (found.series, found.samples, found.stored, found.there_already) == (80, 96_000, 96_000, 0)
    assert (found.first, found.last, found.refused) == (START, START + 5 * HOUR - 15_000, ())
    two = Tsdb.open(tmp_path / "two")
    assert samples(two) == samples(db)
    # What is over is in blocks already.
    assert two.snapshot().stats().blocks >= 1
    assert exported(two)[0] == text


names = st.sampled_from(["a", "b:c", "a_total", "mit leerzeichen", "süß", "a.b"])
label_texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1, max_size=8)
values = st.floats(allow_subnormal=True) | st.sampled_from([0.0, -0.0, float("nan"), 1e21, 0.1, 5e-324])


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.tuples(names, st.sampled_from(["x", "le", "ü y"]), label_texts),
        st.lists(st.tuples(st.integers(0, 4 * 10**12), values), min_size=1, max_size=5, unique_by=lambda each: each[0]),
        min_size=1,
        max_size=6,
    )
)
def test_any_series_and_values_survive(series):
    batch = WriteBatch(
        "test",
        tuple(
            FloatSeries(
                Labels.of({"__name__": name, label: text}),
                np.array(sorted(at for at, _ in rows), dtype=np.int64),
                np.array([value for _, value in sorted(rows, key=lambda each: each[0])]),
            )
            for (name, label, text), rows in series.items()
        ),
    )
    place = Path(tempfile.mkdtemp())
    try:
        wide = Options(retention=2**60, out_of_order_window=2**60, fsync=False)
        db = Tsdb.open(place / "one", wide)
        assert db.write(batch, 0).problems == ()
        text, _ = exported(db)
        (place / "file").write_text(text, encoding="utf-8", newline="")
        import_file(place / "file", place / "two", NOW)
        two = Tsdb.open(place / "two", wide)
        wanted, found = samples(db), samples(two)
        assert wanted.keys() == found.keys()
        for labels, rows in wanted.items():
            assert [at for at, _ in rows] == [at for at, _ in found[labels]]
            for (_, one), (_, other) in zip(rows, found[labels], strict=True):
                both = np.array([one, other]).view(np.float64)
                assert one == other or np.isnan(both).all()
        db.close()
        two.close()
    finally:
        shutil.rmtree(place)


def test_a_span_and_selectors_choose(tmp_path):
    db = write(tmp_path, hours=1)
    at = START + 600_000
    text, report = exported(db, [(Matcher("n", MatchOp.EQUAL, "7"), Matcher("instance", MatchOp.EQUAL, "i1"))], at, at)
    assert text == f'work_1_total{{instance="i1",job="job",n="7"}} {40 * 7 + 0.125} {at / 1000:.3f}\n# EOF\n'
    assert report.samples == 1
    twice = [(Matcher("n", MatchOp.EQUAL, "7"),), (Matcher("job", MatchOp.EQUAL, "job"),)]
    assert exported(db, twice)[1].samples == 80 * 240
    assert exported(db, [(Matcher("n", MatchOp.EQUAL, "none"),)]) == ("# EOF\n", (0, 0, 0, 0))


def test_staleness_markers_are_counted_and_left_out(tmp_path):
    text, report = exported(write(tmp_path, hours=0.1, targets=1, width=1, stale_at=3))
    assert (report.samples, report.stale) == (23, 1)
    assert len(text.splitlines()) == 24


def test_an_empty_store_gives_an_empty_document(tmp_path):
    assert exported(Tsdb.open(tmp_path)) == ("# EOF\n", (0, 0, 0, 0))


GOOD = "# HELP a help\n# TYPE a counter\na_total 1 1700000000\na_total 2 1700000015.5\n# EOF\n"
BAD = [
    ("", 0, 0, "# EOF"),
    (GOOD.replace("# EOF\n", ""), 4, 0, "# EOF"),
    (GOOD + "b 1 1700000000\n", 6, 0, "after # EOF"),
    (GOOD.replace("a_total 1 ", "a_total x "), 3, 9, "is not a number"),
    (GOOD.replace("1700000015.5", "17000_00015"), 4, 11, "is not a number"),
    (GOOD.replace(" 1700000000", ""), 3, 9, "expected a timestamp"),
    (GOOD.replace("1700000015.5", "1700000000"), 4, 9, "again has the time 1700000000.000"),
    (GOOD.replace("1700000015.5", "1600000000"), 4, 9, "is older than the sample before it"),
    (GOOD.replace("1700000015.5", "-5"), 4, 9, "before 1970"),
    (GOOD.replace("1700000015.5", "1e300"), 4, 9, "beyond all years"),
    (GOOD.replace("1700000000", "1e300"), 3, 11, "invalid timestamp"),
    (GOOD.replace("a_total 2", "a_total{x=1} 2"), 4, 11, "expected a quoted label value"),
    (GOOD.replace("a_total 2", 'a_total{x="1" 2'), 4, 14, "expected a comma or a closing brace"),
    (GOOD.replace("# TYPE a counter", "# TYPE a sum"), 2, 0, "invalid metric type"),
    ("up 1\n", 1, 4, "expected a timestamp"),
    ("a\xff 1 1\n# EOF\n", 1, 0, "UTF-8"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "message"), BAD)
def test_what_is_not_openmetrics_is_refused_with_its_place_and_changes_nothing(tmp_path, text, line, column, message):
    write(tmp_path / "store", hours=0.1).close()
    before = content(tmp_path / "store")
    file = tmp_path / "in.om"
    file.write_bytes(text.encode("latin-1"))
    for place in (tmp_path / "store", tmp_path / "new"):
        with pytest.raises(InputError) as caught:
            import_file(file, place, NOW)
        (problem,) = caught.value.problems
        assert (problem.file, problem.line, problem.column) == (str(file), line, column), str(problem)
        assert message in problem.message
    assert content(tmp_path / "store") == before
    assert not (tmp_path / "new").exists()


def test_compressed_files_are_read_and_damaged_ones_refused(tmp_path):
    packed = gzip.compress(GOOD.encode())
    (tmp_path / "in.gz").write_bytes(packed)
    assert import_file(tmp_path / "in.gz", tmp_path / "store", NOW).stored == 2
    for cut in (packed[:-4], packed[:25], packed[:14] + b"\xff\xff" + packed[16:]):
        (tmp_path / "in.gz").write_bytes(cut)
        with pytest.raises(InputError, match="damaged"):
            import_file(tmp_path / "in.gz", tmp_path / "store", NOW)


def test_an_import_can_be_repeated_and_never_overwrites(tmp_path):
    file = tmp_path / "in"
    file.write_text(GOOD)
    import_file(file, tmp_path / "store", NOW)
    again = import_file(file, tmp_path / "store", NOW)
    assert (again.stored, again.there_already, again.refused) == (0, 2, ())
    file.write_text(GOOD.replace("a_total 2", "a_total 3").replace("# EOF", "b 7 1600000000\n# EOF"))
    third = import_file(file, tmp_path / "store", NOW)
    assert (third.stored, third.there_already) == (1, 1)
    assert "another value is stored" in third.refused[0]
    found = samples(Tsdb.open(tmp_path / "store"))
    assert {labels.name: [np.int64(bits).view(np.float64) for _, bits in rows] for labels, rows in found.items()} == {
        "a_total": [1, 2],
        "b": [7],
    }


def test_types_exemplars_and_bounds_are_read_as_when_scraped(tmp_path):
    (tmp_path / "in").write_text(
        "# TYPE h histogram\n"
        'h_bucket{le="1"} 1 1700000000 # {trace="x"} 0.5\nh_bucket{le="1"} 2 1700000015\n'
        "# TYPE g gauge\n"
        'g{le="1"} 1 1700000000\n# EOF\n'
    )
    import_file(tmp_path / "in", tmp_path / "store", NOW)
    found = samples(Tsdb.open(tmp_path / "store"))
    assert {str(labels): len(rows) for labels, rows in found.items()} == {'h_bucket{le="1.0"}': 2, 'g{le="1"}': 1}


def test_a_store_in_use_is_not_written(tmp_path):
    db = write(tmp_path / "store", hours=0.1)
    (tmp_path / "in").write_text(GOOD)
    with pytest.raises(InputError, match="in use by another process"):
        import_file(tmp_path / "in", tmp_path / "store", NOW)
    db.close()
