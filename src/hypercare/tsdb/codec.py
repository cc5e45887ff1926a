"""Pages: up to 256 columns of a matrix, compressed.

Each column becomes integers: its values times a power of ten where that loses nothing, else the bits of its floats.
Of these it keeps the differences of the order (0, 1, 2) that leaves the smallest numbers. Columns whose numbers are
of a size stand together in a chunk: bytes of equal weight side by side under zstd, or pcodec where that is shorter.
Constant columns are one number. Cells without a sample repeat the one before and are listed apart.

A page is: head, description (zstd), chunks. A reader decodes only the chunks that hold the columns it wants.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from cramjam import DecompressionError, zstd
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, standalone

from hypercare.model.samples import ABSENT_BITS, STALE_BITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from hypercare.model.samples import Bools, Floats, Ints

_PAGE_COLUMNS: Final = 256
_MOST_CELLS: Final = 1 << 25
"""Cells of the largest page that is read: what claims to have more is damaged."""
_PAGE_CELLS: Final = 1 << 17
"""Cells of a page: few enough that the query of one metric decodes little, enough for a good ratio."""

_HEAD: Final = struct.Struct("<BHII")
_VERSION: Final = 1
_LEVEL: Final = 3
_BITS: Final = 255
"""In place of a power of ten: the integers are the bits of the floats."""
_POWERS: Final = (0, 1, 2, 3, 6, 9, 4, 5, 7, 8)
"""Tried in this order."""
_EXACT: Final = float(2**53)
_PLANES, _PCO, _PCO_EACH = 0, 1, 2
_NO_CHUNK: Final = 255
_PROBE: Final = 128
"""Rows that are looked at to choose the order of differences."""


class _Plan(NamedTuple):
    """How each column of a page is kept."""

    chunk: npt.NDArray[np.uint8]
    scale: npt.NDArray[np.uint8]
    order: npt.NDArray[np.uint8]
    first: Ints
    slope: Ints


class _Runs(NamedTuple):
    """Cells without a sample or with a staleness marker, as runs."""

    column: npt.NDArray[np.uint16]
    start: npt.NDArray[np.uint32]
    length: npt.NDArray[np.uint32]
    stale: npt.NDArray[np.uint8]


def page_columns(rows: int) -> int:
    """Columns of a page of so many rows: a power of two."""
    columns = _PAGE_COLUMNS
    while columns > 1 and columns * rows > _PAGE_CELLS:
        columns //= 2
    return columns


def encode(values: Floats) -> bytes:
    """Compress a matrix [rows, columns] of at least one row and at most 65,535 columns, bit for bit."""
    bits = np.asfortranarray(values).view(np.int64)
    bits, runs = _without_holes(bits)
    integers, scale = _integers(bits)
    constant = (bits == bits[0]).all(axis=0)
    rows, width = bits.shape
    order = _orders(integers, scale)
    order[constant] = 0
    first = np.where(constant, bits[0], integers[0])
    slope = np.where((order == 2) & (rows > 1), integers[min(1, rows - 1)] - integers[0], 0)
    chunk = np.full(width, _NO_CHUNK, dtype=np.uint8)
    varying = np.flatnonzero(~constant)
    packed: list[tuple[int, bytes]] = []
    if len(varying):
        numbers = _differences(integers[:, varying], order[varying], slope[varying])
        for members in _classes(numbers):
            chunk[varying[members]] = len(packed)
            floats = bits[:, varying[members]] if (scale[varying[members]] == _BITS).all() else None
            packed.append(_pack(numbers[:, members], floats))
    plan = _Plan(chunk, scale, order, first, slope)
    return _assemble(plan, runs, packed, rows)


def _without_holes(bits: Ints) -> tuple[Ints, _Runs]:
    """The cells with those that hold no value replaced by the value before, and the list of these."""
    holes = (bits == ABSENT_BITS) | (bits == STALE_BITS)
    if not holes.any():
        none = np.empty(0, dtype=np.int64)
        return bits, _Runs(none.astype("u2"), none.astype("u4"), none.astype("u4"), none.astype("u1"))
    columns = np.flatnonzero(holes.any(axis=0))
    kind = np.where(bits == ABSENT_BITS, 1, np.where(bits == STALE_BITS, 2, 0))[:, columns].T.astype(np.int8)
    edges = np.ones(kind.shape, dtype=np.bool_)
    edges[:, 1:] = kind[:, 1:] != kind[:, :-1]
    at_column, at_row = np.nonzero(edges)
    flat = at_column * kind.shape[1] + at_row
    length = np.diff(np.append(flat, kind.size))
    what = kind[at_column, at_row]
    keep = what > 0
    runs = _Runs(
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


def _integers(bits: Ints) -> tuple[Ints, npt.NDArray[np.uint8]]:
    """Integers that the floats can be made of again, and the power of ten of each column."""
    floats = bits.view(np.float64)
    out = np.array(bits, order="F")
    scale = np.full(bits.shape[1], _BITS, dtype=np.uint8)
    rows = len(bits)
    probe = np.unique(np.linspace(0, rows - 1, min(rows, 16)).astype(np.int64))
    left = np.flatnonzero(np.isfinite(floats[probe]).all(axis=0))
    with np.errstate(all="ignore"):
        for power in _POWERS:
            if not len(left):
                break
            few = _exact(floats[np.ix_(probe, left)], bits[np.ix_(probe, left)], power)[1]
            trial = left[few]
            if len(trial):
                numbers, good = _exact(floats[:, trial], bits[:, trial], power)
                done = trial[good]
                out[:, done] = numbers[:, good]
                scale[done] = power
                left = np.setdiff1d(left, done, assume_unique=True)
    return out, scale


def _exact(floats: Floats, bits: Ints, power: int) -> tuple[Ints, Bools]:
    """The floats times a power of ten as integers, and which columns come back from them bit for bit."""
    rounded = np.rint(floats * 10.0**power) if power else np.rint(floats)
    again = rounded / 10.0**power if power else rounded
    good = ((np.abs(rounded) < _EXACT) & (again.view(np.int64) == bits)).all(axis=0)
    # An integer has no negative zero.
    good &= ~((bits == np.int64(-(2**63))).any(axis=0))
    return rounded.astype(np.int64), good


def _orders(integers: Ints, scale: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The order of differences of each column that seems to leave the least."""
    rows, width = integers.shape
    if rows < 3:
        return np.ones(width, dtype=np.uint8)
    at = np.unique(np.linspace(2, rows - 1, min(rows - 2, _PROBE)).astype(np.int64))
    here, before, earlier = integers[at], integers[at - 1], integers[at - 2]
    one = here - before
    trials = (here - integers[0], one, one - (before - earlier))
    costs = np.stack([np.log2(np.abs(trial.astype(np.float64)) + 0.5).sum(axis=0) for trial in trials])
    # The bits of floats have no slope worth keeping.
    costs[2, scale == _BITS] = np.inf
    order: npt.NDArray[np.uint8] = costs.argmin(axis=0).astype(np.uint8)
    return order


def _differences(integers: Ints, order: npt.NDArray[np.uint8], slope: Ints) -> npt.NDArray[np.uint64]:
    """Differences as unsigned numbers, small ones for small differences of either sign."""
    out = np.zeros(integers.shape, dtype=np.int64, order="F")
    for number in range(3):
        members = np.flatnonzero(order == number)
        if not len(members):
            continue
        cells = integers[:, members]
        if number == 0:
            out[:, members] = cells - cells[0]
        elif number == 1:
            out[1:, members] = np.diff(cells, axis=0)
        else:
            steps = np.diff(cells, axis=0)
            steps -= slope[members]
            out[1, members] = steps[0]
            out[2:, members] = np.diff(steps, axis=0)
    zigzag: npt.NDArray[np.uint64] = ((out << 1) ^ (out >> 63)).view(np.uint64)
    return zigzag


def _classes(numbers: npt.NDArray[np.uint64]) -> list[Ints]:
    """Columns that go well together: of the same width in bytes, and mostly zero or not."""
    greatest = numbers.max(axis=0)
    width = np.select([greatest < 1 << 8, greatest < 1 << 16, greatest < 1 << 32], [1, 2, 4], 8)
    busy = np.count_nonzero(numbers, axis=0) * 2 >= len(numbers)
    kind = width * 2 + busy
    return [np.flatnonzero(kind == each) for each in np.unique(kind).tolist()]


def _pack(numbers: npt.NDArray[np.uint64], floats: Ints | None) -> tuple[int, bytes]:
    """The shortest form of a chunk, and which it is."""
    greatest = int(numbers.max())
    width = 1 if greatest < 1 << 8 else 2 if greatest < 1 << 16 else 4 if greatest < 1 << 32 else 8
    flat = numbers.ravel("F").astype(f"<u{width}")
    planes = np.ascontiguousarray(flat.view(np.uint8).reshape(-1, width).T)
    best = (_PLANES | width << 4, bytes(zstd.compress(planes.tobytes(), _LEVEL)))
    if width > 1 and numbers.shape[0] * numbers.shape[1] >= 512:
        plain = ChunkConfig(compression_level=6, delta_spec=DeltaSpec.no_op(), mode_spec=ModeSpec.classic())
        other = standalone.simple_compress(numbers.ravel("F"), plain)
        if len(other) < len(best[1]):
            best = (_PCO | 8 << 4, other)
    if floats is not None and width == 8 and len(numbers) >= 32:
        pieces = [
            standalone.simple_compress(column.view(np.float64), ChunkConfig(compression_level=6))
            for column in floats.T.copy()
        ]
        sizes = np.array([len(piece) for piece in pieces], dtype="<u4")
        each = sizes.tobytes() + b"".join(pieces)
        if len(each) < len(best[1]):
            best = (_PCO_EACH | 8 << 4, each)
    return best


def _assemble(plan: _Plan, runs: _Runs, packed: list[tuple[int, bytes]], rows: int) -> bytes:
    kinds = np.array([kind for kind, _ in packed], dtype=np.uint8)
    sizes = np.array([len(data) for _, data in packed], dtype="<u4")
    counts = np.array([len(packed), len(runs.column)], dtype="<u4")
    # Numbers byte by byte of equal weight: their high bytes are mostly the same.
    numbers = np.concatenate([plan.first, plan.slope]).astype("<i8").view(np.uint8).reshape(-1, 8).T
    parts = [counts, kinds, sizes, plan.chunk, plan.scale, plan.order, np.ascontiguousarray(numbers), *runs]
    text = bytes(zstd.compress(b"".join(part.tobytes() for part in parts), _LEVEL))
    head = _HEAD.pack(_VERSION, len(plan.chunk), rows, len(text))
    return b"".join((head, text, *(data for _, data in packed)))


class Page:
    """A compressed page, read chunk by chunk.

    Attributes:
        width: columns.
        rows: rows.

    """

    __slots__ = ("_chunks", "_data", "_plan", "_runs", "members", "rows", "width")

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
        if version != _VERSION or not 0 < self.rows * self.width <= _MOST_CELLS or _HEAD.size + size > len(data):
            raise ValueError("not a page of columns that this version can read")
        text = bytes(zstd.decompress(data[_HEAD.size : _HEAD.size + size]))
        reader = _Reader(text)
        chunks, holes = reader.take("<u4", 2).tolist()
        kinds, sizes = reader.take("u1", chunks), reader.take("<u4", chunks)
        chunk, scale, order = (reader.take("u1", self.width) for _ in range(3))
        numbers = reader.take("u1", self.width * 16).reshape(8, -1).T.copy().view("<i8")[:, 0]
        self._plan = _Plan(chunk, scale, order, numbers[: self.width], numbers[self.width :])
        self._runs = _Runs(
            reader.take("<u2", holes), reader.take("<u4", holes), reader.take("<u4", holes), reader.take("u1", holes)
        )
        if holes and (
            int(self._runs.column.max()) >= self.width
            or int((self._runs.start.astype(np.int64) + self._runs.length).max()) > self.rows
        ):
            raise ValueError("not a page of columns: a run of empty cells is outside")
        ends = np.cumsum(sizes.astype(np.int64)) + _HEAD.size + size
        if (chunks and int(ends[-1]) != len(data)) or ((chunk >= chunks) & (chunk != _NO_CHUNK)).any():
            raise ValueError("not a page of columns: its chunks do not fit")
        self._chunks = [
            (kind, end - n, end) for kind, n, end in zip(kinds.tolist(), sizes.tolist(), ends.tolist(), strict=True)
        ]
        self._data = data
        self.members = [np.flatnonzero(chunk == number) for number in range(chunks)]

    def decode(self, number: int, only: Ints | None = None) -> Floats:
        """The columns of a chunk, in the order of ``members``: float64[columns, rows], read-only.

        Args:
            number: of the chunk.
            only: the places among ``members`` of the columns that are wanted; none: all of them.

        Raises:
            ValueError: the bytes are not of such columns.
        """
        members = self.members[number]
        kind, start, end = self._chunks[number]
        form, width = kind & 15, kind >> 4
        data = self._data[start:end]
        if form == _PCO_EACH:
            values = self._decode_each(data, len(members), only).view(np.int64)
        else:
            numbers = self._numbers(data, form, width, len(members), only)
        if only is not None:
            members = members[only]
        if form != _PCO_EACH:
            values = self._sum_up(numbers, members)
        scale = self._plan.scale[members]
        exact = scale != _BITS
        out = values.view(np.float64)
        if exact.any():
            power = 10.0 ** np.where(exact, scale, 0)
            floats = values.astype(np.float64, copy=False)
            if (power != 1.0).any():
                floats /= power[:, None]
            out = floats if exact.all() else np.where(exact[:, None], floats, out)
        self._dig_holes(out.T, members)
        out.flags.writeable = False
        return out

    def constants(self, columns: Ints) -> Floats:
        """Constant columns: float64[columns, rows]."""
        out = np.empty((len(columns), self.rows))
        out[:] = self._plan.first[columns].view(np.float64)[:, None]
        self._dig_holes(out.T, columns)
        return out

    def chunks_of(self, columns: Ints) -> Iterator[tuple[int, Ints]]:
        """The chunks that hold some columns, each with the places of its columns among these; -1: constant ones."""
        chunks = self._plan.chunk[columns]
        for number in np.unique(chunks).tolist():
            yield (-1 if number == _NO_CHUNK else number), np.flatnonzero(chunks == number)

    def _numbers(self, data: bytes, form: int, width: int, columns: int, only: Ints | None) -> Ints:
        """The differences of a chunk, or of some of its columns: int64 or narrower, [columns, rows]."""
        size = columns * self.rows
        if form == _PCO:
            flat: npt.NDArray[Any] = decompress_numbers(data, np.empty(size, dtype=np.uint64))
        elif form == _PLANES and width in {1, 2, 4, 8}:
            planes = np.empty(size * width, dtype=np.uint8)
            try:
                count = zstd.decompress_into(data, planes.data)
            except DecompressionError as err:
                raise ValueError(str(err)) from err
            if count != len(planes):
                raise ValueError("a chunk has another size than its page says")
            planes = planes.reshape(width, columns, self.rows)
            if only is not None:
                planes = planes[:, only]
            flat = np.ascontiguousarray(np.moveaxis(planes, 0, -1)).reshape(-1).view(f"<u{width}")
        else:
            raise ValueError("a chunk of a form that this version cannot read")
        if form == _PCO and only is not None:
            flat = flat.reshape(columns, self.rows)[only].reshape(-1)
        one = flat.dtype.type(1)
        signed = (flat >> one) ^ (np.zeros(1, flat.dtype) - (flat & one))
        numbers: Ints = signed.view(f"<i{flat.dtype.itemsize}").reshape(-1, self.rows)
        return numbers

    def _sum_up(self, numbers: Ints, members: Ints) -> npt.NDArray[Any]:
        """Undo the differences: integers, or already floats where these are as exact."""
        order = self._plan.order[members]
        first, slope = self._plan.first[members], self._plan.slope[members]
        if (order == 1).all() and numbers.dtype.itemsize <= 4 and bool((self._plan.scale[members] != _BITS).all()):
            # Sums that floats hold exactly, and that need not be turned into floats after.
            floats = numbers.astype(np.float64)
            floats[:, 0] = first
            return np.cumsum(floats, axis=1, out=floats)
        out = numbers.astype(np.int64)
        if (order == 2).all():
            # Mostly all columns of a chunk are alike: no column need be picked out.
            np.cumsum(out, axis=1, out=out)
            out[:, 1:] += slope[:, None]
        elif not (order == 1).all():
            twice = np.flatnonzero(order == 2)
            if len(twice):
                steps = np.cumsum(out[twice], axis=1)
                steps[:, 1:] += slope[twice, None]
                out[twice] = steps
            plain = np.flatnonzero(order == 0)
            if len(plain):
                # Differences of what no differences were taken of, so that one sum brings all of them back.
                kept = out[plain]
                out[plain, 1:] = kept[:, 1:] - kept[:, :-1]
        out[:, 0] += first
        np.cumsum(out, axis=1, out=out)
        return out

    def _decode_each(self, data: bytes, columns: int, only: Ints | None) -> Floats:
        sizes = np.frombuffer(data[: 4 * columns], dtype="<u4")
        if len(sizes) != columns:
            raise ValueError("a chunk has fewer columns than its page says")
        ends = (4 * columns + np.cumsum(sizes.astype(np.int64))).tolist()
        wanted = range(columns) if only is None else only.tolist()
        out = np.empty((len(wanted), self.rows))
        for place, column in enumerate(wanted):
            decompress_numbers(data[ends[column] - int(sizes[column]) : ends[column]], out[place])
        return out

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


def decompress_numbers(data: bytes, out: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Decompress numbers under pcodec into an array of their type and count, which is returned.

    Raises:
        ValueError: the bytes are not of so many such numbers.
    """
    try:
        progress = standalone.simple_decompress_into(data, out)
    except (RuntimeError, TypeError) as err:
        raise ValueError(str(err)) from err
    if progress.n_processed != len(out) or not progress.finished:
        raise ValueError("compressed numbers are not as many as their index says")
    return out


class _Reader:
    """Takes arrays off a text, one after the other."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0

    def take(self, kind: str, count: int) -> npt.NDArray[Any]:
        dtype = np.dtype(kind)
        end = self._at + dtype.itemsize * count
        if end > len(self._text):
            raise ValueError("not a page of columns: its description is too short")
        found = np.frombuffer(self._text[self._at : end], dtype=dtype)
        self._at = end
        return found
