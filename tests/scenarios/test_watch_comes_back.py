"""A check that comes back after its action had helped: by however many methods that is seen, people hear of it once."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from hypercare.model.time import HOUR, MINUTE, SECOND

_spec = importlib.util.spec_from_file_location("watch_actions", Path(__file__).parent / "test_watch_actions.py")
_actions = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_actions)
shop = _actions.shop


def test_people_hear_once_that_a_check_is_back(shop):
    both = "critical: 2, tolerance: 10%"
    s = shop(a="[restart]", limit=both, baseline="{kind: before, length: 1h}", until="4h")
    s.api.gauge("a", 1, noise=0.01)
    s.run(HOUR)
    s.deeds["restart"] = lambda: s.api.gauge("a", 1, noise=0.01)
    s.deploy()
    s.api.gauge("a", 3, noise=0.01)
    while s.states != [("restart", "helped")]:
        s.run(10 * SECOND)
    s.run(30 * MINUTE)
    told, lines = len(s.phone.json()), len(s.journal)
    s.api.gauge("a", 3, noise=0.01)
    s.run(40 * MINUTE)
    # The limit sees it at once, excursions a little later, drift at the checkpoint.
    seen = [text for text in s.journal[lines:] if text.startswith("a: ")]
    assert [" ".join(text.split()[1:4]).rstrip(":") for text in seen] == [
        "critical by limit", "note by excursion", "warning by excursion", "critical by excursion", "warning by drift",
    ]  # fmt: skip
    assert len(s.pages) == 1
    assert "it came back after restart had helped" in s.pages[0]
    titles = [body["title"] for body in s.phone.json()[told:]]
    assert [title for title in titles if title.startswith("api v2")] == ["api v2: a critical", s.pages[0]]
    assert titles.count(f"#1 {s.pages[0]}") == 1
    assert s.states == [("restart", "helped")]
    assert s.wanted == [("restart", "a")]
