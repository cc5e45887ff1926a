"""A recorded sequence of expositions of real exporters, and how it goes on for a day.

The file is xz of: the length of a JSON head and a newline, the head, the cells of each exporter as float64 columns.
"""

from __future__ import annotations

import dataclasses
import json
import lzma
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from hypercare.collectors.exposition import Meta, Series, parse
from hypercare.model.samples import ABSENT, is_absent

if TYPE_CHECKING:
    from pathlib import Path

    from hypercare.model.samples import Floats, Ints

_FILTERS: Final = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 26}]
_FEW: Final = 16
"""Different values below which a series is taken for one that has no others."""
_COUNTERS: Final = {"counter", "histogram", "summary"}


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """What one exporter said.

    Attributes:
        labels: of each series, ``__name__`` included.
        growing: which series are counters: of a counter, or of a histogram or summary but for its quantiles.
        times: of the scrapes, ms.
        values: float64[scrapes, series]; ``ABSENT`` where a series was not there.

    """

    labels: tuple[dict[str, str], ...]
    growing: tuple[bool, ...]
    times: Ints
    values: Floats


class Recorder:
    """Collects bodies."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[int, dict[int, float]]]] = {}
        self._series: dict[str, dict[str, tuple[int, dict[str, str], bool]]] = {}

    def add(self, exporter: str, at: int, body: bytes) -> None:
        """Take one body."""
        known = self._series.setdefault(exporter, {})
        row: dict[int, float] = {}
        kind = family = ""
        for entry in parse(body, openmetrics=False):
            if isinstance(entry, Meta) and entry.kind == "type":
                kind, family = entry.text, entry.metric
            elif isinstance(entry, Series):
                labels = dict(entry.pairs)
                grows = kind in _COUNTERS and labels["__name__"].startswith(family) and "quantile" not in labels
                found = known.setdefault(entry.text, (len(known), labels, grows))
                row[found[0]] = entry.value
        self._rows.setdefault(exporter, []).append((at, row))

    def shape(self) -> str:
        """How much there is."""
        return ", ".join(f"{name}: {len(rows)} x {len(self._series[name])}" for name, rows in self._rows.items())

    def write(self, path: Path) -> None:
        """Write all of it."""
        head: dict[str, Any] = {}
        cells: list[bytes] = []
        for name, rows in self._rows.items():
            series = self._series[name].values()
            matrix = np.full((len(rows), len(series)), ABSENT)
            for at, (_, row) in enumerate(rows):
                matrix[at, list(row)] = list(row.values())
            head[name] = {
                "labels": [labels for _, labels, _ in series],
                "growing": [grows for _, _, grows in series],
                "times": [at for at, _ in rows],
            }
            cells.append(matrix.tobytes("F"))
        text = json.dumps(head).encode()
        path.write_bytes(lzma.compress(b"%d\n" % len(text) + text + b"".join(cells), filters=_FILTERS))


def read(path: Path) -> dict[str, Recording]:
    """The recordings by exporter."""
    size, _, data = lzma.decompress(path.read_bytes()).partition(b"\n")
    head = json.loads(data[: int(size)])
    place = int(size)
    found: dict[str, Recording] = {}
    for name, told in head.items():
        rows, columns = len(told["times"]), len(told["labels"])
        cells = np.frombuffer(data, np.float64, rows * columns, place).reshape(columns, rows).T
        place += 8 * rows * columns
        found[name] = Recording(
            tuple(told["labels"]), tuple(told["growing"]), np.array(told["times"], np.int64), cells.copy()
        )
    return found


def go_on(recorded: Recording, rows: int, seed: int, block: int = 20) -> Floats:
    """As many rows as are asked for, in the manner of the recorded ones.

    1. The recording is cut into stretches of ``block`` scrapes; stretches are drawn with replacement, all series of an
       exporter together: what moves together stays so, runs of equal values stay runs, absent cells stay absent.
    2. Counters, and what else only ever rose or fell, go on from their last value by the increments of the stretch. Gauges
       take the values of the stretch.
    3. Drawn again and again, an hour's numbers would repeat as no exporter repeats itself, and a compressor would find
       it. So an increment or level of a series that has many different ones is replaced by one between its neighbours in
       order of size (a smoothed bootstrap). Zeros, runs, and series of few different values stay as drawn.
    4. Values keep the decimals that the recording has, and the unit: what only ever moved by multiples of 4096 bytes goes
       on in pages, as a kernel cannot count otherwise. A sum of seconds with nine decimals goes on by adding such seconds
       to a float, as the exporter does, with what that leaves in the last digits.
    5. Series that moved in step for the whole recording (the same number under two names, bytes and their pages) go on
       in step.
    """
    rng = np.random.default_rng(seed)
    values = recorded.values
    there = ~is_absent(values)
    with np.errstate(invalid="ignore"):
        steps = np.diff(np.where(there, values, 0.0), axis=0)
        monotone = np.all(steps >= 0, axis=0) | np.all(steps <= 0, axis=0)
    plain = there.all(axis=0) & np.isfinite(values).all(axis=0)
    moving = plain & (np.array(recorded.growing) | monotone)
    # Row n of the recording brings the increment from row n - 1.
    starts = rng.integers(1, len(values) - block + 1, -(-rows // block))
    drawn = (starts[:, None] + np.arange(block)).ravel()[:rows]
    out = values[drawn]
    leaders: dict[bytes, Ints] = {}
    for column in np.flatnonzero(plain & np.any(steps != 0, axis=0)).tolist():
        cells = values[:, column]
        grain = _grain(cells)
        moves = None if grain is None else leaders.get(grain.moves.tobytes())
        if grain is not None and moves is not None:
            out[:, column] = grain.values(moves)
            continue
        if moving[column]:
            # A counter that fell was reset; going on, it is not.
            known = np.where((steps[:, column] < 0) & recorded.growing[column], 0.0, steps[:, column])
            increments = _smooth(known, drawn - 1, rng)
            if grain is None or grain.exact:
                found = cells[-1] + np.cumsum(increments)
            else:
                out[:, column] = np.cumsum(np.append(cells[-1], grain.rounded(increments)))[1:]
                continue
        else:
            found = _smooth(cells, drawn, rng)
        if grain is None:
            out[:, column] = found
            continue
        moves = grain.moves_of(found)
        out[:, column] = grain.values(moves)
        leaders[grain.moves.tobytes()] = moves
    return np.ascontiguousarray(out)


class _Grain(NamedTuple):
    """How fine a series is: the least steps that it moves in.

    Attributes:
        decimals: of the values.
        exact: whether the values are what comes out of dividing by a power of ten; else of adding such.
        form: how a number of 10^-decimals becomes a value; see :func:`_value`.
        first: the first value, in 10^-decimals.
        unit: all others are so many of these from it.
        sign: 1, or -1 where it first fell.
        moves: how many units each value is from the first, times the sign.

    """

    decimals: int
    exact: bool
    form: int
    first: int
    unit: int
    sign: int
    moves: Ints

    def moves_of(self, values: Floats) -> Ints:
        """How many units values are from the first, about."""
        return np.rint((values * 10.0**self.decimals - self.first) / self.unit).astype(np.int64) * self.sign

    def rounded(self, increments: Floats) -> Floats:
        """Increments in whole units."""
        return np.rint(increments * 10.0**self.decimals / self.unit) * self.unit / 10.0**self.decimals

    def values(self, moves: Ints) -> Floats:
        """The values so many units from the first."""
        return _value(self.first + moves * self.sign * self.unit, self.decimals, self.form)


def _value(numbers: Ints, decimals: int, form: int) -> Floats:
    """A number of 10^-decimals as exporters turn it into a float: by a division, a product, or two divisions."""
    if form == 0:
        return numbers / 10.0**decimals
    return numbers * float(f"1e-{decimals}") if form == 1 else numbers / 1000.0 / 1000.0


def _grain(values: Floats) -> _Grain | None:
    """How fine a series is; none where it is as fine as floats are."""
    for decimals in range(10):
        numbers = np.rint(values * 10.0**decimals)
        if np.abs(numbers).max() >= 2**53:
            return None
        whole = numbers.astype(np.int64)
        forms = [0, 1, 2] if decimals == 6 else [0, 1]
        form = next((form for form in forms if np.array_equal(_value(whole, decimals, form), values)), None)
        near = bool((np.abs(numbers / 10.0**decimals - values) <= 64 * np.spacing(np.abs(values))).all())
        if form is not None or (near and np.abs(numbers).max() < 2**46):
            moves = whole - whole[0]
            unit = max(int(np.gcd.reduce(moves)), 1)
            turn = moves[np.flatnonzero(moves)[:1]]
            sign = -1 if len(turn) and int(turn[0]) < 0 else 1
            return _Grain(decimals, form is not None, form or 0, int(whole[0]), unit, sign, moves // unit * sign)
    return None


def _smooth(known: Floats, drawn: Ints, rng: np.random.Generator) -> Floats:
    """The drawn ones of the known values, moved at random towards their neighbours where there are many different ones."""
    found = known[drawn]
    distinct = np.unique(known[known != 0])
    if len(distinct) < max(_FEW, np.count_nonzero(known) // 2):
        return found
    rank = np.searchsorted(distinct, found)
    # Equal neighbours in time stay equal.
    fresh = np.append(True, found[1:] != found[:-1])
    shift = rng.uniform(-0.5, 0.5, len(found))[np.maximum.accumulate(np.where(fresh, np.arange(len(found)), 0))]
    moved = np.interp(rank + shift, np.arange(len(distinct)), distinct)
    return np.where(found == 0, found, moved)
