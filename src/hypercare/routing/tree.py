"""The routing tree: which receivers hear of an alert, and how it is grouped on the way there."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

from hypercare.config.matcher_text import format_matcher
from hypercare.model.labels import EMPTY, Labels
from hypercare.model.matchers import matches_all
from hypercare.model.time import HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms

GROUP_BY_ALL = "..."


@dataclasses.dataclass(frozen=True, slots=True)
class RouteSpec:
    """One node as configured; none means that the parent's setting holds."""

    receiver: str = ""
    group_by: tuple[str, ...] | None = None
    matchers: tuple[Matcher, ...] = ()
    continue_: bool = False
    group_wait: Ms | None = None
    group_interval: Ms | None = None
    repeat_interval: Ms | None = None
    mute_time_intervals: tuple[str, ...] = ()
    active_time_intervals: tuple[str, ...] = ()
    labels: Labels = EMPTY
    routes: tuple[RouteSpec, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """One node of the tree with all settings resolved.

    Attributes:
        key: the matchers from the root to here; part of the group key.
        id: the key with the index of every child on the way: unique within the tree.
        uid: names the route across reloads: key and receiver, and a count where several share both.
        index: position in post-order (children before their parent).

    """

    key: str
    id: str
    uid: str
    index: int
    receiver: str
    matchers: tuple[Matcher, ...]
    continue_: bool
    group_by: tuple[str, ...]
    group_by_all: bool
    group_wait: Ms
    group_interval: Ms
    repeat_interval: Ms
    mute_time_intervals: tuple[str, ...]
    active_time_intervals: tuple[str, ...]
    labels: Labels
    routes: tuple[Route, ...]

    def match(self, labels: Labels) -> tuple[Route, ...]:
        """The routes an alert takes, in order; empty where this node does not match."""
        if not matches_all(self.matchers, labels):
            return ()
        found: list[Route] = []
        for child in self.routes:
            below = child.match(labels)
            found += below
            if below and not child.continue_:
                break
        return tuple(found) or (self,)

    def walk(self) -> Iterator[Route]:
        """This node and all below it, parents first."""
        yield self
        for child in self.routes:
            yield from child.walk()

    def group_labels(self, labels: Labels) -> Labels:
        """The labels that tell this alert's group from the others of the route."""
        return labels if self.group_by_all else labels.keep(self.group_by)

    def group_key(self, group_labels: Labels) -> str:
        """The group key as Alertmanager shows it, e.g. ``{}/{team="a"}:{alertname="Down"}``."""
        inner = ", ".join(f"{n}={json.dumps(v, ensure_ascii=False)}" for n, v in group_labels)
        return f"{self.key}:{{{inner}}}"

    def group_id(self, group_labels: Labels) -> str:
        """32 hex digits that name the group in rows and timers; stable while route and receiver stay the same."""
        text = f"{self.uid}\xff{self.group_key(group_labels)}"
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class _Builder:
    """Numbers the nodes and counts those that look alike."""

    def __init__(self) -> None:
        self.count = 0
        self.seen: dict[str, int] = {}

    def build(self, spec: RouteSpec, parent: _Inherited, key: str, route_id: str) -> Route:
        settings = parent.with_spec(spec)
        uid = f"{key}\xff{settings.receiver}"
        again = self.seen.get(uid, 0)
        self.seen[uid] = again + 1
        children = tuple(
            self.build(child, settings, f"{key}/{_matchers_text(child)}", f"{route_id}/{_matchers_text(child)}/{n}")
            for n, child in enumerate(spec.routes)
        )
        index = self.count
        self.count += 1
        return Route(
            key=key,
            id=route_id,
            uid=f"{uid}\xff{again}",
            index=index,
            receiver=settings.receiver,
            matchers=_ordered(spec.matchers),
            continue_=spec.continue_,
            group_by=settings.group_by,
            group_by_all=settings.group_by_all,
            group_wait=settings.group_wait,
            group_interval=settings.group_interval,
            repeat_interval=settings.repeat_interval,
            # Time intervals hold for the very route that names them; children do not inherit them.
            mute_time_intervals=spec.mute_time_intervals,
            active_time_intervals=spec.active_time_intervals,
            labels=settings.labels,
            routes=children,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Inherited:
    receiver: str
    group_by: tuple[str, ...]
    group_by_all: bool
    group_wait: Ms
    group_interval: Ms
    repeat_interval: Ms
    labels: Labels

    def with_spec(self, spec: RouteSpec) -> _Inherited:
        group_by, by_all = self.group_by, self.group_by_all
        if spec.group_by is not None:
            by_all = GROUP_BY_ALL in spec.group_by
            group_by = () if by_all else tuple(sorted(set(spec.group_by)))
        return _Inherited(
            receiver=spec.receiver or self.receiver,
            group_by=group_by,
            group_by_all=by_all,
            group_wait=self.group_wait if spec.group_wait is None else spec.group_wait,
            group_interval=self.group_interval if spec.group_interval is None else spec.group_interval,
            repeat_interval=self.repeat_interval if spec.repeat_interval is None else spec.repeat_interval,
            labels=self.labels.with_(spec.labels.as_dict()),
        )


_DEFAULTS = _Inherited(
    receiver="",
    group_by=(),
    group_by_all=False,
    group_wait=30 * SECOND,
    group_interval=5 * MINUTE,
    repeat_interval=4 * HOUR,
    labels=EMPTY,
)


def build_tree(root: RouteSpec) -> Route:
    """Resolve inheritance and name every node."""
    text = _matchers_text(root)
    return _Builder().build(root, _DEFAULTS, text, text)


def _ordered(matchers: tuple[Matcher, ...]) -> tuple[Matcher, ...]:
    return tuple(sorted(matchers, key=lambda m: (m.name, m.value, m.op)))


def _matchers_text(spec: RouteSpec) -> str:
    return format_matchers(_ordered(spec.matchers))


def format_matchers(matchers: tuple[Matcher, ...]) -> str:
    """A set of matchers in braces, as route keys show it."""
    return "{" + ",".join(format_matcher(m) for m in matchers) + "}"
