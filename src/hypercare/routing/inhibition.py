"""Inhibition: while a source alert fires, alerts that it explains are not told."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.model.decision import Decision, Reason
from hypercare.model.matchers import matches_all

if TYPE_CHECKING:
    from hypercare.model.alerts import Alert
    from hypercare.model.labels import Labels
    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class InhibitRule:
    """Alerts that match ``source`` mute those that match ``target`` and agree in the ``equal`` labels."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()

    def equal_values(self, labels: Labels) -> tuple[str, ...]:
        """The values that source and target must share; an absent label counts as empty."""
        return tuple(labels.get(name) for name in self.equal)


class _RuleIndex:
    """The sources of one rule by the values of its equal labels; one look-up a target."""

    __slots__ = ("rule", "sources", "targets", "touched")

    def __init__(self, rule: InhibitRule) -> None:
        self.rule = rule
        # Per value tuple: fingerprint -> (the alert, whether it matches the target side as well, whether it has ended).
        self.sources: dict[tuple[str, ...], dict[str, tuple[Alert, bool, bool]]] = {}
        # Per value tuple the fingerprints of the alerts that may be muted.
        self.targets: dict[tuple[str, ...], dict[str, None]] = {}
        # Value tuples whose sources began or ended.
        self.touched: dict[tuple[str, ...], None] = {}

    def put(self, fingerprint: str, alert: Alert, *, ended: bool) -> None:
        values = self.rule.equal_values(alert.labels)
        known = self.sources.get(values, {}).get(fingerprint)
        if known is None:
            both = matches_all(self.rule.target, alert.labels)
            if both:
                self.targets.setdefault(values, {})[fingerprint] = None
            if not matches_all(self.rule.source, alert.labels):
                return
        else:
            both = known[1]
        if known is None or known[2] != ended:
            self.touched[values] = None
        self.sources.setdefault(values, {})[fingerprint] = (alert, both, ended)

    def drop(self, fingerprint: str, labels: Labels) -> None:
        values = self.rule.equal_values(labels)
        if values in self.sources and self.sources[values].pop(fingerprint, None) is not None:
            self.touched[values] = None
        for held in (self.sources, self.targets):
            found = held.get(values)
            if found is not None:
                found.pop(fingerprint, None)
                if not found:
                    del held[values]

    def source_for(self, labels: Labels, now: Ms) -> str | None:
        """The fingerprint of a firing source that mutes a target with these labels."""
        found = self.sources.get(self.rule.equal_values(labels))
        if not found or not matches_all(self.rule.target, labels):
            return None
        # A target that is itself on both sides is not muted by a source on both sides: they would mute each other.
        target_on_both_sides = matches_all(self.rule.source, labels)
        for fingerprint, (alert, both, _) in found.items():
            if not alert.resolved_at(now) and not (both and target_on_both_sides):
                return fingerprint
        return None


class Inhibitor:
    """Knows the alerts that may inhibit others."""

    def __init__(self, rules: tuple[InhibitRule, ...]) -> None:
        self._rules = [_RuleIndex(rule) for rule in rules]

    def put(self, fingerprint: str, alert: Alert, *, ended: bool = False) -> None:
        """Take in a new or changed alert, or the end of one."""
        for index in self._rules:
            index.put(fingerprint, alert, ended=ended)

    def take_touched(self) -> dict[str, None]:
        """Fingerprints of alerts whose sources began or ended since this was asked last."""
        found: dict[str, None] = {}
        for index in self._rules:
            for values in index.touched:
                found |= index.targets.get(values, {})
            index.touched.clear()
        return found

    def drop(self, fingerprint: str, labels: Labels) -> None:
        """Forget an alert."""
        for index in self._rules:
            index.drop(fingerprint, labels)

    def sources(self, labels: Labels, now: Ms) -> tuple[str, ...]:
        """Fingerprints of the alerts that inhibit one with these labels: the first of each rule, none twice."""
        found = (index.source_for(labels, now) for index in self._rules)
        return tuple(dict.fromkeys(f for f in found if f is not None))

    @property
    def is_quiet(self) -> bool:
        """Whether there is no alert that could inhibit another."""
        return not any(index.sources for index in self._rules)

    def decide(self, labels: Labels, now: Ms) -> Decision | None:
        """Why an alert with these labels is not told, or none."""
        for index in self._rules:
            source = index.source_for(labels, now)
            if source is not None:
                return Decision(send=False, reason=Reason.INHIBITED, by=source)
        return None
