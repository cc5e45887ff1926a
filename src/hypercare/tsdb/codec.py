"""Pages: up to 256 columns of a matrix, compressed.

Each column becomes integers, as multiples of a unit from a base (:mod:`hypercare.tsdb.numbers`); columns that moved in
step share them, and columns that are told best by another (:mod:`hypercare.tsdb.relations`) keep what is left without
that one. Of these it keeps the differences of the order (0, 1, 2) that costs least. Columns whose numbers are
alike stand together in a chunk (:mod:`hypercare.tsdb.chunks`). Constant columns are one number. Cells without a sample
repeat the one before and are listed apart.

A page is: head, description (zstd), chunks. A reader decodes only the chunks that hold the columns it wants, and those
that these lean on, which lean on none. Older blocks have version 1, which knows neither units nor columns in step, and
version 2, in which no column leans on another.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from cramjam import DecompressionError, zstd

from hypercare.model.samples import ABSENT_BITS, STALE_BITS
from hypercare.tsdb.chunks import Effort, fits_floats, pack, pack_apart, unpack
from hypercare.tsdb.numbers import (
    BITS,
    best_orders,
    differences,
    held_by_floats,
    integers,
    moves_of,
    sums_to_floats,
    to_floats,
    width_cost,
    width_of,
)
from hypercare.tsdb.plan import LENGTH, NO_CHUNK, Plan, Reader, Runs, description, read_plan
from hypercare.tsdb.relations import lean

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from hypercare.model.samples import Floats, Ints

_PAGE_COLUMNS: Final = 256
_MOST_CELLS: Final = 1 << 25
"""Cells of the largest page that is read: what claims to have more is damaged."""
_PAGE_CELLS: Final = 1 << 17
"""Cells of a page: few enough that the query of one metric decodes little, enough for a good ratio."""

Known: TypeAlias = "dict[int, npt.NDArray[Any]]"
"""The moves of columns that others lean on."""

_HEAD: Final = struct.Struct("<BHII")
_VERSION: Final = 3
_LEVEL: Final = 3
LONG: Final = 512
"""Rows from which on a column is compressed best by itself."""
_SUMMED: Final = 1 << 20
"""So many differences of four bytes add up to what floats still hold exactly."""


def page_columns(rows: int) -> int:
    """Columns of a page of so many rows: a power of two."""
    columns = _PAGE_COLUMNS
    while columns > 1 and columns * rows > _PAGE_CELLS:
        columns //= 2
    return columns


def encode(values: Floats, effort: Effort = Effort.QUICK) -> bytes:
    """Compress a matrix [rows, columns] of at least one row and at most 65,535 columns, bit for bit."""
    bits = np.asfortranarray(values).view(np.int64)
    bits, runs = without_holes(bits)
    rows, width = bits.shape
    plan = Plan(
        np.full(width, NO_CHUNK, dtype=np.uint8),
        np.full(width, BITS, dtype=np.uint8),
        np.zeros(width, dtype=np.uint8),
        np.arange(width, dtype=np.uint16),
        np.arange(width, dtype=np.uint16),
        bits[0].copy(),
        np.zeros(width, dtype=np.int64),
        np.ones(width, dtype=np.int64),
        np.zeros(width, dtype=np.int64),
    )
    varying = np.flatnonzero(~(bits == bits[0]).all(axis=0))
    packed = _encode_varying(plan, bits[:, varying], varying, effort) if len(varying) else []
    return _assemble(plan, runs, packed, rows)


def _encode_varying(plan: Plan, bits: Ints, varying: Ints, effort: Effort) -> list[tuple[int, bytes]]:
    """Compress columns that are not constant; says in the plan how."""
    rows = len(bits)
    numbers, scale = integers(bits)
    found = moves_of(numbers, scale)
    if effort is Effort.THOROUGH and rows >= LONG:
        found, order, on, factor = lean(found, numbers, scale)
        plan.on[varying], plan.factor[varying] = varying[on], factor
    else:
        order = np.zeros(len(varying), dtype=np.uint8)
        first = np.flatnonzero(found.twin == np.arange(len(varying)))
        order[first] = best_orders(found.moves[:, first], scale[first], width_cost)[0]
    moves, unit, twin = found
    leaders = np.flatnonzero(twin == np.arange(len(varying)))
    base, slope = np.zeros_like(unit), np.zeros_like(unit)
    chunk = np.zeros(len(varying), dtype=np.uint8)
    packed: list[tuple[int, bytes]] = []
    followed = np.zeros(len(varying), dtype=np.bool_)
    followed[twin[twin != np.arange(len(varying))]] = True
    # Level columns stand apart from others, which mix.
    for orders in ((0,), (1, 2)):
        members = leaders[np.isin(order[leaders], orders)]
        if not len(members):
            continue
        small = np.empty((rows, len(members)), dtype=np.uint64, order="F")
        for each in orders:
            here = np.flatnonzero(order[members] == each)
            small[:, here], base[members[here]], slope[members[here]] = differences(moves[:, members[here]], each)
        apart = pack_apart(small, order[members], effort) if effort is not Effort.QUICK and rows >= LONG else []
        for one in apart:
            chunk[members[one.columns]] = len(packed)
            packed.append(one.chunk())
        for places in () if apart else _classes(small, by_share=orders[0] > 0):
            chosen = members[places]
            chunk[chosen] = len(packed)
            whole = (scale[chosen] == BITS).all() and not followed[chosen].any()
            packed.append(pack(small[:, places], bits[:, chosen].view(np.float64) if whole else None, effort))
    plan.chunk[varying], plan.scale[varying], plan.order[varying] = chunk[twin], scale, order[twin]
    plan.twin[varying], plan.slope[varying], plan.unit[varying] = varying[twin], slope[twin], unit
    plan.base[varying] = numbers[0] + unit * base[twin]
    return packed


def _classes(numbers: npt.NDArray[np.uint64], *, by_share: bool) -> list[Ints]:
    """Columns that go well together: of the same width in bytes, and (``by_share``) mostly zero or not."""
    kind = np.array([width_of(each) for each in numbers.max(axis=0).tolist()], dtype=np.int64) * 2
    if by_share:
        kind += np.count_nonzero(numbers, axis=0) * 2 >= len(numbers)
    return [np.flatnonzero(kind == each) for each in np.unique(kind).tolist()]


def without_holes(bits: Ints) -> tuple[Ints, Runs]:
    """The cells with those that hold no value replaced by the value before, and the list of these."""
    holes = (bits == ABSENT_BITS) | (bits == STALE_BITS)
    if not holes.any():
        none = np.empty(0, dtype=np.int64)
        return bits, Runs(none.astype("u2"), none.astype("u4"), none.astype("u4"), none.astype("u1"))
    columns = np.flatnonzero(holes.any(axis=0))
    kind = np.where(bits == ABSENT_BITS, 1, np.where(bits == STALE_BITS, 2, 0))[:, columns].T.astype(np.int8)
    edges = np.ones(kind.shape, dtype=np.bool_)
    edges[:, 1:] = kind[:, 1:] != kind[:, :-1]
    at_column, at_row = np.nonzero(edges)
    flat = at_column * kind.shape[1] + at_row
    length = np.diff(np.append(flat, kind.size))
    what = kind[at_column, at_row]
    keep = what > 0
    runs = Runs(
        columns[at_column[keep]].astype("u2"),
        at_row[keep].astype("u4"),
        length[keep].astype("u4"),
        (what[keep] == 2).astype("u1"),
    )
    filled = np.array(bits, order="F")
    here = np.where(holes[:, columns], -1, np.arange(len(bits))[:, None])
    source = np.maximum.accumulate(here, axis=0)
    # Before its first value a column repeats that one.
    leading = np.argmax(~holes[:, columns], axis=0)
    source = np.where(source < 0, leading[None, :], source)
    filled[:, columns] = np.take_along_axis(bits[:, columns], source, axis=0)
    empty = columns[holes[:, columns].all(axis=0)]
    filled[:, empty] = 0
    return filled, runs


def _assemble(plan: Plan, runs: Runs, packed: list[tuple[int, bytes]], rows: int) -> bytes:
    kinds = np.array([kind for kind, _ in packed], dtype=np.uint8)
    sizes = np.array([len(data) for _, data in packed], dtype="<u4")
    counts = np.array([len(packed), len(runs.column)], dtype="<u4")
    # Numbers byte by byte of equal weight: their high bytes are mostly the same.
    numbers = np.concatenate([plan.base, plan.slope, plan.unit, plan.factor])
    weights = np.ascontiguousarray(numbers.astype("<i8").view(np.uint8).reshape(-1, 8).T)
    twin, on = ((each - np.arange(len(each))).astype("<u2") for each in (plan.twin, plan.on))
    parts = [counts, kinds, sizes, plan.chunk, plan.scale, plan.order, twin, on, weights, *runs]
    text = b"".join(part.tobytes() for part in parts)
    small = bytes(zstd.compress(text, _LEVEL))
    head = _HEAD.pack(_VERSION, len(plan.chunk), rows, len(small)) + LENGTH.pack(len(text))
    return b"".join((head, small, *(data for _, data in packed)))


class Page:
    """A compressed page, read chunk by chunk.

    Attributes:
        width: columns.
        rows: rows.
        members: the columns of each chunk.

    """

    __slots__ = (
        "_chunks",
        "_data",
        "_leaning",
        "_leant",
        "_plain",
        "_plan",
        "_runs",
        "_stored",
        "members",
        "rows",
        "width",
    )

    def __init__(self, data: bytes) -> None:
        """Read the description.

        Raises:
            ValueError: the bytes are not a page.
        """
        try:
            self._open(data)
        except (struct.error, DecompressionError, IndexError) as err:
            raise ValueError(f"not a page of columns: {err}") from err

    def _open(self, data: bytes) -> None:
        version, self.width, self.rows, size = _HEAD.unpack_from(data)
        if not 0 < version <= _VERSION or not 0 < self.rows * self.width <= _MOST_CELLS:
            raise ValueError("not a page of columns that this version can read")
        begin = _HEAD.size if version == 1 else _HEAD.size + LENGTH.size
        if begin + size > len(data):
            raise ValueError("not a page of columns: it is too short")
        text = description(data[_HEAD.size : begin], data[begin : begin + size], self.rows * self.width)
        reader = Reader(text)
        chunks, holes = reader.take("<u4", 2).tolist()
        kinds, sizes = reader.take("u1", chunks), reader.take("<u4", chunks)
        self._plan = plan = read_plan(reader, version, self.width)
        # Version 1 wrote differences of no order in zigzag too.
        self._plain = version > 1
        self._runs = Runs(
            reader.take("<u2", holes), reader.take("<u4", holes), reader.take("<u4", holes), reader.take("u1", holes)
        )
        if holes and (
            int(self._runs.column.max()) >= self.width
            or int((self._runs.start.astype(np.int64) + self._runs.length).max()) > self.rows
        ):
            raise ValueError("not a page of columns: a run of empty cells is outside")
        ends = np.cumsum(sizes.astype(np.int64)) + begin + size
        if (chunks and int(ends[-1]) != len(data)) or ((plan.chunk >= chunks) & (plan.chunk != NO_CHUNK)).any():
            raise ValueError("not a page of columns: its chunks do not fit")
        self._chunks = [
            (kind, end - n, end) for kind, n, end in zip(kinds.tolist(), sizes.tolist(), ends.tolist(), strict=True)
        ]
        self._data = data
        self.members = [np.flatnonzero(plan.chunk == number) for number in range(chunks)]
        self._stored = [each[plan.twin[each] == each] for each in self.members]
        leaning = np.flatnonzero(plan.factor)
        self._leaning = frozenset(plan.chunk[leaning].tolist())
        self._leant = frozenset(plan.on[leaning].tolist())

    def decode(self, number: int, only: Ints | None = None, known: Known | None = None) -> Floats:
        """The columns of a chunk, in the order of ``members``: float64[columns, rows], read-only.

        Args:
            number: of the chunk.
            only: the places among ``members`` of the columns that are wanted, ascending; none: all of them.
            known: what others lean on is looked for here, and left here for the next chunk.

        Raises:
            ValueError: the bytes are not of such columns.
        """
        members = self.members[number] if only is None else self.members[number][only]
        kind = self._chunks[number][0]
        found = self._unpack(number, members)
        if fits_floats(kind):
            out: Floats = found
        else:
            out = self._values(found, members, {} if known is None else known)
        self._dig_holes(out.T, members)
        out.flags.writeable = False
        return out

    def _unpack(self, number: int, members: Ints) -> npt.NDArray[Any]:
        """What is kept of some members of a chunk: [columns, rows]."""
        stored = self._stored[number]
        kind, start, end = self._chunks[number]
        leaders = self._plan.twin[members]
        alone = bool((leaders == members).all())
        if fits_floats(kind) and not alone:
            raise ValueError("a chunk of floats has columns that share their numbers")
        needed = members if alone else np.unique(leaders)
        wanted = None if len(needed) == len(stored) else np.searchsorted(stored, needed)
        found = unpack(self._data[start:end], kind, (len(stored), self.rows), wanted)
        return found if alone else found[np.searchsorted(needed, leaders)]

    def constants(self, columns: Ints) -> Floats:
        """Constant columns: float64[columns, rows]."""
        out = np.empty((len(columns), self.rows))
        out[:] = self._plan.base[columns].view(np.float64)[:, None]
        self._dig_holes(out.T, columns)
        return out

    def chunks_of(self, columns: Ints) -> Iterator[tuple[int, Ints]]:
        """The chunks that hold some columns, each with the places of its columns among these; -1: constant ones.

        Those whose columns lean on others come last.
        """
        chunks = self._plan.chunk[columns]
        for number in sorted(np.unique(chunks).tolist(), key=self._leaning.__contains__):
            yield (-1 if number == NO_CHUNK else number), np.flatnonzero(chunks == number)

    def _values(self, found: npt.NDArray[Any], members: Ints, known: Known) -> Floats:
        """The values of columns of which the unsigned numbers are given: [columns, rows]."""
        scale = self._plan.scale[members]
        numbers = self._numbers(found, members)
        if self._leaning:
            self._remember(numbers, members, known)
            leaning = np.flatnonzero(self._plan.factor[members])
            if len(leaning):
                self._upright(numbers, leaning, members[leaning], known)
        if numbers.dtype == np.float64:
            return to_floats(numbers, scale)
        exact = held_by_floats(scale)
        if exact.all():
            return to_floats(numbers.astype(np.float64), scale)
        sums_to_floats(numbers, scale)
        values: Floats = numbers.view(np.float64)
        if exact.any():
            rows = np.flatnonzero(exact)
            values[rows] = to_floats(numbers[rows].astype(np.float64), scale[rows])
        return values

    def _numbers(self, found: npt.NDArray[Any], members: Ints) -> npt.NDArray[Any]:
        """The integers of columns, but for what they lean on; held by floats where all of them can be."""
        if found.dtype.kind != "u":
            raise ValueError("a column leans on one that is kept as floats")
        order = self._plan.order[members]
        alike = bool((order == order[0]).all())
        level = self._plain and int(order.min()) == 0
        if level and not alike:
            raise ValueError("a chunk has columns with and without differences")
        exact = bool(held_by_floats(self._plan.scale[members]).all())
        small = found.dtype.itemsize <= 4 and self.rows <= _SUMMED and exact
        if small and alike and (level or order[0] == 1):
            # Sums that floats hold exactly, and that need not be turned into floats after.
            floats = (found if level else _signed(found)).astype(np.float64)
            return self._add_up(floats, members, level=level)
        numbers = found.astype(np.int64) if level else _signed(found).astype(np.int64)
        if not level:
            _lower(numbers, order, self._plan.slope[members])
        return self._add_up(numbers, members, level=level)

    def _remember(self, numbers: npt.NDArray[Any], members: Ints, known: Known) -> None:
        """Keep the moves of columns that others lean on."""
        for row, column in enumerate(members.tolist()):
            if column not in self._leant:
                continue
            unit = int(self._plan.unit[column])
            # Only of damaged pages can there be numbers too large for their kind.
            with np.errstate(all="ignore"):
                moves = numbers[row] - numbers[row, 0]
                # Division of floats is exact here and faster than that of integers.
                known[column] = moves if unit == 1 else moves / unit if moves.dtype.kind == "f" else moves // unit

    def _upright(self, numbers: npt.NDArray[Any], rows: Ints, columns: Ints, known: Known) -> None:
        """Add to rows of numbers, which are of these columns, what they lean on; in place."""
        on = self._plan.on[columns]
        times = (self._plan.factor[columns] * self._plan.unit[columns]).tolist()
        missing = np.array(sorted(set(on.tolist()) - known.keys()), dtype=np.int64)
        for chunk, places in self.chunks_of(missing):
            others = missing[places]
            self._remember(self._numbers(self._unpack(chunk, others), others), others, known)
        with np.errstate(all="ignore"):
            for row, other, factor in zip(rows.tolist(), on.tolist(), times, strict=True):
                moves = known[other].astype(numbers.dtype, copy=False)
                numbers[row] += moves if factor == 1 else moves * factor

    def _add_up(self, numbers: npt.NDArray[Any], members: Ints, *, level: bool) -> npt.NDArray[Any]:
        """Integers of differences of the first order, or (``level``) of moves; in place."""
        unit, base = self._plan.unit[members, None], self._plan.base[members, None]
        if (unit != 1).any():
            numbers *= unit
        if level:
            numbers += base
            return numbers
        numbers[:, :1] += base
        return np.cumsum(numbers, axis=1, out=numbers)

    def _dig_holes(self, out: Floats, columns: Ints) -> None:
        """Put the cells without a sample back, to a matrix [rows, ``columns``]."""
        runs = self._runs
        if not len(runs.column):
            return
        place = np.full(self.width, -1, dtype=np.int64)
        place[columns] = np.arange(len(columns))
        here = place[runs.column]
        bits = out.view(np.int64)
        for run in np.flatnonzero(here >= 0).tolist():
            start = int(runs.start[run])
            bits[start : start + int(runs.length[run]), here[run]] = STALE_BITS if runs.stale[run] else ABSENT_BITS


def _signed(zigzag: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Signed numbers of as many bytes."""
    one = zigzag.dtype.type(1)
    signed: npt.NDArray[Any] = (zigzag >> one) ^ (np.zeros(1, zigzag.dtype) - (zigzag & one))
    return signed.view(f"<i{zigzag.dtype.itemsize}")


def _lower(numbers: Ints, order: npt.NDArray[np.uint8], slope: Ints) -> None:
    """Make differences of any order those of the first, in place."""
    if (order == 2).all():
        # Mostly all columns of a chunk are alike: no column need be picked out.
        np.cumsum(numbers, axis=1, out=numbers)
        numbers[:, 1:] += slope[:, None]
        return
    twice = np.flatnonzero(order == 2)
    if len(twice):
        steps = np.cumsum(numbers[twice], axis=1)
        steps[:, 1:] += slope[twice, None]
        numbers[twice] = steps
    plain = np.flatnonzero(order == 0)
    if len(plain):
        kept = numbers[plain]
        numbers[plain, 1:] = kept[:, 1:] - kept[:, :-1]
