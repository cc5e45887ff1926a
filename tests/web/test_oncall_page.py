"""The on-call page: weeks as they are rendered, gaps told, shifts changed and taken back."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

FORM = {
    "schedule": "primary",
    "person": "ben",
    "start": "2026-01-06T09:00",
    "end": "2026-01-06T17:00",
    "zone": "Europe/Berlin",
}


def day(text, date):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text.split(f'datetime="{date}"')[1].split("</dl>")[0]))


def test_four_weeks_with_the_hand_over_on_its_day(shop):
    text = shop.get("/oncall").text
    assert text.count('class="day') == 28
    assert "ana" in day(text, "2026-01-11")
    assert "ben" in day(text, "2026-01-12")
    assert 'class="day today" aria-current="date"' in text
    assert "Every minute from now on is covered." in text
    assert "Every minute of these weeks is covered." in shop.get("/oncall?from=2026-03-01").text
    berlin = shop.get("/oncall?zone=Europe/Berlin").text
    assert re.search(r"ana .*01:00 ben", day(berlin, "2026-01-12"))


def test_what_is_not_covered_is_told(shop):
    assert "Not covered" not in shop.get("/oncall?from=2025-12-31").text, "what is past is not told while it runs"
    text = shop.get("/oncall?from=2025-12-07").text
    assert "Not covered" in text
    assert "Mon 01 Dec 00:00 to Mon 29 Dec 00:00" in text
    assert "the schedule has not begun" in text
    assert "nobody" in day(text, "2025-12-20")


def test_a_shift_is_changed_and_taken_back(shop):
    answer = shop.post("/oncall/changes", form={**FORM, "from_day": "2026-01-05", "comment": "school <b>play</b>"})
    assert (answer.status, answer.headers["location"]) == (303, "/oncall?from=2026-01-05&zone=Europe%2FBerlin")
    text = shop.get(answer.headers["location"]).text
    assert "ben stands in." in text
    assert re.search(r"ana .*09:00 ben override .*17:00 ana", day(text, "2026-01-06"))
    assert "school &lt;b&gt;play&lt;/b&gt;" in text
    (action,) = re.findall(r'action="(/oncall/changes/[^"]+/remove)"', text)
    assert shop.post(action, form={}).status == 303
    assert "override" not in day(shop.get("/oncall").text, "2026-01-06")
    assert shop.post(action, form={}).status == 303
    assert "taken out already" in unquote(shop.get("/oncall").text)


def test_a_swap(shop):
    shop.post(
        "/oncall/changes",
        form={**FORM, "person": "ana", "other": "ben", "start": "2026-01-05T00:00", "end": "2026-01-19T01:00"},
    )
    text = shop.get("/oncall").text
    assert "ana ⇄ ben" in text
    assert "ben" in day(text, "2026-01-07")
    assert "ana" in day(text, "2026-01-14")


@pytest.mark.parametrize(
    "path",
    [
        "/oncall?from=soon",
        "/oncall?zone=Mars",
        "/oncall?from=9999-12-31",
        "/oncall?zone=../x",
        "/fragments/oncall-calendar?from=x",
    ],
)
def test_refusals(shop, path):
    assert shop.get(path, headers={"accept": "text/html"}).status == 400


def test_a_form_that_cannot_be_tells_why(shop):
    assert shop.post("/oncall/changes", form={**FORM, "person": "zoe"}).status == 303
    assert "&#39;zoe&#39; is not among the people" in shop.get("/oncall").text
    assert shop.post("/oncall/changes", form={**FORM, "start": "soon"}).status == 400
    assert shop.post("/oncall/changes", form={**FORM, "zone": "Mars"}).status == 400


def test_the_fragment_is_the_calendar_alone(shop):
    text = shop.get("/fragments/oncall-calendar?from=2026-01-05&zone=UTC").text
    assert text.count('class="day') == 28
    assert "<html" not in text


def test_a_preview_changes_nothing_and_keeps_what_was_written(shop):
    answer = shop.post("/oncall/changes", form={**FORM, "comment": "dentist", "act": "preview"})
    assert answer.status == 200
    assert 'id="preview"' in answer.text
    assert "Every minute that is covered stays covered." in answer.text
    assert 'value="dentist"' in answer.text
    assert shop.get("/api/hypercare/v1/oncall/changes").json() == []


def test_taking_over_now(shop):
    shop.cookies["hypercare_me"] = "ben"
    page = shop.get("/oncall").text
    assert "Take over primary now, for ana" in page
    assert shop.post("/oncall/take-over", form={"schedule": "primary"}).status == 303
    (change,) = shop.get("/api/hypercare/v1/oncall/changes").json()
    assert (change["person"], change["created_by"], change["comment"]) == ("ben", "ben", "took over from ana")
    assert change["end_at"] == "2026-01-12T00:00:00.000Z"
    assert "Take over primary" not in shop.get("/oncall").text
