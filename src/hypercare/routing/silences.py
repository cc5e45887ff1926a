"""Silences: what people asked not to hear of, from when until when, and why."""

from __future__ import annotations

import dataclasses
import enum
import re
from typing import TYPE_CHECKING

from hypercare.model.decision import Decision, Reason
from hypercare.model.matchers import Matcher, MatchOp, matches_all
from hypercare.model.time import SECOND
from hypercare.routing.recurrence import FAR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms
    from hypercare.routing.recurrence import Recurrence, Window

MatcherSets = tuple[tuple[Matcher, ...], ...]
"""Sets are or-ed, matchers within a set and-ed."""

_CLASSIC_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class SilenceState(enum.StrEnum):
    """Where a silence stands at an instant."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


@dataclasses.dataclass(frozen=True, slots=True)
class Silence:
    """One silence; 0 as an instant means that it was not given.

    Attributes:
        recurrence: between its ends it is silent only then; none: all the time.

    """

    id: str
    matcher_sets: MatcherSets
    starts_at: Ms
    ends_at: Ms
    updated_at: Ms = 0
    created_by: str = ""
    comment: str = ""
    recurrence: Recurrence | None = None

    def state(self, at: Ms) -> SilenceState:
        """Pending, active (both ends included) or expired; a recurrence does not count."""
        if at < self.starts_at:
            return SilenceState.PENDING
        return SilenceState.EXPIRED if at > self.ends_at else SilenceState.ACTIVE

    def shown_state(self, at: Ms) -> SilenceState:
        """As ``state``, but pending where a recurrence waits for its next window."""
        state = self.state(at)
        waits = state is SilenceState.ACTIVE and not self.is_silent(at)
        return SilenceState.PENDING if waits else state

    def is_silent(self, at: Ms) -> bool:
        """Whether it holds notifications back."""
        if not self.starts_at <= at <= self.ends_at:
            return False
        return self.recurrence is None or self.recurrence.contains(at)

    def window(self, at: Ms) -> Window | None:
        """For one that recurs: the window that holds the instant, or the next; none if no other comes."""
        if self.recurrence is None or at > self.ends_at:
            return None
        return self.recurrence.window(at, self.starts_at, self.ends_at + 1)

    def next_change(self, after: Ms) -> Ms | None:
        """When it begins or ceases to be silent, after an instant; it may be a change of ``state`` alone."""
        ends = [at for at in (self.starts_at, self.ends_at + 1) if at > after]
        if self.recurrence is not None and after <= self.ends_at:
            change = self.recurrence.next_change(max(after, self.starts_at), self.ends_at)
            ends += [] if change is None else [change]
        return min(ends, default=None)

    def matches(self, labels: Labels) -> bool:
        """Whether any of the sets fits."""
        return any(matches_all(matchers, labels) for matchers in self.matcher_sets)


def make_matcher(name: str, op: str, value: str, *, utf8: bool = True) -> Matcher:
    """A matcher from parts that somebody sent.

    Args:
        name: a label name.
        op: ``=``, ``!=``, ``=~`` or ``!~``.
        value: text, or a regular expression.
        utf8: whether label names may hold any characters, or only letters, digits and underscores.

    Raises:
        ValueError: with what is wrong.

    """
    valid = bool(name) and is_text(name) if utf8 else _CLASSIC_NAME.fullmatch(name) is not None
    if not valid:
        msg = f"invalid label name {name!r}"
        raise ValueError(msg)
    if op not in tuple(MatchOp):
        msg = f'unknown matcher type "{op}"'
        raise ValueError(msg)
    if not is_text(value):
        msg = f"invalid label value {value!r}"
        raise ValueError(msg)
    try:
        return Matcher(name, MatchOp(op), value)
    except ValueError as err:
        msg = f"invalid regular expression {value!r}: {err}"
        raise ValueError(msg) from err


def is_text(text: str) -> bool:
    """Whether the text has no broken characters (lone surrogates stand for bytes that are not UTF-8)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def validate(silence: Silence) -> None:
    """Check a silence that is to be kept.

    Raises:
        ValueError: with what is wrong.

    """
    if not silence.matcher_sets:
        raise ValueError("at least one matcher required")
    for number, matchers in enumerate(silence.matcher_sets):
        if not matchers:
            msg = f"matcher set {number} is empty"
            raise ValueError(msg)
        if all(m.matches_value("") for m in matchers):
            raise ValueError("at least one matcher must not match the empty string")
    if not silence.starts_at:
        raise ValueError("invalid zero start timestamp")
    if not silence.ends_at:
        raise ValueError("invalid zero end timestamp")
    if silence.ends_at < silence.starts_at:
        raise ValueError("end time must not be before start time")
    if silence.recurrence is None:
        return
    if not 0 <= silence.starts_at <= FAR:
        raise ValueError("a recurring silence must not start before 1970 or in thousands of years")
    if silence.window(silence.starts_at) is None:
        msg = f"its recurrence ({silence.recurrence}) never comes between start time and end time"
        raise ValueError(msg)


def can_update(old: Silence, new: Silence, now: Ms) -> bool:
    """Whether ``new`` may take the place of ``old`` under its id; otherwise the old one ends and a new one begins."""
    if old.matcher_sets != new.matcher_sets:
        return False
    match old.state(now):
        # What was silent in which window stands in journals.
        case SilenceState.ACTIVE if old.recurrence != new.recurrence:
            return False
        case SilenceState.ACTIVE:
            # Clients send times in whole seconds.
            return new.starts_at // SECOND == old.starts_at // SECOND and new.ends_at >= now
        case SilenceState.PENDING:
            return new.starts_at >= now
        case SilenceState.EXPIRED:
            return False


def put(wanted: Silence, old: Silence | None, new_id: str, now: Ms) -> tuple[Silence, ...]:
    """What to store so that ``wanted`` holds: the silence itself first, then, where it is replaced, the old one ended.

    Raises:
        LookupError: an id is given, and there is no such silence.
        ValueError: the silence is not valid.

    """
    if not wanted.starts_at:
        wanted = dataclasses.replace(wanted, starts_at=now)
    try:
        validate(wanted)
    except ValueError as err:
        msg = f"invalid silence: {err}"
        raise ValueError(msg) from err
    if wanted.id and old is None:
        raise LookupError("silence not found")
    if old is not None and can_update(old, wanted, now):
        return (dataclasses.replace(wanted, updated_at=now),)
    fresh = dataclasses.replace(wanted, id=new_id, starts_at=max(wanted.starts_at, now), updated_at=now)
    if old is not None and old.state(now) is not SilenceState.EXPIRED:
        return fresh, expire(old, now)
    return (fresh,)


def expire(silence: Silence, now: Ms) -> Silence:
    """The silence ended now; one that has expired stays as it is."""
    match silence.state(now):
        case SilenceState.ACTIVE:
            return dataclasses.replace(silence, ends_at=now, updated_at=now)
        case SilenceState.PENDING:
            return dataclasses.replace(silence, starts_at=now, ends_at=now, updated_at=now)
        case SilenceState.EXPIRED:
            return silence


class Silencer:
    """All silences, with the result of matching kept per alert until a silence changes."""

    def __init__(self, silences: Iterable[Silence] = ()) -> None:
        self._silences = {s.id: s for s in silences}
        self._matching: dict[str, tuple[Silence, ...]] = {}

    def get(self, silence_id: str) -> Silence | None:
        """A silence by id."""
        return self._silences.get(silence_id)

    def all(self) -> tuple[Silence, ...]:
        """Every silence, expired ones included."""
        return tuple(self._silences.values())

    def put(self, silence: Silence) -> None:
        """Add or replace one."""
        self._silences[silence.id] = silence
        self._matching.clear()

    def drop(self, silence_id: str) -> None:
        """Forget one."""
        if self._silences.pop(silence_id, None) is not None:
            self._matching.clear()

    def forget_alert(self, fingerprint: str) -> None:
        """Drop what is kept for an alert that is gone."""
        self._matching.pop(fingerprint, None)

    def active(self, fingerprint: str, labels: Labels, now: Ms) -> tuple[str, ...]:
        """Ids of the active silences that match, in the order in which they were made."""
        found = self._matching.get(fingerprint)
        if found is None:
            found = tuple(s for s in self._silences.values() if s.matches(labels))
            self._matching[fingerprint] = found
        return tuple(s.id for s in found if s.is_silent(now)) if found else ()

    def is_quiet(self, now: Ms) -> bool:
        """Whether no silence is active, so that nobody need be asked about."""
        return not any(silence.state(now) is SilenceState.ACTIVE for silence in self._silences.values())

    def decide(self, fingerprint: str, labels: Labels, now: Ms) -> Decision | None:
        """Why an alert is not told, or none."""
        ids = self.active(fingerprint, labels, now)
        return Decision(send=False, reason=Reason.SILENCED, by=", ".join(ids)) if ids else None
