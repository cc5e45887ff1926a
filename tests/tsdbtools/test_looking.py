"""Checking and analyzing: everything is read, nothing is changed, what is lost is counted."""

from __future__ import annotations

import pytest
from store_kit import HOUR, START, content, write

from hypercare.model.errors import InputError
from hypercare.tsdb import Tsdb
from hypercare.tsdbtools import analyze, check, in_use, read_only, store_directory


@pytest.fixture
def store(tmp_path):
    write(tmp_path / "metrics").close()
    return tmp_path / "metrics"


def test_a_whole_store_is_whole(store):
    before = content(store)
    report = check(store)
    assert report.good
    assert (report.lost, report.unreadable, report.problems) == (0, (), ())
    assert [(block.series, block.samples, block.lost) for block in report.blocks] == [(80, 80 * 480, 0)] * 2
    assert [block.first for block in report.blocks] == [START, START + 2 * HOUR]
    assert [group.key for group in report.blocks[0].groups] == ["job/0", "job/1"]
    # The file of the log that holds the first rows after an edge holds the last ones before it too.
    assert report.log.rows >= 480
    assert content(store) == before


def test_a_store_in_use_is_checked_beside_its_server(tmp_path):
    db = write(tmp_path, hours=3)
    assert in_use(tmp_path)
    assert check(tmp_path).good
    assert db.append(db.group("job/0"), START + 9 * HOUR, [0], [1.0]).appended == 1
    db.close()
    assert not in_use(tmp_path)


def test_damage_in_a_block_is_told_with_what_is_lost_at_most(store):
    path = min((store / "blocks").iterdir())
    whole = path.read_bytes()
    before = {place: check_of for place, check_of in content(store).items() if "block" not in place}
    worst = 0
    for at in range(0, len(whole), max(len(whole) // 40, 1)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        report = check(store)
        intact = sum(block.samples for block in report.blocks)
        missing = 2 * 80 * 480 - intact
        if at < 8:
            continue
        if not report.unreadable and report.blocks[0].series == 80:
            assert report.lost >= missing
            worst = max(worst, report.lost)
        assert report.good == (not report.problems)
        assert report.good or all(problem.file == str(path) for problem in report.problems)
        assert not report.good or missing == 0
    assert worst > 0
    assert {place: check_of for place, check_of in content(store).items() if "block" not in place} == before


def test_a_block_that_cannot_be_opened_is_named_with_its_size(store):
    path = min((store / "blocks").iterdir())
    path.write_bytes(path.read_bytes()[:1000])
    report = check(store)
    assert not report.good
    assert report.unreadable == ((path.name, 1000),)
    assert len(report.blocks) == 1


def test_damage_in_the_log_is_told_and_a_torn_end_is_none(store):
    path = max((store / "wal").iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    report = check(store)
    assert report.good
    assert 0 < report.log.torn_bytes < 1000
    assert path.read_bytes() == whole[:-5]
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + b"\0\0\0\0" + whole[middle + 4 :])
    report = check(store)
    assert not report.good
    assert report.log.damaged_bytes > 0
    assert report.problems[0].file == str(path)


def test_analysis_adds_up(tmp_path):
    db = write(tmp_path, hours=5, stale_at=10)
    group = db.group("short")
    columns = [group.column(db_labels) for db_labels in labels_of_churn()]
    for at in range(START + 4 * HOUR, START + 4 * HOUR + 600_000, 15_000):
        db.append(group, at, columns, [1.0] * 30)
    found = analyze(db, limit=5)
    assert (found.first, found.last) == (START, START + 5 * HOUR - 15_000)
    assert (found.series, found.samples, found.stale) == (110, 80 * 1200 - 2 + 30 * 40, 2)
    assert found.block_bytes + found.log_bytes == db.snapshot().stats().bytes_on_disk
    assert found.bytes_per_sample == found.block_bytes / (80 * 960)  # markers count, they take room
    assert [(each.key, each.series, each.samples) for each in found.groups] == [
        ("job/0", 40, 40 * 960),
        ("job/1", 40, 40 * 960),
    ]
    assert sum(each.size for each in found.groups) < found.block_bytes
    assert found.cardinality.series_by_metric[0] == ("short_lived", 30)
    assert found.churn_by_name[0][0] in {"__name__", "pod"}
    # Thirty series that were there for ten minutes of five hours.
    assert dict(found.churn_by_pair)["__name__=short_lived"] == pytest.approx(30 * 968, rel=0.01)
    db.close()


def labels_of_churn():
    from hypercare.model.labels import Labels

    return [Labels.of(__name__="short_lived", pod=str(n)) for n in range(30)]


def test_an_empty_store(tmp_path):
    Tsdb.open(tmp_path).close()
    with read_only(tmp_path) as db:
        found = analyze(db)
    assert (found.first, found.series, found.samples, found.bytes_per_sample) == (None, 0, 0, None)
    assert check(tmp_path).good


def test_what_is_opened_stays_readable_when_a_server_deletes_the_blocks(store):
    with read_only(store) as db:
        for path in (store / "blocks").glob("*.block"):
            path.unlink()
        found = analyze(db)
        report = list(db.verify())
    assert found.samples > 0
    assert report
    assert not any(block.lost for block in report)
    assert not db.problems


def test_the_store_is_found_from_either_directory(store):
    assert store_directory(store.parent) == store_directory(store) == store
    for place, message in ((store / "blocks", "no metrics store here"), (store / "none", "no such directory")):
        with pytest.raises(InputError, match=message):
            store_directory(place)
