"""Compressed bodies, whole and broken."""

from __future__ import annotations

import contextlib
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.adapters.decompress import BadEncoding, TooLarge, decompress

TEXT = b'http_requests_total{code="200"} 1\n' * 500


@given(st.binary(max_size=2000), st.integers(0, 9), st.sampled_from([0, 2000]))
def test_round_trip(data, level, limit):
    assert decompress(gzip.compress(data, level), "gzip", limit) == data


@given(st.binary(max_size=500), st.binary(max_size=500))
def test_several_members(first, second):
    assert decompress(gzip.compress(first) + gzip.compress(second), "gzip", 1000) == first + second


WHOLE = gzip.compress(TEXT)
BROKEN = {
    "cut": WHOLE[:-9],
    "cut within the end": WHOLE[:-3],
    "checksum": WHOLE[:-8] + b"\0\0\0\0" + WHOLE[-4:],
    "size": WHOLE[:-4] + (len(TEXT) + 1).to_bytes(4, "little"),
    "junk behind": WHOLE + b"junk",
    "flipped": WHOLE[:40] + bytes([WHOLE[40] ^ 0xFF]) + WHOLE[41:],
    "announces much": b"\x1f\x8b" + bytes(20) + b"\xff\xff\xff\x00",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_ones_are_refused(name):
    with pytest.raises(BadEncoding):
        decompress(BROKEN[name], "gzip", 1 << 20)


def test_one_that_lies_about_its_size_does_not_get_past_the_limit():
    liar = gzip.compress(bytes(1 << 20))[:-4] + (100).to_bytes(4, "little")
    with pytest.raises((TooLarge, BadEncoding)):
        decompress(liar, "gzip", 1000)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_noticed_or_does_no_harm(at, mask):
    data = WHOLE[:at] + bytes([WHOLE[at] ^ mask]) + WHOLE[at + 1 :]
    with contextlib.suppress(BadEncoding, TooLarge):
        assert decompress(data, "gzip", 1 << 20) == TEXT
