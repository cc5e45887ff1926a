"""Numbers as Go writes them: one by one, and by the array."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np
import orjson

if TYPE_CHECKING:
    from hypercare.model.samples import Bools, Floats, Ints

# Within these bounds Prometheus writes samples without an exponent.
_SMALL: Final = 1e-6
_LARGE: Final = 1e21
# Within these orjson writes what Go writes, but for a trailing ".0".
_PLAIN_SMALL: Final = 1e-4
_PLAIN_LARGE: Final = 1e15


def _special(value: float) -> str:
    """NaN and the infinities; empty for every other number."""
    if math.isnan(value):
        return "NaN"
    return "" if math.isfinite(value) else "+Inf" if value > 0 else "-Inf"


def plain_number(value: float) -> str:
    """All digits and never an exponent: how Prometheus writes scalars (Go's ``FormatFloat(v, 'f', -1, 64)``)."""
    if text := _special(value):
        return text
    text = repr(value)
    return f"{Decimal(text):f}" if "e" in text else text.removesuffix(".0")


def exponent_number(value: float) -> str:
    """One digit, the rest, an exponent: how Prometheus writes the values of alerts (Go's ``'e'``)."""
    if text := _special(value):
        return text
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    shown = "".join(map(str, digits)).rstrip("0") or "0"
    power = int(exponent) + len(digits) - 1 if value else 0
    rest = f".{shown[1:]}" if len(shown) > 1 else ""
    return f"{'-' if sign else ''}{shown[0]}{rest}e{'-' if power < 0 else '+'}{abs(power):02d}"


def number(value: float) -> str:
    """A sample as Prometheus writes it: the shortest text that reads back equal, with an exponent only far from 1."""
    if value == 0 or _SMALL <= abs(value) < _LARGE or not math.isfinite(value):
        return plain_number(value)
    return exponent_number(value)


def texts(values: Floats) -> list[bytes]:
    """``number`` of every element of an array of one dimension, at some 50 ns each."""
    if not len(values):
        return []
    size, whole = np.abs(values), values == np.rint(values)
    if whole.all() and (size < _PLAIN_LARGE).all() and not np.signbit(values[values == 0]).any():
        exact = values.astype(np.int64)
        return orjson.dumps(exact, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    found = _split(orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY), whole)
    odd = ((size < _PLAIN_SMALL) & (size > 0)) | ~(size < _PLAIN_LARGE)
    for i in odd.nonzero()[0].tolist():
        found[i] = number(float(values[i])).encode()
    return found


def _split(written: bytes, whole: Bools) -> list[bytes]:
    """The elements of a JSON array of floats; whole ones lose their ".0"."""
    few = whole.nonzero()[0]
    if len(few) * 32 < len(whole):
        found = written[1:-1].split(b",")
        for i in few.tolist():
            found[i] = found[i].removesuffix(b".0")
        return found
    # The last number ends with the bracket, the others with a comma: they get the same end.
    found = (written[1:-1] + b",").replace(b".0,", b",").split(b",")
    found.pop()
    return found


def rows_of_texts(values: Floats, counts: Ints) -> list[bytes]:
    """``texts`` of the rows of a ragged matrix, laid end to end; rows of integers take a shorter way."""
    if len(counts) < 2 or len(values) < 1000:
        return texts(values)
    bounds = np.concatenate(([0], np.cumsum(counts)))
    starts = bounds[:-1][counts > 0]
    fraction = np.logical_or.reduceat(values != np.rint(values), starts)
    if fraction.all() or not fraction.any():
        return texts(values)
    # Runs of rows of one kind, so that thousands of rows make few calls.
    edges = np.concatenate(([0], np.diff(fraction).nonzero()[0] + 1))
    cuts = [*starts[edges].tolist(), len(values)]
    found: list[bytes] = []
    for start, end in itertools.pairwise(cuts):
        found += texts(values[start:end])
    return found
