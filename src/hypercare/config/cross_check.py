"""Names that must exist: receivers and time intervals of routes, people and schedules of escalations.

Works on what was read, not on validated models: so a misspelt name shows in the same run as a wrong key elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.config.problems import did_you_mean
from hypercare.config.targets import ASSIGNEE, EVERYONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.config.source import Document, Node
    from hypercare.model.errors import Problem


def texts(node: Node | None) -> list[Node]:
    """The scalar itself, or the scalars of a list."""
    if node is None:
        return []
    if node.scalar is not None:
        return [node]
    return [item for item in node.elements or [] if item.scalar is not None]


def names(root: Node, *path: str) -> list[str]:
    """The ``name`` of each element of a list."""
    return [str(node.scalar) for item in root.each(*path) if (node := item.at("name")) and node.scalar]


def check_alertmanager(document: Document) -> list[Problem]:
    """Unknown receivers and time intervals, names given twice."""
    root, found = document.root, list[tuple["Node | None", str, str]]()
    receivers = names(root, "receivers")
    hint = "each receiver needs a name of its own"
    found += [(first, f"two receivers have the name {name!r}", hint) for first, name in _twice(root, "receivers")]
    intervals: list[str] = []
    for key in ("mute_time_intervals", "time_intervals"):
        for item in root.each(key):
            node = item.at("name")
            if node is not None and node.scalar in intervals:
                found.append((node, f"two time intervals have the name {node.scalar!r}", ""))
            intervals += [str(node.scalar)] if node is not None and node.scalar else []
    for route in _routes(root.at("route"), 0):
        for node in texts(route.at("receiver")):
            if node.scalar and node.scalar not in receivers:
                found.append((node, f"unknown receiver {node.scalar!r}", did_you_mean(str(node.scalar), receivers)))
        for key in ("mute_time_intervals", "active_time_intervals"):
            for node in texts(route.at(key)):
                if node.scalar not in intervals:
                    hint = did_you_mean(str(node.scalar), intervals)
                    found.append((node, f"unknown time interval {node.scalar!r}", hint))
    return [document.problem(node, message, hint) for node, message, hint in found]


def _twice(root: Node, *path: str) -> Iterator[tuple[Node, str]]:
    seen: set[str] = set()
    for item in root.each(*path):
        node = item.at("name")
        if node is not None and node.scalar is not None:
            if node.scalar in seen:
                yield node, str(node.scalar)
            seen.add(str(node.scalar))


def _routes(node: Node | None, depth: int) -> Iterator[Node]:
    if node is None or depth > 100:
        return
    yield node
    for inner in node.each("routes"):
        yield from _routes(inner, depth + 1)


def check_hypercare(document: Document, receivers: list[str] | None, *, open_schedules: bool = False) -> list[Problem]:
    """Names that must exist: people, schedules, roles, calendars, actions, services, receivers (where known).

    ``open_schedules``: schedules may also be kept elsewhere; whoever knows these looks for them.
    """
    root, found = document.root, list["Problem"]()
    people = names(root, "people")
    known = {
        "person": people,
        "schedule": None if open_schedules else names(root, "oncall", "schedules"),
        "role": [*names(root, "oncall", "roles"), ASSIGNEE],
        "receiver": receivers,
        "channel": receivers,
        "calendar": names(root, "oncall", "calendars"),
        "action": names(root, "actions"),
        "escalation": names(root, "escalations"),
        "service": names(root, "services"),
        "component": names(root, "status_page", "components"),
    }

    def need(node: Node, name: str, what: str) -> None:
        these = known[what]
        if these is not None and name not in these:
            hint = did_you_mean(name, these) or f"none is defined in {document.file}"
            found.append(document.problem(node, f"unknown {what} {name!r}", hint))

    for schedule in root.each("oncall", "schedules"):
        for node in _people_of(schedule):
            need(node, str(node.scalar), "person")
    for _, node in targets_of(root):
        kind, colon, name = str(node.scalar).partition(":")
        if not colon and kind != EVERYONE:
            need(node, kind, "person")
        elif colon and kind in {"person", "schedule", "role", "receiver", "channel"}:
            need(node, name.strip(), kind)
    for step in (step for escalation in root.each("escalations") for step in escalation.each("steps")):
        for what, path in (
            ("calendar", ("if", "business_hours")),
            ("calendar", ("if", "outside_business_hours")),
            ("action", ("run",)),
        ):
            if (named := step.at(*path)) is not None and named.scalar:
                need(named, str(named.scalar), what)
    for node in _actions_of(root.at("deployments")):
        need(node, str(node.scalar), "action")
    for service in root.each("services"):
        if (named := service.at("escalation")) is not None and named.scalar:
            need(named, str(named.scalar), "escalation")
    for component in root.each("status_page", "components"):
        for node in texts(component.at("services")):
            need(node, str(node.scalar), "service")
    return found


def targets_of(root: Node) -> Iterator[tuple[str, Node]]:
    """Every place where a person, schedule, role or receiver is named as one to tell, with the place in words."""
    for escalation in root.each("escalations"):
        for number, step in enumerate(escalation.each("steps"), 1):
            yield from _told(f"step {number} of the escalation {_name(escalation)}", step, "notify")
    for role in root.each("oncall", "roles"):
        yield from _told(f"the role {_name(role)}", role, "is")
    clocks = root.at("oncall", "clocks")
    for entry in root.each("oncall", "clocks") if clocks is not None and clocks.elements else [clocks]:
        if entry is not None:
            yield from (*_told("the clocks", entry, "warn"), *_told("the clocks", entry, "tell"))
    yield from _told("the auditor", root, "oncall", "auditor", "notify")
    for action in root.each("actions"):
        yield from _told(f"the action {_name(action)}", action, "tell")
    for notice in root.each("incidents", "notify"):
        yield from _told("the notices of incidents", notice, "to")
    yield from _notified(root.at("deployments"))


def _told(what: str, node: Node, *path: str) -> Iterator[tuple[str, Node]]:
    return ((what, found) for found in texts(node.at(*path)))


def _name(node: Node) -> str:
    found = node.at("name")
    return str(found.scalar) if found is not None and found.scalar else "without a name"


def _notified(node: Node | None) -> Iterator[tuple[str, Node]]:
    """``notify`` anywhere below ``deployments``."""
    if node is None:
        return
    for inner in node.elements or ():
        yield from _notified(inner)
    for key in node.items or ():
        if key == "notify":
            yield from _told("the notices of deployments", node, key)
        else:
            yield from _notified(node.at(key))


def _people_of(schedule: Node) -> Iterator[Node]:
    """Every place of a schedule where a person is named."""
    yield from texts(schedule.at("rotation", "people"))
    for key, name in (("layers", "people"), ("overrides", "person"), ("swaps", "people"), ("holidays", "person")):
        for item in schedule.each(key):
            yield from texts(item.at(name))
    yield from texts(schedule.at("fallback"))


def _actions_of(node: Node | None) -> Iterator[Node]:
    """Every place below ``deployments`` where an action is named: of checks, and of plans at their verdict."""
    if node is None:
        return
    for inner in node.elements or ():
        yield from _actions_of(inner)
    for key in node.items or ():
        if key in {"actions", "rollback", "retire"}:
            yield from (found for found in texts(node.at(key)) if found.scalar)
        else:
            yield from _actions_of(node.at(key))
