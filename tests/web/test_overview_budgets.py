"""Error budgets on the overview page."""

from __future__ import annotations

import re

import pytest
from web_kit import HYPERCARE

from hypercare.reports.overview import Budget

TIMES = "\N{MULTIPLICATION SIGN}"
SLO = """tier: 1, slo: {error_rate: 1%, errors: 'rate(requests_total{code="500"}[$window])',
    total: 'rate(requests_total[$window])'},"""


@pytest.mark.parametrize(
    ("left", "burn", "said", "pace", "spent"),
    [
        (None, None, "not measured yet", "", False),
        (1.0, 0.0, "100 % left", "", False),
        (0.4567, 0.8, "45.7 % left", f"burns 0.8{TIMES}", False),
        (0.0, 1.0, "all spent", f"burns 1{TIMES}", True),
        (-0.04, 0.04, "all spent", "", True),
        (-46.9954, 192.93, f"spent 48{TIMES}", f"burns 193{TIMES}", True),
    ],
)
def test_in_words(left, burn, said, pace, spent):
    budget = Budget("availability", 99.9, left, burn)
    assert (budget.said, budget.pace, budget.spent) == (said, pace, spent)


def test_on_the_page(make):
    shop = make(text=HYPERCARE.replace("tier: 1,", SLO))
    shop.run(10)
    assert "not measured yet" in shop.get("/").text
    assert "<progress" not in shop.get("/").text
    shop.run(300)
    assert '<progress max="1" value="1.000" aria-label="Error budget left, errors">' in shop.get("/").text
    for target in shop.targets:
        target.counter('requests_total{code="500"}', 5)
    shop.run(300)
    text = shop.get("/").text
    assert re.search(r'<div class="spent"><dt>errors <small>99 %</small></dt><dd>spent [\d.]+.', text)
    assert re.search(
        r'<small class="critical-text">burns [\d.]+.</small></dd><dd class="bar"><progress max="1" value="0.000"', text
    )
