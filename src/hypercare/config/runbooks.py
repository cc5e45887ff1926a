"""Runbooks beside the configuration: a folder of Markdown files, each with an optional header in YAML.

In a section whose heading ends with a time budget (``## Respond (0-15 min)``, ``(15-60 min)``, ``(1-4 h)``) every list
item is a step; elsewhere the items of task lists (``- [ ] …``) are. A step names a procedure by a link:
``[Restart the pool](procedure:restart-pool)``.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from hypercare.config.base import OneOrMany, StrictModel
from hypercare.config.problems import did_you_mean, validate
from hypercare.config.source import read_yaml
from hypercare.model.errors import InputError, Problem
from hypercare.model.runbooks import Runbook, RunbookPhase, RunbookStep
from hypercare.model.time import DAY, HOUR, MINUTE, Ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

    from hypercare.config.reading import Reading
    from hypercare.config.source import Document

Names: TypeAlias = Annotated[tuple[str, ...], OneOrMany]

_FENCE: Final = "---"
_UNITS: Final = {"m": MINUTE, "h": HOUR, "d": DAY}
_BUDGET: Final = re.compile(
    r"\s*[(\[]\s*(?:(?P<start>\d+)\s*(?P<first>[a-z]*)\s*(?:-|\u2013|\u2014|to)\s*|until\s+)?(?P<end>\d+)\s*"
    r"(?P<unit>m|min|mins|minutes?|h|hours?|d|days?)\s*[)\]]\s*$",
    re.IGNORECASE,
)
_TASK: Final = re.compile(r"\[(?P<mark>.)\]\s+")
_MAX_BYTES: Final = 1024 * 1024


class Header(StrictModel):
    """What may stand between two lines of ``---`` at the top of a runbook."""

    title: str = ""
    alerts: Names = ()
    services: Names = ()


def read_runbooks(run: Reading, named_by: Document, folder: str, services: Sequence[str]) -> tuple[Runbook, ...]:
    """All runbooks of a folder and of those in it, by name; what is wrong with them goes to ``run.problems``."""
    found: dict[str, Runbook] = {}
    claimed: dict[str, str] = {}
    paths = sorted({*run.files.glob(f"{folder}/*.md"), *run.files.glob(f"{folder}/*/*.md")})
    if not paths:
        hint = "relative paths start from the folder of the file that names them; runbooks end in .md"
        run.problems.append(named_by.problem(named_by.root.at("runbooks"), f"no runbooks in {folder}", hint))
    for path in paths:
        name = posixpath.relpath(str(path), folder).removesuffix(".md")
        try:
            data = run.files.read(path)
        except OSError as error:
            run.problems.append(run.unreadable(str(path), error, None))
            continue
        run.mix(str(path))
        run.digest.update(data)
        runbook, problems = parse_runbook(data, str(path), name, services)
        for alert in runbook.alerts if runbook else ():
            if alert in claimed:
                text = f"the alert {alert!r} has a runbook already: {claimed[alert]}"
                problems.append(Problem(str(path), 1, 0, text, "name each alert in one runbook"))
            claimed.setdefault(alert, str(path))
        run.problems += problems
        if runbook is not None:
            found[name] = runbook
    return tuple(found.values())


def parse_runbook(
    data: bytes, path: str, name: str, services: Sequence[str] | None = None
) -> tuple[Runbook | None, list[Problem]]:
    """One runbook, and what is wrong with it.

    Args:
        data: the file.
        path: for problems.
        name: for people and links.
        services: that exist; none: not known.

    """
    if len(data) > _MAX_BYTES:
        return None, [Problem(path, 0, 0, f"a runbook of more than {_MAX_BYTES} bytes", "split it")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return None, [Problem(path, line, 0, "not UTF-8 text", "save the file as UTF-8")]
    lines = text.replace("\r\n", "\n").split("\n")
    problems: list[Problem] = []
    header, skipped = _header(lines, path, services, problems)
    body = "\n".join(lines[skipped:])
    reader = _Steps(path, skipped)
    phases = reader.read(body)
    problems += reader.problems
    if not body.strip():
        problems.append(Problem(path, 0, 0, "the runbook is empty", "write what to do, as Markdown"))
    if problems:
        return None, problems
    title = header.title or reader.title or name
    return Runbook(name, path, title, body, header.alerts, header.services, phases), []


def _header(lines: list[str], path: str, services: Sequence[str] | None, problems: list[Problem]) -> tuple[Header, int]:
    """The header, and how many lines it takes."""
    if lines[0].strip() != _FENCE:
        return Header(), 0
    end = next((i for i, line in enumerate(lines[1:], 1) if line.strip() == _FENCE), 0)
    if not end:
        text = "the header that begins here does not end"
        problems.append(Problem(path, 1, 1, text, "put a line of --- below it, or take this line out"))
        return Header(), len(lines)
    # The first line stays as an empty one, so that places are those of the file.
    source = "\n" + "\n".join(lines[1:end])
    try:
        document = read_yaml(source.encode(), path)
    except InputError as error:
        problems.extend(error.problems)
        return Header(), end + 1
    header = validate(Header, document, problems)
    if header is not None and services is not None:
        problems += _unknown(document, header, services)
    return header or Header(), end + 1


def _unknown(document: Document, header: Header, services: Sequence[str]) -> list[Problem]:
    found: list[Problem] = []
    for index, service in enumerate(header.services):
        if service not in services:
            line, column = document.find(("services", index))
            hint = did_you_mean(service, services) or "no services are configured"
            found.append(Problem(document.file, line, column, f"unknown service {service!r}", hint))
    return found


class _Steps:
    """Finds phases and steps in the blocks of a text."""

    def __init__(self, path: str, skipped: int) -> None:
        self.path = path
        self.skipped = skipped
        self.title = ""
        self.problems: list[Problem] = []
        self._phases: list[RunbookPhase] = []
        self._steps: list[RunbookStep] = []
        self._name = ""
        self._until: Ms | None = None
        self._last: Ms = 0

    def read(self, body: str) -> tuple[RunbookPhase, ...]:
        """The phases, in order; those without steps are left out."""
        from markdown_it import MarkdownIt  # noqa: PLC0415 - most configurations have no runbooks

        tokens = MarkdownIt("commonmark").parse(body)
        depth = 0
        for index, token in enumerate(tokens):
            if token.type == "heading_open":
                self._heading(token, tokens[index + 1].content)
            elif token.type == "list_item_open":
                depth += 1
                if depth == 1:
                    self._item(token, _first_text(tokens, index))
            elif token.type == "list_item_close":
                depth -= 1
        self._close()
        return tuple(self._phases)

    def _heading(self, token: Token, text: str) -> None:
        if token.tag == "h1" and not self.title:
            self.title = text
        self._close()
        self._name, self._until = text, None
        match = _BUDGET.search(text)
        if match is None:
            return
        end = int(match["end"]) * _UNITS[match["unit"][0].lower()]
        # In (15-60 min) the unit stands once; in (15 min - 1 h) twice.
        first = (match["first"] or match["unit"])[0].lower()
        start = int(match["start"] or 0) * _UNITS.get(first, MINUTE)
        if end <= start:
            hint = "write it as (15-60 min)"
            self._wrong(token, f"the time budget of {text!r} ends before it begins", hint)
        elif end <= self._last:
            hint = "times count from the opening of the incident, not from the phase before"
            self._wrong(token, f"the phase {text!r} ends no later than the one before", hint)
        self._name, self._until, self._last = text[: match.start()].strip(" :-\u2013") or text, end, end

    def _item(self, token: Token, inline: Token | None) -> None:
        if inline is None:
            return
        text = " ".join(inline.content.split())
        task = _TASK.match(text)
        if task is None and self._until is None:
            return
        if task is not None:
            if task["mark"] != " ":
                self._wrong(token, "a step is ticked before anything has happened", "write it as - [ ]")
            text = text[task.end() :]
        self._steps.append(RunbookStep(text, self._procedure(token, inline), self._line(token)))

    def _procedure(self, token: Token, inline: Token) -> str:
        for child in inline.children or ():
            link = str(child.attrs.get("href", "")) if child.type == "link_open" else ""
            if link.lower().startswith("procedure:"):
                name = link.partition(":")[2].strip()
                if not re.fullmatch(r"[\w.-]+", name):
                    hint = "write it as [what it does](procedure:its-name)"
                    self._wrong(token, f"the link {link!r} names no procedure", hint)
                return name
        return ""

    def _close(self) -> None:
        if self._steps:
            self._phases.append(RunbookPhase(self._name or "Steps", self._until, tuple(self._steps)))
        self._steps = []

    def _line(self, token: Token) -> int:
        return (token.map[0] if token.map else 0) + self.skipped + 1

    def _wrong(self, token: Token, message: str, hint: str) -> None:
        self.problems.append(Problem(self.path, self._line(token), 0, message, hint))


def _first_text(tokens: Sequence[Token], index: int) -> Token | None:
    """The inline content with which a list item begins."""
    following = tokens[index + 1 : index + 3]
    return next((token for token in following if token.type == "inline"), None)
