"""``hypercare tsdb``: what it prints, its exit codes, and that Prometheus' own tool reads and writes the same text."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import numpy as np
import pytest

from hypercare.cli import main
from hypercare.model.labels import Labels
from hypercare.model.samples import is_absent
from hypercare.promql import Engine, Limits
from hypercare.tsdb import Options, Tsdb
from ports_kit import free_port

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3_600_000
BEGIN = 1_700_006_400_000
PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
peer = pytest.mark.skipif(
    PROMTOOL is None or PROMETHEUS is None, reason="prometheus is not installed (apt install prometheus)"
)


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = 0
    try:
        main(["tsdb", *map(str, arguments)])
    except SystemExit as ended:
        code = ended.code or 0
    said = capsys.readouterr()
    return code, said.out, said.err


def fill(data: Path, hours: float = 3, offset: float = 0.0) -> None:
    db = Tsdb.open(data / "metrics", Options(fsync=False))
    rng = np.random.default_rng(5)
    groups = [db.group(f"api/{n}") for n in range(3)]
    columns = [
        [
            group.column(Labels.of(__name__=name, job="api", instance=f"i{n}", code=code, path='/a"b\\c'))
            for name in ("requests_total", "temperature")
            for code in ("200", "500")
        ]
        for n, group in enumerate(groups)
    ]
    totals = np.zeros((3, 2))
    for row in range(int(hours * HOUR / 30_000)):
        at = BEGIN + row * 30_000 + 137
        totals += rng.poisson(7, (3, 2))
        for n, group in enumerate(groups):
            db.append(group, at + n, columns[n], [*totals[n], *(rng.normal(20, 5, 2) + offset)])
    db.flush(BEGIN + 9 * HOUR)
    for _ in range(3):
        db.maintain(BEGIN + 9 * HOUR)
    db.close()


def test_check_list_and_analyze_tell_what_is_there(tmp_path, capsys):
    fill(tmp_path)
    code, out, _ = run(capsys, "check", tmp_path)
    assert (code, out.splitlines()[-1]) == (0, "all whole")
    code, out, _ = run(capsys, "list", tmp_path)
    assert code == 0
    assert re.search(r"2023-11-15T00:00:00.137Z +\S+ +12 +2880 ", out)
    code, out, _ = run(capsys, "analyze", tmp_path, "--limit", "3")
    assert code == 0
    assert "12 series, 4320 samples, 0 staleness markers" in out
    assert "Label pairs with most series" in out
    for command in ("check", "list", "analyze"):
        code, out, _ = run(capsys, command, tmp_path, "--json")
        assert code == 0
        assert json.loads(out)


def test_check_ends_with_1_and_names_the_damage(tmp_path, capsys):
    fill(tmp_path)
    path = min((tmp_path / "metrics" / "blocks").iterdir())
    data = bytearray(path.read_bytes())
    data[20] ^= 255
    path.write_bytes(data)
    code, out, _ = run(capsys, "check", tmp_path)
    assert code == 1
    assert str(path) in out
    assert "DAMAGED" in out
    code, out, _ = run(capsys, "check", tmp_path, "--json")
    assert (code, json.loads(out)["good"]) == (1, False)


def test_what_cannot_be_done_is_said(tmp_path, capsys):
    assert run(capsys, "check", tmp_path / "none")[0] == 2
    assert "no metrics store" in run(capsys, "export", tmp_path)[2]
    fill(tmp_path, hours=0.1)
    (tmp_path / "bad.om").write_text("a 1\n# EOF\n")
    code, _, err = run(capsys, "import", tmp_path / "bad.om", tmp_path)
    assert code == 2
    assert f"{tmp_path / 'bad.om'}:1:3: expected a timestamp" in err
    assert run(capsys, "import", tmp_path / "none.om", tmp_path)[0] == 2
    assert run(capsys, "export", tmp_path, "--match", "a +")[0] == 2
    assert run(capsys, "export", tmp_path, "--match", "a offset 5m")[0] == 2
    assert run(capsys, "export", tmp_path, "--from", "yesterday")[0] == 2
    db = Tsdb.open(tmp_path / "metrics")
    (tmp_path / "good.om").write_text("a 1 1700000000\n# EOF\n")
    code, _, err = run(capsys, "import", tmp_path / "good.om", tmp_path)
    assert (code, "in use by a running server" in err) == (2, True)
    code, out, err = run(capsys, "export", tmp_path, "--match", '{code="200"}')
    assert (code, "is in use" in err, out.endswith("# EOF\n")) == (0, True, True)
    db.close()


def test_a_round_trip_through_a_compressed_file(tmp_path, capsys):
    fill(tmp_path)
    code, _, err = run(capsys, "export", tmp_path, "-o", tmp_path / "out.om.gz")
    assert (code, err) == (0, "4320 samples of 12 series\n")
    code, out, _ = run(capsys, "import", tmp_path / "out.om.gz", tmp_path / "new")
    assert code == 0
    assert "4320 of 4320 samples of 12 series stored" in out
    assert run(capsys, "export", tmp_path)[1] == run(capsys, "export", tmp_path / "new")[1]
    part = ("--from", "2023-11-15T01:00:00Z", "--to", "1700013600", "--match", "temperature", "--match", '{code="500"}')
    assert run(capsys, "export", tmp_path, *part)[2] == "1080 samples of 9 series\n"
    fill(tmp_path / "other", offset=1)
    code, out, err = run(capsys, "import", tmp_path / "out.om.gz", tmp_path / "other")
    assert code == 0, err  # series of a scrape and of an import stand beside each other


@contextlib.contextmanager
def prometheus(folder: Path, data: Path):
    port = free_port()
    (folder / "prometheus.yml").write_text("{}")
    command = [
        PROMETHEUS, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=100y", "--log.level=error",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"{url}/-/ready", timeout=2).status == 200:
                    break
            assert time.monotonic() < end
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def asked(url: str, **parameters: object) -> dict[Labels, list[tuple[float, str]]]:
    with urllib.request.urlopen(f"{url}/api/v1/{parameters.pop('path')}?{urlencode(parameters)}", timeout=30) as answer:
        result = json.load(answer)["data"]["result"]
    return {Labels.of(series["metric"]): [(t, v) for t, v in series["values"]] for series in result}


EXPRESSIONS = [
    "sum by (code) (rate(requests_total[5m]))", "max_over_time(temperature[10m])", "requests_total offset 7m",
    "avg(temperature) by (instance)", "temperature > 20", "count_over_time(temperature[3m])",
]  # fmt: skip


@peer
@pytest.mark.peer
def test_prometheus_answers_the_same_from_what_was_exported(tmp_path, capsys):
    fill(tmp_path)
    run(capsys, "export", tmp_path, "-o", tmp_path / "out.om")
    made = subprocess.run(
        [PROMTOOL, "tsdb", "create-blocks-from", "openmetrics", tmp_path / "out.om", tmp_path / "prometheus"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    db = Tsdb.open(tmp_path / "metrics")
    engine = Engine(Limits())
    # Past the first minutes, where a rate is extrapolated in another way than 2.42 did.
    start, end, step = BEGIN + HOUR // 4, BEGIN + 3 * HOUR, 60_000
    with prometheus(tmp_path, tmp_path / "prometheus") as url:
        for expression in EXPRESSIONS:
            theirs = asked(url, path="query_range", query=expression, start=start / 1000, end=end / 1000, step=60)
            ours = engine.range(db.snapshot(), expression, start, end, step)
            assert set(theirs) == set(ours.labels), expression
            assert theirs, expression
            for labels, values, here in zip(ours.labels, ours.values, ours.present, strict=True):
                rows = theirs[labels]
                assert [round(t * 1000) for t, _ in rows] == ours.times[here].tolist(), expression
                assert np.allclose([float(v) for _, v in rows], values[here], rtol=1e-12), expression
    db.close()


@peer
@pytest.mark.peer
def test_what_promtool_dumps_of_prometheus_is_imported(tmp_path, capsys):
    fill(tmp_path)
    run(capsys, "export", tmp_path, "-o", tmp_path / "out.om")
    blocks = tmp_path / "prometheus"
    subprocess.run(
        [PROMTOOL, "tsdb", "create-blocks-from", "openmetrics", tmp_path / "out.om", blocks],
        capture_output=True, check=True,
    )  # fmt: skip
    (blocks / "wal").mkdir(exist_ok=True)
    dumped = subprocess.run(
        [PROMTOOL, "tsdb", "dump", blocks], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    # 2.42 dumps in a notation of its own; later versions write OpenMetrics themselves.
    lines = []
    for line in dumped:
        found = re.fullmatch(r'\{__name__="([^"]+)", (.*)\} (\S+) (\d+)', line)
        inner = found[2].replace('", ', '",')
        lines.append(f"{found[1]}{{{inner}}} {found[3]} {int(found[4]) / 1000:.3f}")
    (tmp_path / "back.om").write_text("\n".join([*lines, "# EOF", ""]))
    code, out, err = run(capsys, "import", tmp_path / "back.om", tmp_path / "new")
    assert (code, err) == (0, "")
    assert "4320 of 4320 samples" in out
    one, other = (Tsdb.open(place / "metrics") for place in (tmp_path, tmp_path / "new"))
    wanted, got = (
        {
            labels: (matrix.times[there[:, n]].tolist(), matrix.values[there[:, n], n].tolist())
            for matrix in db.snapshot().select((), 0, 2**61)
            for there in [~is_absent(np.ascontiguousarray(matrix.values))]
            for n, labels in enumerate(matrix.labels)
        }
        for db in (one, other)
    )
    assert wanted == got
