"""Runbooks: what to do when an alert fires, as Markdown with timed phases whose list items are a checklist."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class RunbookStep:
    """One item of the checklist.

    Attributes:
        text: as written, in Markdown.
        procedure: the procedure that does it, where one is named.
        line: in the file, from 1.

    """

    text: str
    procedure: str = ""
    line: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class RunbookPhase:
    """A heading with steps below it; ``until`` (ms after the opening) is none where it has no time budget."""

    name: str
    until: Ms | None
    steps: tuple[RunbookStep, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Runbook:
    """One file.

    Attributes:
        name: of the file below the folder, without ``.md``; unique.
        path: of the file.
        text: Markdown, without the header.
        alerts: names of alerts it is for.
        services: services it is for, where no runbook names the alert.

    """

    name: str
    path: str
    title: str
    text: str
    alerts: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    phases: tuple[RunbookPhase, ...] = ()


def find_runbook(
    runbooks: Sequence[Runbook], urls: Iterable[str] = (), alerts: Iterable[str] = (), service: str = ""
) -> Runbook | None:
    """The runbook for something that happens: the first that a link names, else that names an alert, else the service.

    Args:
        runbooks: all there are.
        urls: ``runbook_url`` of alerts and the runbook of the service; a link names a runbook whose name it ends with.
        alerts: names.
        service: its name.

    """
    by_name = {runbook.name: runbook for runbook in runbooks}
    for url in urls:
        found = _named(by_name, url)
        if found is not None:
            return found
    for alert in alerts:
        for runbook in runbooks:
            if alert in runbook.alerts:
                return runbook
    return next((runbook for runbook in runbooks if service and service in runbook.services), None)


def _named(by_name: dict[str, Runbook], url: str) -> Runbook | None:
    """``https://wiki.example/runbooks/slow-api.md``, ``runbooks/slow-api.md`` and ``slow-api`` name ``slow-api``."""
    try:
        path = urlsplit(url).path or url
    except ValueError:
        path = url
    parts = [part for part in path.removesuffix("/").removesuffix(".md").split("/") if part]
    # The longest name first: of a/b and b a link to a/b means the former.
    return next((hit for i in range(len(parts)) if (hit := by_name.get("/".join(parts[i:])))), None)
