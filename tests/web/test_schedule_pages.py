"""Schedules on pages: made, refused beside the field, confirmed, copied from the file, restored, deleted."""

from __future__ import annotations

import html
import re

import pytest

LAYER = {
    "layers-0-people": ["ana", "ben"], "layers-0-count": "1", "layers-0-unit": "w",
    "layers-0-start": "2026-01-05T00:00", "layers-0-holidays": "work",
}  # fmt: skip
FORM = {"name": "nights", "timezone": "UTC", "existing": "", "base": "0", **LAYER}
GAPS = {"layers-0-restrictions-0-days": ["monday", "tuesday"], "layers-0-restrictions-0-from": "09:00",
        "layers-0-restrictions-0-until": "17:00"}  # fmt: skip


def send(shop, act="save", **changes):
    return shop.post("/oncall/editor", form={**FORM, **changes, "act": act})


def value(text, name):
    return html.unescape(re.search(rf'name="{name}"[^>]*value="([^"]*)"', text)[1])


def chosen(text, name):
    """The options that are selected in all fields of a name."""
    fields = re.findall(rf'<select name="{name}".*?</select>', text, re.DOTALL)
    return [re.search(r"<option[^>]* selected>([^<]*)", field)[1] for field in fields]


def test_a_schedule_is_made_changed_and_deleted(shop):
    assert shop.get("/oncall/editor").status == 200
    made = send(shop)
    assert (made.status, made.headers["location"]) == (303, "/oncall/schedules/nights")
    page = shop.get("/oncall/schedules/nights").text
    assert "Saved as version 1." in page
    assert "people: [ana, ben]" in page
    assert "nights" in shop.get("/oncall").text
    again = shop.get("/oncall/editor?of=nights").text
    assert (value(again, "base"), chosen(again, "layers-0-people")) == ("1", ["ana", "ben"])
    assert send(shop, existing="nights", base="1", **{"layers-0-people": ["ben"]}).status == 303
    assert shop.get("/api/hypercare/v1/oncall").json()["now"][1]["person"] == "ben"
    assert shop.post("/oncall/schedules/nights/delete", form={}).headers["location"] == "/oncall/schedules"
    listed = shop.get("/oncall/schedules").text
    assert "its versions can be restored" in listed
    assert "deleted by" in listed
    old = shop.get("/oncall/editor?of=nights&version=1").text
    assert (value(old, "base"), value(old, "comment")) == ("0", "version 1 again")
    assert send(shop, existing="nights").status == 303


def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(shop):
    answer = send(
        shop, name="a/b", timezone="Europe/Berln", comment="<b>why</b>",
        **{"layers-0-people": ["zoe"], "layers-0-count": "x", "layers-0-start": "soon", "holidays-0-date": "",
           "holidays-0-name": "feast", "holidays-0-until": "", "holidays-0-person": ""},
    )  # fmt: skip
    assert answer.status == 422
    wrong = dict(re.findall(r'<small class="wrong" id="([^"]*)-wrong">([^<]*)', answer.text))
    assert "did you mean Europe/Berlin?" in wrong["timezone"]
    assert "not a valid duration" in wrong["layers-0-count"]
    assert "expected a date and time" in wrong["layers-0-start"]
    assert "expected a date such as 2026-12-25" in wrong["holidays-0-date"]
    assert [value(answer.text, n) for n in ("name", "timezone", "comment", "layers-0-start", "holidays-0-name")] == [
        "a/b", "Europe/Berln", "<b>why</b>", "soon", "feast"
    ]  # fmt: skip
    assert chosen(answer.text, "layers-0-people") == ["zoe"]
    later = send(shop, name="a/b", **{"layers-0-people": ["ana", "zoe"]})
    wrong = dict(re.findall(r'<small class="wrong" id="([^"]*)-wrong">([^<]*)', later.text))
    assert ("unknown person" in wrong["layers-0-people-1"], "expected letters" in wrong["name"]) == (True, True)
    taken = send(shop, name="primary")
    assert (taken.status, "there is a schedule of this name already, in " in taken.text) == (422, True)


@pytest.mark.parametrize("first", ["", "office"])
def test_each_layer_has_its_own_mistakes(shop, first):
    # A lowest layer without a name is the schedule's rotation: the layers of the definition are counted without it.
    two = {k.replace("-0-", "-1-"): v for k, v in LAYER.items()} | {"layers-0-name": first, "layers-1-start": "soon"}
    answer = send(shop, **two)
    assert re.findall(r'<small class="wrong" id="([^"]*)-wrong">', answer.text) == ["layers-1-start"]
    assert '<a href="#layers-1-start">layer 2, first turn</a>: expected a date and time' in answer.text


def test_gaps_are_confirmed_for_what_was_shown(shop):
    first = send(shop, **GAPS)
    assert (first.status, "Not every minute" in first.text, "Save with these gaps" in first.text) == (200, True, True)
    assert "Mon 05 Jan 17:00 to Tue 06 Jan 09:00" in first.text
    word = value(first.text, "confirmed")
    other = send(shop, confirmed=word, **{**GAPS, "layers-0-restrictions-0-until": "18:00"})
    assert other.status == 200, "another content was confirmed"
    assert send(shop, confirmed=word, **GAPS).status == 303


def test_a_preview_tells_who_gains_and_loses(shop):
    assert send(shop).status == 303
    answer = send(shop, "preview", existing="nights", base="1", **{"layers-0-people": ["ben", "ana"]})
    text = re.sub(r"<[^>]+>", " ", answer.text)
    assert re.search(r"ana\s+\+0 h\s+newly on call: 2 times\s+Mon 12 Jan 00:00 to Mon 19 Jan 00:00", text), text
    assert shop.get("/api/hypercare/v1/oncall/schedules/nights").json()["version"] == 1


def test_buttons_without_the_script(shop):
    def press(act, **changes):
        answer = send(shop, act, **changes)
        assert answer.status == 200
        return answer.text

    assert chosen(press("layers-0-people-1-up"), "layers-0-people") == ["ben", "ana"]
    assert chosen(press("layers-0-people-0-remove"), "layers-0-people") == ["ben"]
    assert chosen(press("layers-0-people-add", **{"layers-0-add": "ben"}), "layers-0-people") == ["ana", "ben", "ben"]
    assert chosen(press("fallback-add", fallback_add="ana"), "fallback") == ["ana"]
    assert "Layer 2" in press("layers-add")
    two = {**{k.replace("-0-", "-1-"): v for k, v in LAYER.items()}, "layers-1-name": "office"}
    assert value(press("layers-1-up", **two), "layers-0-name") == "office"
    assert "Layer 2" not in press("layers-0-remove", **two)
    assert 'name="layers-0-restrictions-0-from"' in press("layers-0-restrictions-add")
    assert 'name="layers-0-restrictions-0-from"' not in press("layers-0-restrictions-0-remove", **GAPS)
    assert 'name="holidays-0-date"' in press("holidays-add")
    for odd in ("x", "layers-9-up", "name-0-up", "layers-0-name-0-up", "layers-0-people-0-add", "layers-x-people-add"):
        assert chosen(press(odd), "layers-0-people") == ["ana", "ben"]


def test_one_of_the_file_is_read_only_and_can_be_copied(shop):
    page = shop.get("/oncall/schedules/primary").text
    assert re.search(r"From .*hypercare\.yml, line \d+: it is changed there, and read-only here\.", page)
    assert shop.get("/oncall/editor?of=primary").status == 409
    copy = shop.get("/oncall/editor?copy=primary").text
    assert (value(copy, "name"), chosen(copy, "layers-0-people")) == ("", ["ana", "ben"])
    assert value(copy, "layers-0-start") == "2026-01-05T00:00"
    refused = shop.post("/oncall/schedules/primary/delete", form={})
    assert refused.status == 303
    assert "is changed there" in html.unescape(shop.get(refused.headers["location"]).text)


def test_somebody_else_was_faster(shop):
    send(shop)
    send(shop, existing="nights", base="1", **{"layers-0-people": ["ben"]})
    mine = send(shop, existing="nights", base="1", **{"layers-0-people": ["ana"]})
    assert (mine.status, "has saved version 2" in mine.text, "Save mine over it" in mine.text) == (409, True, True)
    assert chosen(mine.text, "layers-0-people") == ["ana"]
    over = send(shop, "over", existing="nights", base="1", **{"layers-0-people": ["ana"]})
    assert over.status == 303
    assert "version 3" in shop.get("/oncall/schedules/nights").text.lower()


@pytest.mark.parametrize("path", ["/oncall/schedules/nosuch", "/oncall/editor?of=nosuch", "/oncall/editor?copy=nosuch"])
def test_what_is_not_there(shop, path):
    assert shop.get(path, headers={"accept": "text/html"}).status == 404


def test_only_an_administrator_edits(make):
    from argon2 import PasswordHasher

    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    shop = make(f'web: {{users: [{{name: ben, role: responder, password_hash: "{cheap.hash("secret")}"}}]}}\n')
    assert shop.post("/login", form={"name": "ben", "password": "secret", "next": "/"}).status == 303
    assert "New schedule" not in shop.get("/oncall/schedules").text
    for answer in (shop.get("/oncall/editor"), send(shop), shop.post("/oncall/schedules/primary/delete", form={})):
        assert answer.status == 403
    foreign = {"origin": "https://evil.example"}
    assert shop.post("/oncall/editor", form={**FORM, "act": "save"}, headers=foreign).status == 403
