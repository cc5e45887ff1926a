"""Responses in every way of framing, whole and byte by byte."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.adapters.framing import BadMessage, Chunks, end_of_head, read_head


def test_a_head():
    data = b"HTTP/1.1 200 OK\r\nContent-Type:  text/plain \r\ncontent-LENGTH: 5\r\n\r\nbody\n"
    end = end_of_head(data)
    assert data[end:] == b"body\n"
    head = read_head(data[:end])
    assert (head.status, head.version, head.length, head.chunked, head.keep) == (200, "1.1", 5, False, True)
    assert head.headers == {"content-type": "text/plain", "content-length": "5"}


HEADS = [
    (b"HTTP/1.1 200 OK\nContent-Length: 3\n\n", 3, False, True),
    (b"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n", 3, False, True),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", 3, False, False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: Keep-Alive\r\n\r\n", 3, False, True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n", 3, False, False),
    (b"HTTP/1.1 200 OK\r\n\r\n", None, False, False),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", None, True, True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", None, True, True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 3, False, True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 0, False, True),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 0, False, True),
    (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 0, False, True),
]


@pytest.mark.parametrize(("data", "length", "chunked", "keep"), HEADS)
def test_how_a_body_ends(data, length, chunked, keep):
    head = read_head(data[: end_of_head(data)])
    assert (head.length, head.chunked, head.keep) == (length, chunked, keep)


BAD_HEADS = [
    b"", b"SSH-2.0-x", b"HTTP/2 200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 099 x", b"HTTP/1.1 abc",
    b"HTTP/1.1 200 OK\r\nno colon", b"HTTP/1.1 200 OK\r\n folded: x", b"HTTP/1.1 200 OK\r\na b: x", b"HTTP/1.1 200 OK\r\n: x",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1", b"HTTP/1.1 200 OK\r\nContent-Length: x", b"HTTP/1.1 200 OK\r\nContent-Length: 1_0",
    b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 30, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip", b"HTTP/1.1 200 OK\r\nContent-Length: \xb2",
]  # fmt: skip


@pytest.mark.parametrize("data", BAD_HEADS, ids=repr)
def test_bad_heads(data):
    with pytest.raises(BadMessage):
        read_head(data + b"\r\n\r\n")


def chunked(parts, tail=b"0\r\n\r\n"):
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in parts) + tail


@given(
    st.lists(st.binary(min_size=1, max_size=30), max_size=6),
    st.lists(st.integers(1, 12), min_size=1),
    st.sampled_from([b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b"000;ext=1\r\n\r\n"]),
)
def test_chunks_come_together_however_they_are_cut(parts, cuts, tail):
    data, chunks, at, n = chunked(parts, tail), Chunks(), 0, 0
    while at < len(data):
        assert not chunks.done
        chunks.feed(data[at : at + cuts[n % len(cuts)]])
        at, n = at + cuts[n % len(cuts)], n + 1
    assert (chunks.body(), chunks.done, chunks.surplus) == (b"".join(parts), True, False)
    assert chunks.size == sum(map(len, parts))


def test_what_follows_the_end_is_surplus():
    chunks = Chunks()
    chunks.feed(chunked([b"x"]) + b"HTTP/1.1 200 OK")
    assert (chunks.done, chunks.surplus, chunks.body()) == (True, True, b"x")


BAD_CHUNKS = [
    b"x\r\n", b"-1\r\n", b"\r\n", b"0x5\r\n", b"5 5\r\nhello\r\n", b"5\r\nhelloX\r\n", b"5\r\nhello!!", b"f" * 16 + b"\r\n",
    b"1" * 5000, b"0\r\n" + b"a: b\r\n" * 20_000,
]  # fmt: skip


@pytest.mark.parametrize("data", BAD_CHUNKS, ids=lambda d: repr(d[:20]))
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_bad_chunks(data, step):
    chunks = Chunks()

    def feed():
        for i in range(0, len(data), step):
            chunks.feed(data[i : i + step])

    with pytest.raises(BadMessage):
        feed()


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data):
    for read in (lambda: read_head(data), lambda: Chunks().feed(data), lambda: end_of_head(data)):
        with contextlib.suppress(BadMessage):
            read()
