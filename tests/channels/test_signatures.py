"""Signatures and links: what fits, what does not, and that no random byte string passes."""

from __future__ import annotations

import json

import pytest
from channels_kit import T0, Outside
from hypothesis import given
from hypothesis import strategies as st

from hypercare.channels.links import Link, LinkError, LinkSigner
from hypercare.channels.signatures import OURS, SignatureError, check_ours, check_pagerduty, check_slack, digest, ours
from hypercare.channels.webhook.fake import FakeWebhook
from hypercare.kernel import Delivered, Permanent
from hypercare.model.time import MINUTE, SECOND

SIGNER = LinkSigner("secret")
LINK = Link("ack", "0f" * 16, "ada", T0)


def test_slacks_own_example():
    # From Slack's description of its signatures; the secret is the example's.
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name="
        b"foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2F"
        b"hooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id="
        b"398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    secret, time = "8f742231b10e8888abcd99yyyzzz85a5", "1531420618"
    check_slack(secret, time, signature, body, 1531420618 * SECOND)
    for now in (1531420618 * SECOND + 5 * MINUTE + 1, 1531420618 * SECOND - 5 * MINUTE - 1):
        with pytest.raises(SignatureError):
            check_slack(secret, time, signature, body, now)
    with pytest.raises(SignatureError):
        check_slack(secret, time, signature, body + b"&", 1531420618 * SECOND)
    with pytest.raises(SignatureError):
        check_slack("", time, f"v0={digest('', b'v0:' + time.encode() + b':' + body)}", body, 1531420618 * SECOND)


def test_pagerduty_takes_one_of_several():
    good = f"v1={digest('new', b'{}')}"
    check_pagerduty(["old", "new"], f"v1=00, {good}", b"{}")
    for secrets, header in ((["old"], good), ([], good), ([""], f"v1={digest('', b'{}')}"), (["new"], good[3:])):
        with pytest.raises(SignatureError):
            check_pagerduty(secrets, header, b"{}")


def test_a_webhook_is_signed_and_its_receiver_can_tell():
    signed = {"url": "http://hook/x", "signature": {"secret": "s"}}
    outside = Outside({"webhook_configs": [signed, {"url": "http://hook/x"}, {**signed, "signature": {"secret": "t"}}]})
    fake = FakeWebhook(secret="s")
    outside.world.host("hook", fake.answer)
    assert isinstance(outside.notify(), Delivered)
    header = dict(fake.requests[0].headers)[OURS]
    assert header.startswith(f"t={T0 // SECOND},v1=")
    check_ours("s", header, fake.requests[0].body, T0)
    assert isinstance(outside.notify(index=1), Permanent)
    assert isinstance(outside.notify(index=2), Permanent)
    assert json.loads(fake.requests[1].body) == json.loads(fake.requests[0].body)
    for broken in (
        "",
        "t=1",
        "v1=00",
        f"t=x,v1={digest('s', b'')}",
        ours("s", b"other", T0),
        ours("s", b"{}", T0)[:-1],
    ):
        with pytest.raises(SignatureError):
            check_ours("s", broken, b"{}", T0)
    with pytest.raises(SignatureError):
        check_ours("s", ours("s", b"{}", T0), b"{}", T0 + 5 * MINUTE + SECOND)


def test_a_link_is_read_as_it_was_made_until_its_time():
    token = SIGNER.token(LINK)
    assert SIGNER.read(token, T0 - 1) == LINK
    assert SIGNER.token(LINK) == token
    assert len(token) < 120
    with pytest.raises(LinkError, match="too old"):
        SIGNER.read(token, T0)
    with pytest.raises(LinkError, match="another secret"):
        LinkSigner("other").read(token, T0 - 1)


@given(st.text(max_size=20), st.text(max_size=20), st.integers(1, 2**40))
def test_any_person_and_incident(person, incident, seconds):
    link = Link("ack", incident, person, seconds * SECOND)
    assert SIGNER.read(SIGNER.token(link), seconds * SECOND - 1) == link


@given(st.integers(0, 200), st.sampled_from("ABCxyz019-_.=~é"))
def test_a_changed_token_opens_nothing(place, letter):
    token = SIGNER.token(LINK)
    place %= len(token)
    # The last digit of each part carries unused bits.
    last = {len(token) - 1, token.index(".") - 1}
    changed = token[:place] + letter + token[place + 1 :]
    if changed == token or place in last:
        return
    with pytest.raises(LinkError):
        SIGNER.read(changed, T0 - 1)


@given(st.text(max_size=300))
def test_nonsense_opens_nothing(text):
    with pytest.raises(LinkError):
        SIGNER.read(text, T0 - 1)
