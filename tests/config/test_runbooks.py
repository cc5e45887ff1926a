"""Runbooks beside the configuration: what is a step, and where an error stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.config import load
from hypercare.config.runbooks import parse_runbook
from hypercare.model.errors import InputError
from hypercare.model.runbooks import Runbook, find_runbook
from hypercare.model.time import HOUR, MINUTE
from hypercare.sim import VirtualClock, World, virtual_ports


def parse(text, services=("api",)):
    data = text if isinstance(text, bytes) else text.encode()
    return parse_runbook(data, "books/x.md", "x", services)


BOOK = """---
title: Errors
alerts: [High, Higher]
services: api
---
# The API fails

## Respond (0-15 min)

1. Look at `rate(x[5m])`
2. [Restart it](procedure:restart-api)

```
## not a phase (1-2 h)
- not a step
```

## Investigate (15\u201360 min)

* Which path,
  and since when?
  * a detail

## Resolve (1-4 h)
- Roll back

## Who to ask
- somebody
- [ ] the database team
"""


def test_timed_sections_are_phases_and_their_items_steps():
    book, problems = parse(BOOK)
    assert problems == []
    assert (book.title, book.alerts, book.services) == ("Errors", ("High", "Higher"), ("api",))
    found = [(p.name, p.until, [(s.text, s.procedure, s.line) for s in p.steps]) for p in book.phases]
    assert found == [
        ("Respond", 15 * MINUTE, [("Look at `rate(x[5m])`", "", 10), ("[Restart it](procedure:restart-api)", "restart-api", 11)]),
        ("Investigate", HOUR, [("Which path, and since when?", "", 20)]),
        ("Resolve", 4 * HOUR, [("Roll back", "", 25)]),
        ("Who to ask", None, [("the database team", "", 29)]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("heading", "name", "until"),
    [
        ("A (0-15 min)", "A", 15 * MINUTE), ("A: (15 min - 1 h)", "A", HOUR), ("A (until 30m)", "A", 30 * MINUTE),
        ("A (2 hours)", "A", 2 * HOUR), ("A (1 d)", "A", 24 * HOUR), ("A [5 to 10 minutes]", "A", 10 * MINUTE),
        ("A (see below)", "A (see below)", None), ("A (3 replicas)", "A (3 replicas)", None),
    ],
)  # fmt: skip
def test_budgets_are_read_as_people_write_them(heading, name, until):
    book, problems = parse(f"## {heading}\n- [ ] x\n")
    assert problems == []
    assert (book.phases[0].name, book.phases[0].until) == (name, until)


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("## A (60-15 min)\n- x\n", "books/x.md:1", "ends before it begins", "(15-60 min)"),
        ("## A (0-15 min)\n- x\n\n## B (5-10 min)\n- y\n", "books/x.md:4", "no later than the one before", "from the opening"),
        ("---\nalert: A\n---\n- x\n", "books/x.md:2:1", "unknown key 'alert'", "did you mean alerts?"),
        ("---\nservices: [apo]\n---\n- x\n", "books/x.md:2:12", "unknown service 'apo'", "did you mean api?"),
        ("---\nalerts: [A\n---\n- x\n", "books/x.md:3:1", "not valid YAML", ""),
        ("---\ntitle: x\n\ntext\n", "books/x.md:1:1", "does not end", "---"),
        ("## A (1 h)\n- [x] done\n", "books/x.md:2", "ticked before anything has happened", "- [ ]"),
        ("## A (1 h)\n- [x](procedure:)\n", "books/x.md:2", "names no procedure", "procedure:its-name"),
        ("", "books/x.md", "is empty", "as Markdown"),
        (b"# ok\n\xff\n", "books/x.md:2", "not UTF-8", "UTF-8"),
    ],
)  # fmt: skip
def test_every_error_has_its_place_and_a_hint(text, place, message, hint):
    book, problems = parse(text)
    assert book is None
    assert any(str(p).startswith(f"{place}: ") and message in p.message and hint in p.hint for p in problems), problems


@given(st.text(max_size=300))
def test_no_text_goes_wrong(text):
    parse(text.encode("utf-8", "replace"))


def test_links_names_and_services_find_a_runbook():
    books = (
        Runbook("slow-api", "", "", ""), Runbook("db/slow-api", "", "", ""),
        Runbook("errors", "", "", "", ("High",)), Runbook("api", "", "", "", (), ("api",)),
    )  # fmt: skip

    def name(*args, **kwargs):
        found = find_runbook(books, *args, **kwargs)
        return found and found.name

    assert name(["https://wiki.example/books/slow-api.md"]) == "slow-api"
    assert name(["runbooks/db/slow-api.md"]) == "db/slow-api"
    assert name(["https://wiki.example/other", "slow-api"]) == "slow-api"
    assert name(["https://wiki.example/other"], ["High"], "api") == "errors"
    assert name([], ["Low"], "api") == "api"
    assert name([], ["Low"], "") is None
    assert name(["http://[broken"]) is None


def configured(tmp_path, more, **files):
    (tmp_path / "books").mkdir()
    for file, text in files.items():
        (tmp_path / "books" / f"{file}.md").write_text(text)
    (tmp_path / "hypercare.yml").write_text(f"services: [{{name: api}}]\npeople: [{{name: ada}}]\n{more}")
    clock = VirtualClock(0)
    return load(tmp_path / "hypercare.yml", virtual_ports(clock, World(clock)).files, {})


def problems_of(tmp_path, more, **files):
    with pytest.raises(InputError) as caught:
        configured(tmp_path, more, **files)
    return "\n".join(map(str, caught.value.problems))


def test_runbooks_come_with_the_configuration_and_count_for_its_hash(tmp_path):
    one = configured(tmp_path, "runbooks: books\n", a="# A\n- [ ] x\n", b="# B\n")
    assert [b.name for b in one.runbooks] == ["a", "b"]
    (tmp_path / "books" / "b.md").write_text("# C\n")
    clock = VirtualClock(0)
    other = load(tmp_path / "hypercare.yml", virtual_ports(clock, World(clock)).files, {})
    assert other.hash != one.hash


def test_an_alert_has_one_runbook_and_a_folder_some(tmp_path):
    text = problems_of(tmp_path, "runbooks: books\n", a="---\nalerts: X\n---\na\n", b="---\nalerts: X\n---\nb\n")
    assert "the alert 'X' has a runbook already" in text


def test_an_empty_folder_is_told_at_its_key(tmp_path):
    text = problems_of(tmp_path, "runbooks: nowhere\n")
    assert "hypercare.yml:3:11: no runbooks in" in text


@pytest.mark.parametrize(
    ("more", "place", "message"),
    [
        ("incidents: {notify: [{to: [bob]}]}", "3:28", "unknown person 'bob'"),
        ("incidents: {notify: [{to: ['schedule:x']}]}", "3:28", "only people and receivers are told"),
        ("incidents: {phases: [{name: A, until: 1h}, {name: B, until: 5m}]}", "3:61", "each phase must end later"),
        ("incidents: {definitions: {P4: {name: x}}}", "3:27", "unknown key 'P4'"),
        ("incidents: {postmortem: {meeting: 0s}}", "3:35", "greater than 0"),
        ("status_page: {components: [{name: A, services: [apo]}]}", "3:49", "unknown service 'apo'"),
        ("status_page: {components: [{name: A}, {name: A}]}", "3:46", "two components have the name 'A'"),
    ],
)
def test_what_is_wrong_in_the_room_is_told_at_its_place(tmp_path, more, place, message):
    text = problems_of(tmp_path, more + "\n")
    assert f"hypercare.yml:{place}: " in text
    assert message in text


def test_a_broken_template_is_told_with_its_line(tmp_path):
    (tmp_path / "t.md").write_text("# {{ title }}\n{% if %}\n")
    text = problems_of(tmp_path, "incidents: {postmortem: {template: t.md}}\n")
    assert "t.md:2: not a valid Jinja template" in text
