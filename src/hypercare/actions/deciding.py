"""Links by which a person who was asked approves or declines a run: for that person, that run, until it is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.channels.links import APPROVE, DECISION_PATH, REFUSE, Link

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hypercare.actions.store import Run

_CHOICES: Final = (("Approve", APPROVE), ("Decline", REFUSE))


def links_for(
    run: Run, people: Collection[str], url_of: Callable[[str, Link], str]
) -> Callable[[str], tuple[tuple[str, str], ...]]:
    """What each person may press; nothing for receivers and everyone, who are nobody in person.

    The links end with the time in which the run is to be decided, and do nothing once it is decided.
    """

    def offered(name: str) -> tuple[tuple[str, str], ...]:
        if name not in people or run.decide_by is None:
            return ()
        links = [(text, Link(action, str(run.number), name, run.decide_by)) for text, action in _CHOICES]
        found = tuple((text, url_of(DECISION_PATH, link)) for text, link in links)
        return found if all(url for _, url in found) else ()

    return offered
