"""Columns of floats as integers that are small, and that two columns often have in common.

A column becomes integers where that loses no bit: values times a power of ten; the same and how many floats lie between
it and the value, as in seconds that were added up; or the bits of the floats. Of these it
keeps how many units each is from a base: bytes that only ever move by pages of 4096 count pages. What is left is the
same for all columns that moved in step (a number under two names, hits and the bytes they cost), and is kept once.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from hypercare.model.samples import Bools, Floats, Ints

BITS: Final = 255
"""In place of a scale: the integers are the bits of the floats."""
_TIMES: Final = 16
"""Scales from here on multiply by a negative power of ten, as ``milliseconds * 0.001`` does: not always the same."""
_TWICE: Final = 32
"""The scale of a value that was divided by a thousand two times."""
_SCALES: Final = (0, 1, 2, 3, 6, 9, 4, 5, 7, 8, _TIMES + 3, _TIMES + 6, _TWICE, _TIMES + 9, _TIMES + 2, _TIMES + 1)
"""Tried in this order."""
_SUMS: Final = 64
"""The scales from here on are of sums: of a value times a power of ten, and a byte of how many floats it is off that.

A program that adds up seconds, each a whole number of nanoseconds, is off by what each addition rounds.
"""
_SUM_SCALES: Final = (_SUMS + 9, _SUMS + 6, _SUMS + 3)
_OFF: Final = 128
"""The value is less than so many floats away."""
_APART: Final = 1024.0
"""Floats between two steps of such a scale at least: any value is near some step of a finer one."""
_TENTHS: Final = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
_EXACT: Final = float(2**53)
_SAFE: Final = 1 << 52
"""Integers below this are added and multiplied as floats without loss; others keep the unit one."""
_PROBE: Final = 16
_STRETCHES: Final = 4


def integers(bits: Ints) -> tuple[Ints, npt.NDArray[np.uint8]]:
    """Integers that floats, given as bits, can be made of again, and the scale of each column."""
    floats = bits.view(np.float64)
    out = np.array(bits, order="F")
    scale = np.full(bits.shape[1], BITS, dtype=np.uint8)
    probe = _spread(len(bits), _PROBE)
    few, few_bits = floats[probe], bits[probe]
    left = np.flatnonzero(np.isfinite(few).all(axis=0))
    with np.errstate(all="ignore"):
        for code in (*_SCALES, *_SUM_SCALES):
            if not len(left):
                break
            read = _exact if code < _SUMS else _near
            hits = read(few[:, left], few_bits[:, left], code)[1]
            if not np.count_nonzero(hits):
                continue
            trial = left[hits]
            numbers, good = read(floats[:, trial], bits[:, trial], code)
            done = trial[good]
            out[:, done], scale[done] = numbers[:, good], code
            hits[hits] = good
            left = left[~hits]
    return out, scale


@functools.lru_cache(maxsize=256)
def _spread(rows: int, most: int) -> Ints:
    """At most so many row numbers, evenly spread from the first to the last."""
    found: Ints = np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))
    found.flags.writeable = False
    return found


def _near(floats: Floats, bits: Ints, code: int) -> tuple[Ints, Bools]:
    """The floats at a scale of sums as integers, and which columns come back from them bit for bit."""
    rounded = np.rint(floats * 10.0 ** (code - _SUMS))
    off = bits - (rounded / 10.0 ** (code - _SUMS)).view(np.int64)
    greatest = np.abs(floats).max(axis=0)
    good = ((np.abs(rounded) < _EXACT) & (off >= -_OFF) & (off < _OFF)).all(axis=0)
    good &= np.spacing(greatest) * _APART < 10.0 ** (_SUMS - code)
    numbers = (rounded.astype(np.int64) << 8) + off
    good &= (_sums(numbers, code).view(np.int64) == bits).all(axis=0)
    return numbers, good


def _sums(numbers: Ints, code: int) -> Floats:
    """Integers at a scale of sums as floats."""
    steps = (numbers + _OFF) >> 8
    exact = steps.astype(np.float64) / 10.0 ** (code - _SUMS)
    found: Floats = (exact.view(np.int64) + (numbers - (steps << 8))).view(np.float64)
    return found


def _exact(floats: Floats, bits: Ints, code: int) -> tuple[Ints, Bools]:
    """The floats at a scale as integers, and which columns come back from them bit for bit."""
    power = 6 if code == _TWICE else code % _TIMES
    rounded = np.rint(floats * 10.0**power) if power else np.rint(floats)
    again = _value(rounded, code)
    good = ((np.abs(rounded) < _EXACT) & (again.view(np.int64) == bits)).all(axis=0)
    # An integer has no negative zero.
    good &= ~((bits == np.int64(-(2**63))).any(axis=0))
    return rounded.astype(np.int64), good


def _value(numbers: Floats, code: int) -> Floats:
    """Integers, held by floats, at a scale."""
    if code == 0:
        return numbers
    if code < _TIMES:
        out: Floats = numbers / 10.0**code
    elif code == _TWICE:
        out = numbers / 1000.0 / 1000.0
    else:
        out = numbers * _TENTHS[code - _TIMES]
    return out


def is_scale(codes: npt.NDArray[np.uint8]) -> Bools:
    """Which numbers are scales."""
    known: Bools = np.isin(codes, (*_SCALES, *_SUM_SCALES, BITS))
    return known


def held_by_floats(codes: npt.NDArray[np.uint8]) -> Bools:
    """Which scales are of integers that floats hold exactly."""
    held: Bools = codes < _SUMS
    return held


def sums_to_floats(numbers: Ints, scale: npt.NDArray[np.uint8]) -> None:
    """Turn integers at scales of sums into the bits of floats: [columns, rows]; others stay; in place."""
    for code in _SUM_SCALES:
        rows = np.flatnonzero(scale == code)
        if len(rows):
            numbers[rows] = _sums(numbers[rows], code).view(np.int64)


def to_floats(numbers: Floats, scale: npt.NDArray[np.uint8]) -> Floats:
    """Floats of integers, held by floats: [columns, rows], each column at its scale; may be the same memory."""
    codes = sorted(set(scale.tolist()))
    if len(codes) == 1:
        return _value(numbers, codes[0])
    for code in codes:
        if code:
            rows = np.flatnonzero(scale == code)
            numbers[rows] = _value(numbers[rows], code)
    return numbers


class Moves(NamedTuple):
    """Integers as multiples of a unit from the first: ``integers = first + unit * moves``.

    Attributes:
        moves: int64[rows, columns].
        unit: of each column; negative where it first fell.
        twin: the first column with the same moves.

    """

    moves: Ints
    unit: Ints
    twin: Ints


def moves_of(numbers: Ints, scale: npt.NDArray[np.uint8]) -> Moves:
    """Take units out of integers, and find the columns that move in step."""
    moves = numbers - numbers[0]
    unit = _units(moves, numbers, scale)
    coarse = np.flatnonzero(unit > 1)
    if len(coarse):
        moves[:, coarse] //= unit[coarse]
    # Up first, so that what falls when another rises is that other one's mirror.
    turn = moves[np.argmax(moves != 0, axis=0), np.arange(moves.shape[1])]
    falling = np.flatnonzero((turn < 0) & (scale != BITS) & (np.abs(numbers).max(axis=0) < _SAFE))
    moves[:, falling] *= -1
    unit[falling] *= -1
    known: dict[bytes, int] = {}
    columns = np.ascontiguousarray(moves.T)
    twin = [known.setdefault(column.tobytes(), at) for at, column in enumerate(columns)]
    return Moves(moves, unit, np.array(twin, dtype=np.int64))


def _units(moves: Ints, numbers: Ints, scale: npt.NDArray[np.uint8]) -> Ints:
    """The greatest number that divides all moves of a column."""
    unit = np.ones(moves.shape[1], dtype=np.int64)
    # Of bits the differences may have wrapped around.
    limit = np.where(scale == BITS, 1 << 62, _SAFE)
    fit = np.abs(moves.astype(np.float64)).max(axis=0) < limit
    fit &= (scale == BITS) | (np.abs(numbers).max(axis=0) < _SAFE)
    left = np.flatnonzero(fit)
    left = left[np.gcd.reduce(moves[_spread(len(moves), _PROBE)][:, left], axis=0) != 1]
    if len(left):
        unit[left] = np.maximum(np.gcd.reduce(moves[:, left], axis=0), 1)
    return unit


def sample_rows(rows: int, most: int) -> Ints:
    """Numbers of the rows by which something is chosen: a few stretches, at most so many rows together."""
    if rows <= most:
        return np.arange(rows, dtype=np.int64)
    stretch = most // _STRETCHES
    starts = np.linspace(0, rows - stretch, _STRETCHES).astype(np.int64)
    found: Ints = (starts[:, None] + np.arange(stretch)).ravel()
    return found


def differences(moves: Ints, order: int) -> tuple[npt.NDArray[np.uint64], Ints, Ints]:
    """Differences of an order (0, 1, 2) as unsigned numbers that are small, the base of each column, and its slope.

    Order 0: how far above the least, which is the base. Others: zigzag, from the first on.
    """
    none = np.zeros(moves.shape[1], dtype=np.int64)
    if order == 0:
        base = moves.min(axis=0)
        return (moves - base).view(np.uint64), base, none
    out = np.zeros(moves.shape, dtype=np.int64, order="F")
    slope = none
    if order == 1:
        out[1:] = np.diff(moves, axis=0)
    elif len(moves) > 1:
        steps = np.diff(moves, axis=0)
        slope = steps[0].copy()
        out[2:] = np.diff(steps, axis=0)
    zigzag: npt.NDArray[np.uint64] = ((out << 1) ^ (out >> 63)).view(np.uint64)
    return zigzag, none, slope


def width_of(greatest: int) -> int:
    """Bytes of a number."""
    return 1 if greatest < 1 << 8 else 2 if greatest < 1 << 16 else 4 if greatest < 1 << 32 else 8


def best_orders(
    moves: Ints, scale: npt.NDArray[np.uint8], cost: Callable[[npt.NDArray[np.uint64]], Floats]
) -> tuple[npt.NDArray[np.uint8], Floats]:
    """The order of differences that costs each column least, and what it costs."""
    rows, width = moves.shape
    if rows < 3:
        return np.ones(width, dtype=np.uint8), np.zeros(width)
    costs = np.stack([cost(differences(moves, order)[0]) for order in range(3)])
    # The bits of floats have no slope worth keeping.
    costs[2, scale == BITS] = np.inf
    order: npt.NDArray[np.uint8] = costs.argmin(axis=0).astype(np.uint8)
    return order, costs.min(axis=0)


def width_cost(numbers: npt.NDArray[np.uint64]) -> Floats:
    """About how many bits the numbers of each column have; few rows are looked at."""
    found: Floats = np.log2(numbers[_spread(len(numbers), 128)].astype(np.float64) + 0.5).sum(axis=0)
    return found
