"""Files that were damaged: opening never fails, at most the damaged part is lost, it is told, no value is ever wrong.

A small store with a merged block, plain blocks, a block of late rows and a log: every byte of every file is flipped once
in a systematic run over a part of them, and hypothesis damages whole stores in other ways.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypercare.model.ingest import FloatSeries, WriteBatch
from hypercare.model.labels import Labels
from hypercare.model.samples import STALE, is_absent
from hypercare.tsdb import Options, Tsdb

OPTIONS = Options(block_span=100, seal_rows=8, keep_rows=4, out_of_order_window=10_000, fsync=False)
Cells = dict[Labels, dict[int, int]]


def cells(db: Tsdb) -> Cells:
    """The bits of every sample by series and time."""
    found: Cells = {}
    for matrix in db.snapshot().select((), -1, 2**61):
        values = np.ascontiguousarray(matrix.values)
        there = ~is_absent(values)
        for column, labels in enumerate(matrix.labels):
            rows = there[:, column]
            bits = np.ascontiguousarray(values[rows, column]).view(np.int64).tolist()
            found.setdefault(labels, {}).update(zip(matrix.times[rows].tolist(), bits, strict=True))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, Cells]:
    place = tmp_path_factory.mktemp("whole")
    db = Tsdb.open(place, OPTIONS)
    groups = [db.group(key) for key in ("g", "h")]
    columns = [[group.column(Labels.of(__name__="m", g=group.key, i=str(i))) for i in range(3)] for group in groups]
    for at in range(1, 460, 4):
        for group, numbers in zip(groups, columns, strict=True):
            db.append(group, at, numbers, [float(at), at / 8, STALE if at == 101 else at * 1e-7])
        db.flush(at)
        if at % 5 == 0:
            db.maintain(at)
    late = np.arange(12, 30, 3)
    db.write(WriteBatch("late", (FloatSeries(Labels.of(__name__="late"), late, late * 0.5),)), 460)
    db.flush(460)
    for at in range(460, 700, 20):
        db.maintain(at)
        db.flush(at)
    late = np.arange(310, 330, 3)
    db.write(WriteBatch("late", (FloatSeries(Labels.of(__name__="late"), late, late * 0.5),)), 700)
    db.flush(700)
    wanted = cells(db)
    db.close()
    assert len(list((place / "blocks").glob("*.block"))) >= 2
    assert list((place / "wal").glob("*.wal"))
    return place, wanted


def look(place: Path, wanted: Cells) -> tuple[int, bool]:
    """Open a damaged store; how many samples are lost, and whether something is told. What is there must be right."""
    db = Tsdb.open(place, OPTIONS)
    try:
        found = cells(db)
        kept = 0
        for labels, samples in found.items():
            right = wanted[labels]
            for at, bits in samples.items():
                assert right[at] == bits, (str(labels), at)
            kept += len(samples)
        return sum(map(len, wanted.values())) - kept, bool(db.problems) or db.recovery.torn_bytes > 0
    finally:
        db.close()


def damaged(whole: Path, name: str, data: bytes, wanted: Cells) -> tuple[int, bool]:
    """Look at a copy of the store in which one file has another content."""
    place = Path(tempfile.mkdtemp(prefix="damaged-"))
    try:
        shutil.copytree(whole, place, dirs_exist_ok=True)
        (place / name).write_bytes(data)
        return look(place, wanted)
    finally:
        shutil.rmtree(place)


def files(place: Path) -> list[str]:
    found = [path for path in sorted(place.rglob("*")) if path.is_file() and path.suffix in {".wal", ".block"}]
    return [str(path.relative_to(place)) for path in found]


def test_a_flipped_byte_anywhere_is_told_or_does_no_harm(whole):
    place, wanted = whole
    total = sum(map(len, wanted.values()))
    tried = 0
    for name in files(place):
        data = (place / name).read_bytes()
        # Every byte of the ends, where lengths and indexes stand, and a share of what is between.
        inner = range(64, max(len(data) - 64, 64), max(len(data) // 100, 1))
        for at in [*range(min(64, len(data))), *inner, *range(max(len(data) - 64, 64), len(data))]:
            lost, told = damaged(place, name, data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :], wanted)
            assert told or lost == 0, (name, at, lost)
            assert lost < total
            tried += 1
    assert tried > 500


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.95, 0.999])
def test_a_file_cut_anywhere_is_told_or_does_no_harm(whole, share):
    place, wanted = whole
    for name in files(place):
        data = (place / name).read_bytes()
        for size in {int(len(data) * share), max(int(len(data) * share) - 3, 0)}:
            lost, told = damaged(place, name, data[:size], wanted)
            # Of a log that ends between two records nobody can tell that there was more.
            assert told or lost == 0 or name.endswith(".wal"), (name, size, lost)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_damage_to_several_files(whole, data):
    place, wanted = whole
    copy = Path(tempfile.mkdtemp(prefix="damaged-"))
    try:
        shutil.copytree(place, copy, dirs_exist_ok=True)
        names = data.draw(st.lists(st.sampled_from(files(place)), min_size=1, max_size=3, unique=True))
        for name in names:
            content = bytearray((copy / name).read_bytes())
            at = data.draw(st.integers(0, max(len(content) - 1, 0)))
            match data.draw(st.integers(0, 4)):
                case 0:
                    content[at : at + 8] = data.draw(st.binary(min_size=1, max_size=8))
                case 1:
                    del content[at : at + data.draw(st.integers(1, 200))]
                case 2:
                    content[at:at] = data.draw(st.binary(min_size=1, max_size=64))
                case 3:
                    content[at:] = bytes(len(content) - at)
                case _:
                    content[:] = (copy / data.draw(st.sampled_from(files(place)))).read_bytes()
            (copy / name).write_bytes(content)
        lost, told = look(copy, wanted)
        assert told or lost == 0 or all(name.endswith(".wal") for name in names) or len(names) > 1, (names, lost)
        # What is damaged is told once more at the next start, or is gone; nothing grows worse.
        again, _ = look(copy, wanted)
        assert again == lost
    finally:
        shutil.rmtree(copy)


def test_a_log_whose_records_contradict_each_other_opens(tmp_path):
    """Under right checksums: a group number that changes its group, a list that names a column twice, half a value."""
    import json
    import struct
    import zlib

    from hypercare.tsdb.wal import FILE_HEADER, FRAME, MARKER

    def series(key: str, *numbers: int) -> bytes:
        named = [[number, [["__name__", "m"], ["i", str(number)]]] for number in numbers]
        return struct.pack("<BI", 1, 7) + json.dumps([key, named]).encode()

    def columns(*numbers: int) -> bytes:
        return struct.pack(f"<BII{len(numbers)}I", 2, 7, 1, *numbers)

    def row(at: int, *values: float) -> bytes:
        return struct.pack(f"<BIIq{len(values)}d", 3, 7, 1, at, *values)

    bodies = [
        series("a", 0, 1, 2), columns(0, 1, 2), row(1, 1, 2, 3), series("b", 5), row(2, 4, 5, 6), columns(5),
        row(3, 7), columns(5, 5), row(4, 8, 8), row(5, 9)[:-3],
    ]  # fmt: skip
    (tmp_path / "wal").mkdir()
    framed = b"".join(FRAME.pack(MARKER, len(body), zlib.crc32(body)) + body for body in bodies)
    (tmp_path / "wal" / "00000001.wal").write_bytes(FILE_HEADER + framed)
    db = Tsdb.open(tmp_path, OPTIONS)
    found = {str(labels): sorted(samples) for labels, samples in cells(db).items()}
    assert found == {'m{i="0"}': [1], 'm{i="1"}': [1], 'm{i="2"}': [1], 'm{i="5"}': [3]}
    assert db.recovery.lost_samples == 5
    db.close()
