"""The background loop: whatever is submitted gets one reply, in the order of coming."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hypercare.adapters.ioloop import CLOSING, IoLoop


async def _later(value):
    await asyncio.sleep(0)
    return value


def test_what_is_submitted_at_once_begins_in_its_order():
    io, began, done = IoLoop(), [], threading.Event()

    async def work(number):
        began.append(number)
        return number

    for number in range(300):
        io.submit(lambda n=number: work(n), lambda got: done.set() if got == 299 else None, str)
    assert done.wait(30)
    assert began == list(range(300))
    io.close()


def test_one_that_cannot_begin_holds_up_no_other():
    io, done = IoLoop(), threading.Event()

    def broken():
        raise RuntimeError("on purpose")

    # In the loop's own thread, so that both wait for the same waking.
    io.call(lambda: (io.submit(broken, print, str), io.submit(lambda: _later(1), lambda _: done.set(), str)))
    assert done.wait(30)
    io.close()


@pytest.mark.parametrize("early", [0, 50, 400])
def test_everybody_gets_one_reply_though_the_loop_closes(early):
    io, got, lock, enough = IoLoop(), {}, threading.Lock(), threading.Event()

    def reply(number, answer):
        with lock:
            got.setdefault(number, []).append(answer)
        if len(got) > early:
            enough.set()

    def send(base):
        for number in range(base, base + 200):
            io.submit(lambda n=number: _later(n), lambda a, n=number: reply(n, a), lambda why: why)

    threads = [threading.Thread(target=send, args=(base,)) for base in (0, 200, 400)]
    for thread in threads:
        thread.start()
    if early:
        assert enough.wait(30)
    io.close()
    for thread in threads:
        thread.join(30)
    assert sorted(got) == list(range(600))
    assert all(answers in ([n], [CLOSING]) for n, answers in got.items())
