"""Limits of silences: refused as Alertmanager refuses, and nothing of what there is lost."""

from __future__ import annotations

import pytest

from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.time import format_rfc3339
from hypercare.routing.silence_limits import SilenceLimits, size_of
from hypercare.routing.silences import Silence

V2 = "/api/v2/silences"


def put(shop, name="a", **fields):
    matchers = [{"name": name, "value": "b", "isRegex": False}]
    ends = format_rfc3339(shop.clock.now() + 3_600_000)
    body = {"matchers": matchers, "startsAt": format_rfc3339(shop.clock.now()), "endsAt": ends, "createdBy": "ana"}
    return shop.post(V2, body={**body, "comment": "c", **fields})


def test_one_more_than_there_may_be(make):
    shop = make(more="silences: {max_silences: 2}\n")
    first, second = put(shop), put(shop, "b")
    assert (first.status, second.status) == (200, 200)
    refused = put(shop, "c")
    assert refused.status == 400
    assert "exceeded maximum number of silences: 2 (limit: 2)" in refused.text
    # A change under its id is no further silence; one that needs another id is, and leaves the old one as it is.
    same = put(shop, id=first.json()["silenceID"], comment="longer")
    assert same.json() == first.json()
    assert put(shop, "other", id=first.json()["silenceID"]).status == 400
    assert [s["status"]["state"] for s in shop.get(V2).json()] == ["active", "active"]
    # As in Alertmanager an expired one counts until it is forgotten.
    shop.request("DELETE", f"/api/v2/silence/{first.json()['silenceID']}")
    assert put(shop, "c").status == 400


def test_a_larger_one_than_may_be(make):
    shop = make(more="silences: {max_per_silence_bytes: 200}\n")
    made = put(shop)
    assert made.status == 200
    refused = put(shop, comment="x" * 200)
    assert refused.status == 400
    assert "silence exceeded maximum size: " in refused.text
    assert "(limit: 200 bytes)" in refused.text
    assert put(shop, id=made.json()["silenceID"], comment="x" * 200).status == 400
    assert [s["comment"] for s in shop.get(V2).json()] == ["c"]


def test_without_limits_and_without_a_comment(make):
    shop = make()
    assert put(shop, comment="x" * 100_000).status == 200
    body = {"matchers": [{"name": "a", "value": "b", "isRegex": False}], "startsAt": "2026-01-05T08:00:00Z",
            "endsAt": "2026-01-06T08:00:00Z", "createdBy": "ana"}  # fmt: skip
    assert shop.post(V2, body=body).status in {400, 422}, "a comment is required, as in Alertmanager"


def test_bytes_are_counted_as_in_the_protocol_buffer():
    at = 1_767_600_000_000
    silence = Silence("ab", ((Matcher("a", MatchOp.EQUAL, "b"),),), at, at, 0, "ana", "c")
    time = 2 + 6
    inner = (2 + 2) + (2 + (2 + 1) + (2 + 1)) + time + time + 2 + (2 + 3) + (2 + 1)
    assert size_of(silence) == 2 + inner + time
    SilenceLimits(0, size_of(silence)).check(silence, 10**6, fresh=True)
    with pytest.raises(ValueError, match="maximum size"):
        SilenceLimits(0, size_of(silence) - 1).check(silence, 0, fresh=True)


def test_a_limit_below_zero_is_refused(make):
    with pytest.raises(Exception, match="expected a value at least 0"):
        make(more="silences: {max_silences: -1}\n")
