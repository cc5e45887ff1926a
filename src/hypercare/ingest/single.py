"""The commonest series of remote write, one sample each: their numbers are read out of a message all at once.

Prometheus' senders end such a series with 18 bytes, of which only 8 and 6 say something: ``12 10 09 <float64> 10
<varint of 6 bytes>``; 9 bytes where the value is 0, which protobuf leaves out: ``12 07 10 <varint of 6 bytes>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from hypercare.model.samples import Floats, Ints

_SHIFTS: Final = np.arange(0, 42, 7, dtype=np.int64)
_VALUE_TAG: Final = 0x09
_TIME_TAG: Final = 0x10

Places = npt.NDArray[np.intp]


def read_singles(data: npt.NDArray[np.uint8], stops: Places, valued: npt.NDArray[np.bool_]) -> tuple[Ints, Floats]:
    """Times and values of samples that end at ``stops``.

    Args:
        data: the message.
        stops: where each series ends.
        valued: whether each has the bytes of a value.

    Raises:
        ValueError: one of them has another form.

    """
    window = data[stops[:, None] + np.arange(-7, 0)]
    digits = window[:, 1:]
    regular = (window[:, 0] == _TIME_TAG) & (digits[:, :5] > 0x7F).all(axis=1) & (digits[:, 5] < 0x80)
    times: Ints = ((digits & 0x7F).astype(np.int64) << _SHIFTS).sum(axis=1)
    values = np.zeros(len(stops))
    ends = stops[valued]
    regular[valued] &= data[ends - 16] == _VALUE_TAG
    if not regular.all():
        msg = "a sample has an unusual form"
        raise ValueError(msg)
    values[valued] = np.ascontiguousarray(data[ends[:, None] + np.arange(-15, -7)]).view("<f8")[:, 0]
    return times, values
