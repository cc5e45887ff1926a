"""The page that the links of notifications lead to: an alert's expression, its curves and values."""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

import pytest


def seen(shop, expr, **more):
    answer = shop.get("/graph?" + urlencode({"g0.expr": expr, **more}))
    assert answer.status == 200, answer.text
    return answer.text


def test_the_link_of_an_alert_leads_to_its_expression(broken):
    (alert,) = [a for a in broken.get("/api/v2/alerts").json() if a["labels"]["alertname"] == "Broken"][:1]
    link = urlsplit(alert["generatorURL"])
    answer = broken.get(f"{link.path}?{link.query}")
    assert answer.status == 200
    # The side that is compared is drawn, with its threshold; the table has what the alert sees.
    assert '<code class="query">truth == 0</code>' in answer.text
    assert 'class="threshold"' in answer.text
    assert re.search(r"truth\{[^<]*api:80[^<]*</code></td><td>0</td>", answer.text)


def test_spans_and_many_series(shop):
    page = seen(shop, "vector(1) or label_replace(up, 'i', '', '', '')", **{"g0.range_input": "2h"})
    assert "<option selected>2h</option>" in page
    assert page.count("<td>1</td>") == 4  # api:80, api:81, hypercare and the number
    assert "<option selected>1h</option>" in seen(shop, "up", **{"g0.range_input": "soon"})


@pytest.mark.parametrize(
    ("expr", "said"),
    [
        ("sum(up", "1:7: unexpected end of input in function call, expected &#34;)&#34;\n    sum(up\n          ^"),
        ("up[5m]", "a range vector cannot be drawn: expected an instant vector or a scalar; put a function around it"),
        ('"a"', "a string cannot be drawn"),
        ("nothing_of_this_name", "no series fits"),
        ("1 + 2", "<td>3</td>"),
        ("<script>", "&lt;script&gt;"),
    ],
)
def test_what_cannot_be_drawn_is_said_with_its_place(shop, expr, said):
    assert said in seen(shop, expr)


def test_without_an_expression_there_is_a_form(shop):
    assert 'name="g0.expr" value=""' in shop.get("/graph").text
