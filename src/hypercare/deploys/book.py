"""The findings of one watch as they are now: new ones are written once, lasting ones followed, passed ones ended."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.deploys import rows
from hypercare.judge.findings import Finding, Level, Method

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hypercare.deploys.checks import CheckRow
    from hypercare.deploys.store import StoredFinding
    from hypercare.judge.series import Samples
    from hypercare.kernel import Context
    from hypercare.model.time import Ms

_GRAVITY = {Level.NOTE: 0, Level.WARNING: 1, Level.CRITICAL: 2}
Key = tuple[str, str]


@dataclasses.dataclass(slots=True)
class Kept:
    """One finding that is known."""

    id: int
    check: str
    method: Method
    level: Level
    since: Ms
    at: Ms
    until: Ms | None


class Book:
    """All findings of a watch; the rows follow in the same transaction.

    Args:
        watch_id: whose.
        stored: what was written before a restart.
        announce: called for each finding that is new or has become graver.

    """

    def __init__(
        self,
        watch_id: str,
        stored: Iterable[StoredFinding],
        announce: Callable[[Context, CheckRow, Finding], None],
    ) -> None:
        self._watch_id = watch_id
        self._announce = announce
        self.kept: list[Kept] = [
            Kept(s.id, s.check, Method(s.method), Level(s.level), s.since, s.at, s.until) for s in stored
        ]
        self._open: dict[Key, Kept] = {(k.check, k.method): k for k in self.kept if k.until is None}
        self._passed: dict[Key, Ms] = {}
        for each in self.kept:
            self._pass(each)

    def open(self, check: str, method: Method | None = None) -> tuple[Kept, ...]:
        """What lasts of a check."""
        return tuple(k for (c, m), k in self._open.items() if c == check and method in {None, m})

    def history(self, ctx: Context, row: CheckRow, found: Iterable[Finding], points: Samples) -> None:
        """Take what a method finds in a stretch of the past: it may begin and end several findings."""
        for finding in found:
            key = (row.id, finding.method)
            kept = self._open.get(key)
            if kept is None and finding.at > self._passed.get(key, -1):
                self._begin(ctx, row, finding, points)
            elif kept is not None and finding.since <= kept.at <= (finding.until or kept.at):
                self._follow(ctx, row, kept, finding)

    def now(
        self, ctx: Context, row: CheckRow, method: Method, finding: Finding | None, points: Samples, at: Ms
    ) -> None:
        """Take what a method says of one instant: something, or nothing (which ends what lasted)."""
        kept = self._open.get((row.id, method))
        # After a restart the past is measured again: what is known of it stays as it is.
        if at < (kept.at if kept is not None else self._passed.get((row.id, method), at)):
            return
        if finding is not None:
            if kept is None:
                if finding.since < self._passed.get((row.id, method), finding.since):
                    return
                self._begin(ctx, row, finding, points)
            else:
                self._follow(ctx, row, kept, finding)
        elif kept is not None:
            self._end(ctx, kept, at)

    def _begin(self, ctx: Context, row: CheckRow, finding: Finding, points: Samples) -> None:
        name = rows.put_finding(ctx, self._watch_id, (row.id, row.service, row.expr), finding, points)
        kept = Kept(name, row.id, finding.method, finding.level, finding.since, finding.at, finding.until)
        self.kept.append(kept)
        if finding.until is None:
            self._open[row.id, finding.method] = kept
        self._pass(kept)
        self._announce(ctx, row, finding)

    def _follow(self, ctx: Context, row: CheckRow, kept: Kept, finding: Finding) -> None:
        if _GRAVITY[finding.level] > _GRAVITY[kept.level]:
            kept.level = finding.level
            values = {
                "value": finding.value,
                "bound": finding.bound,
                "change": finding.change,
                "reason": finding.reason,
            }
            rows.change_finding(ctx, kept.id, level=str(finding.level), **values)
            self._announce(ctx, row, finding)
        if finding.until is not None:
            self._end(ctx, kept, finding.until)

    def _end(self, ctx: Context, kept: Kept, until: Ms) -> None:
        kept.until = until
        self._open.pop((kept.check, kept.method), None)
        self._pass(kept)
        rows.change_finding(ctx, kept.id, until=until)
        rows.tell(ctx, self._watch_id, "passed", f"{kept.check}: the {kept.level} finding by {kept.method} has passed")

    def _pass(self, kept: Kept) -> None:
        if kept.until is not None:
            key = (kept.check, kept.method)
            self._passed[key] = max(self._passed.get(key, -1), kept.until)
