"""Where fuzzing begins: what the tests and other people's test data hold, cut into inputs."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.labels import Labels
from hypercare.tsdb import Options, Tsdb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROOT: Final = Path(__file__).parents[1]
_EVALUATION: Final = re.compile(
    r"^\s*eval(?:_\w+)?\s+(?:instant at \S+|range from \S+ to \S+ step \S+)\s+(.+)$", re.MULTILINE
)
_LITERAL: Final = re.compile(r'"((?:[^"\\\n]|\\.)+)"|\'((?:[^\'\\\n]|\\.)+)\'')
_LONGEST: Final = 4096


def conformance() -> Path | None:
    """Other people's test data, where they are there."""
    place = Path(os.environ.get("HYPERCARE_CONFORMANCE") or _ROOT.parent / "shared" / "conformance")
    return place if place.is_dir() else None


def _promql() -> Iterator[bytes]:
    for path in (_ROOT / "tests" / "promql").glob("*.py"):
        for found in _LITERAL.finditer(path.read_text()):
            yield (found[1] or found[2]).encode()
    for path in _ROOT.glob("examples/**/*.y*ml"):
        for line in re.findall(r"^\s*expr:\s*(.+)$", path.read_text(), re.MULTILINE):
            yield line.strip("'\"").encode()
    place = conformance()
    if place is not None:
        for path in sorted(place.glob("promql/**/*.test")):
            for expression in _EVALUATION.findall(path.read_text()):
                yield expression.encode()


def _exposition() -> Iterator[bytes]:
    yield b'p# HELP a b\n# TYPE a counter\na{x="y"} 1 1000\nb 2\n'
    yield b'o# TYPE a histogram\na_bucket{le="1"} 1 # {t="x"} 0.5 1.5\n# UNIT a_s s\n# EOF\n'
    place = conformance()
    if place is None:
        return
    for path in sorted(place.glob("exposition/openmetrics/parsers/*/*")):
        yield b"o" + path.read_bytes()
        yield b"p" + path.read_bytes()
    for name, mark in (("errors_openmetrics", b"o"), ("errors_text", b"p"), ("parse", b"o"), ("parse", b"p")):
        told = json.loads((place / "exposition" / "prometheus" / f"{name}.json").read_text())
        for case in told["cases"] if isinstance(told, dict) else told:
            yield mark + case.get("input", "").encode("utf-8", "surrogatepass")


def _log() -> Iterator[bytes]:
    for _, data in _stores("wal", "*.wal"):
        yield data


def _block() -> Iterator[bytes]:
    for _, data in _stores("blocks", "*.block"):
        yield data


def _stores(folder: str, pattern: str) -> Iterator[tuple[Path, bytes]]:
    """Files of small stores."""
    for width, rows in ((1, 3), (3, 12), (2, 250)):
        with tempfile.TemporaryDirectory() as place:
            db = Tsdb.open(Path(place), Options(block_span=100, seal_rows=4, keep_rows=2, fsync=False))
            group = db.group("g")
            columns = [group.column(Labels.of(__name__="m", i=str(i))) for i in range(width)]
            for at in range(1, rows * 5, 5):
                db.append(group, at, columns, np.arange(width) + float(at))
                db.flush(at)
                if folder == "blocks":
                    db.maintain(at)
            for at in range(rows * 5, rows * 5 + 1000, 100):
                if folder == "blocks":
                    db.maintain(at)
            db.close()
            for path in sorted((Path(place) / folder).glob(pattern)):
                yield path, path.read_bytes()


SEEDS: Final[dict[str, Callable[[], Iterator[bytes]]]] = {
    "promql": _promql,
    "exposition": _exposition,
    "store_log": _log,
    "store_block": _block,
}


def seeds(target: str) -> list[bytes]:
    """The inputs to begin with, each once."""
    return list(dict.fromkeys(seed for seed in SEEDS[target]() if len(seed) <= _LONGEST))
