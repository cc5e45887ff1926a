"""Who somebody is: a member of Slack or a user of PagerDuty as a person of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.config.people import Person


def by_slack(people: Iterable[Person], user: str) -> str:
    """The person with this member id; empty where there is none."""
    return next((p.name for p in people if user and p.slack_id == user), "")


def by_pagerduty(people: Iterable[Person], user: str) -> str:
    """The person with this user id; empty where there is none."""
    return next((p.name for p in people if user and p.pagerduty_id == user), "")


def by_receiver(person: str) -> bool:
    """Whether a page went to a receiver, which is nobody in person."""
    return person.startswith("receiver:") or person == "everyone"
