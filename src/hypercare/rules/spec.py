"""Rule groups as the service runs them, made from the configuration."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, TypeAlias

from hypercare.config.objectives import rules_of
from hypercare.model.labels import EMPTY, Labels
from hypercare.model.time import MINUTE, SECOND, TOGETHER, Ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypercare.config import Config, Rule, RuleFile, RuleGroup
    from hypercare.model.relabel import RelabelRule

Pairs: TypeAlias = tuple[tuple[str, str], ...]
_SETTLE: Final = 15 * SECOND
"""How long a scrape that is due may take until its samples are there."""


@dataclasses.dataclass(frozen=True, slots=True)
class RuleSpec:
    """One rule.

    Attributes:
        key: names the rule's stored state. It is made of file, group, name and labels, so that a change of the
            expression or of ``for`` keeps what is pending or firing.
        name: of the series or of the alert.
        alerting: an alerting rule; else a recording rule.
        hold: ``for``, ms.
        keep: ``keep_firing_for``, ms.
        labels: as written, sorted by name: the group's labels are among them, values may be templates (of an alerting
            rule) or empty (the label is removed).
        annotations: as written, sorted by name.

    """

    key: str
    name: str
    expr: str
    alerting: bool
    hold: Ms = 0
    keep: Ms = 0
    labels: Pairs = ()
    annotations: Pairs = ()


@dataclasses.dataclass(frozen=True, slots=True)
class GroupSpec:
    """One group.

    Attributes:
        file: where it is written.
        interval: between evaluations, ms.
        query_offset: by how much the queries look back, ms.
        limit: alerts or series that a rule may yield; 0: any number.

    """

    file: str
    name: str
    interval: Ms
    query_offset: Ms
    limit: int
    rules: tuple[RuleSpec, ...]

    @property
    def key(self) -> str:
        """The group's name among all files'."""
        return f"{self.file};{self.name}"

    @property
    def phase(self) -> Ms:
        """The place of the evaluations within the interval, spread over the groups; ms.

        The directory does not count: the same files elsewhere tick at the same instants. Groups of an interval of
        seconds tick right after the scrapes of such intervals.
        """
        if self.interval <= TOGETHER:
            return min(self.interval // 20, 100)
        text = f"{PurePath(self.file).name};{self.name}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") % self.interval

    def due(self, now: Ms) -> Ms:
        """The first evaluation at or after an instant."""
        return now + (self.phase - now) % self.interval


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """What all groups share.

    Attributes:
        external_url: under which people reach us; empty where not configured.
        external_labels: for templates, and for published alerts that lack them.
        relabel: what is done to the labels of published alerts (``alert_relabel_configs``).
        patience: how long after a start a restored alert is kept though its expression does not yield it;
            a group's two intervals are the least in any case; ms.

    """

    external_url: str = ""
    external_labels: Labels = EMPTY
    relabel: tuple[RelabelRule, ...] = ()
    patience: Ms = MINUTE


def surroundings_of(config: Config) -> Surroundings:
    """What the configuration says to all groups."""
    jobs = (job.interval for job in config.prometheus.jobs)
    return Surroundings(
        external_url=config.hypercare.web.external_url.rstrip("/"),
        external_labels=Labels.of(config.prometheus.global_.external_labels),
        relabel=tuple(r.rule for r in config.prometheus.alerting.alert_relabel_configs),
        patience=max(MINUTE, max(jobs, default=0) + _SETTLE),
    )


def groups_of(config: Config) -> tuple[GroupSpec, ...]:
    """The configuration's groups, in reading order; after them those of the services' objectives."""
    defaults = config.prometheus.global_
    files = (*config.rules, *rules_of(config.hypercare.services))
    return from_files(files, defaults.evaluation_interval or MINUTE, defaults.rule_query_offset)


def from_files(files: Iterable[RuleFile], interval: Ms = MINUTE, query_offset: Ms = 0) -> tuple[GroupSpec, ...]:
    """The groups of rule files.

    Args:
        files: in order.
        interval: of groups that name none, ms.
        query_offset: of groups that name none, ms.

    """
    return tuple(_group(file.path, group, interval, query_offset) for file in files for group in file.groups)


def _group(path: str, group: RuleGroup, interval: Ms, query_offset: Ms) -> GroupSpec:
    seen: dict[str, int] = {}
    return GroupSpec(
        file=path,
        name=group.name,
        interval=group.interval or interval,
        query_offset=query_offset if group.query_offset is None else group.query_offset,
        limit=group.limit,
        rules=tuple(_rule(f"{path};{group.name}", rule, group.labels, seen) for rule in group.rules),
    )


def _rule(group: str, rule: Rule, shared: Mapping[str, str], seen: dict[str, int]) -> RuleSpec:
    labels = {**shared, **rule.labels}
    identity = json.dumps([group, bool(rule.alert), rule.name, sorted(labels.items())], ensure_ascii=False)
    digest = hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    # Two rules may agree in all of that: the place among them tells them apart.
    count = seen[digest] = seen.get(digest, 0) + 1
    return RuleSpec(
        key=digest if count == 1 else f"{digest}-{count}",
        name=rule.name,
        expr=rule.expr,
        alerting=bool(rule.alert),
        hold=rule.for_,
        keep=rule.keep_firing_for,
        labels=tuple(sorted(labels.items())),
        annotations=tuple(sorted(rule.annotations.items())),
    )
