"""What OpenMetrics demands beyond the form of single lines: families, groups, order and values.

Prometheus takes expositions that break these rules, and so do scrapes here: a target must not go dark for a sum that
is NaN. Whoever writes an exposition wants to know, though. The rules are those of OpenMetrics 1.0, section by section.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from hypercare.collectors.exposition.lines import Comment, ExpositionError, Meta, Series, number
from hypercare.model.labels import METRIC_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.time import Ms

_SUFFIXES: Final = {
    "counter": ("_total", "_created"),
    "summary": ("", "_count", "_sum", "_created"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
    "info": ("_info",),
}
_WITH_EXEMPLAR: Final = frozenset({("counter", "_total"), ("histogram", "_bucket"), ("gaugehistogram", "_bucket")})
_WITHOUT_UNIT: Final = frozenset({"info", "stateset"})
_NEVER_NEGATIVE: Final = frozenset({
    ("counter", "_total"), ("summary", ""), ("summary", "_count"), ("summary", "_sum"), ("histogram", "_bucket"),
    ("histogram", "_count"), ("histogram", "_sum"), ("gaugehistogram", "_bucket"), ("gaugehistogram", "_gcount"),
})  # fmt: skip
_NEVER_NAN: Final = _NEVER_NEGATIVE - {("summary", "")} | {("gaugehistogram", "_gsum")}
_LONGEST_EXEMPLAR: Final = 128


def _refuse(text: str) -> ExpositionError:
    return ExpositionError(text)


class _Point:
    """The samples of one histogram at one time."""

    def __init__(self) -> None:
        self.bounds: list[float] = []
        self.counts: list[float] = []
        self.others: dict[str, float] = {}

    def check(self, name: str) -> None:
        """Whether they are a whole histogram.

        Raises:
            ExpositionError: something is missing, or contradicts the rest.

        """
        if not self.bounds or self.bounds[-1] != math.inf:
            raise _refuse(f"the histogram {name} has no bucket +Inf at its end")
        count = self.others.get("_count", self.others.get("_gcount"))
        total = self.others.get("_sum", self.others.get("_gsum"))
        if count is not None and count != self.counts[-1]:
            raise _refuse(f"the count of the histogram {name} is {count:g}, its bucket +Inf has {self.counts[-1]:g}")
        negative = self.bounds[0] < 0
        if "_sum" in self.others and negative:
            raise _refuse(f"the histogram {name} has negative buckets, and a sum, which could fall")
        if total is not None and total < 0 and not negative:
            raise _refuse(f"the histogram {name} has a negative sum, but no negative bucket")
        if (count is None) != (total is None) and not (negative and total is None):
            raise _refuse(f"the histogram {name} has a count or a sum, but not both")


class _Family:
    """The family that lines belong to now."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.type = "unknown"
        self.told: set[str] = set()
        self.sampled = False
        self.groups: set[tuple[tuple[str, str], ...]] = set()
        self.group: tuple[tuple[str, str], ...] | None = None
        self.stamp: Ms | None = None
        self.point = _Point()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its samples."""
        return tuple(self.name + suffix for suffix in _SUFFIXES.get(self.type, ("",)))


class Rules:
    """Looks at the lines of one exposition, one after the other."""

    def __init__(self) -> None:
        self._family: _Family | None = None
        self._taken: set[str] = set()

    def take(self, entry: Meta | Comment | Series) -> None:
        """Look at a line.

        Raises:
            ExpositionError: it breaks a rule.

        """
        if isinstance(entry, Meta):
            self._meta(entry)
        elif isinstance(entry, Series):
            self._series(entry)

    def finish(self) -> None:
        """Look at what is complete at the end.

        Raises:
            ExpositionError: it is not.

        """
        family, self._family = self._family, None
        if family is None:
            return
        self._end_point(family)
        if not family.sampled:
            self._claim(family)

    def _claim(self, family: _Family) -> None:
        """No two families may have a sample's name in common."""
        names = {family.name, *family.names}
        clash = sorted(names & self._taken)
        if clash:
            raise _refuse(f"the name {clash[0]} is that of an earlier family, or of its samples")
        self._taken |= names

    def _begin(self, name: str) -> _Family:
        self.finish()
        if name in self._taken:
            raise _refuse(f"the family {name} stands in two places, or its name is that of another one's samples")
        self._family = _Family(name)
        return self._family

    def _meta(self, meta: Meta) -> None:
        family = self._family
        if family is None or family.name != meta.metric:
            family = self._begin(meta.metric)
        if family.sampled:
            raise _refuse(f"{meta.kind.upper()} of {meta.metric} stands behind its samples")
        if meta.kind in family.told:
            raise _refuse(f"{meta.kind.upper()} of {meta.metric} stands twice")
        family.told.add(meta.kind)
        if meta.kind == "type":
            family.type = meta.text
        if "unit" in family.told and family.type in _WITHOUT_UNIT:
            raise _refuse(f"{family.name} is of the type {family.type}, which has no unit")

    def _series(self, series: Series) -> None:
        labels = dict(series.pairs)
        name = labels.pop(METRIC_NAME)
        family = self._family
        if family is None or name not in family.names:
            family = self._begin(name)
        if not family.sampled:
            self._claim(family)
            family.sampled = True
        suffix = name.removeprefix(family.name)
        _check_value(family, suffix, series, labels)
        _check_exemplar(family, suffix, series)
        self._order(family, suffix, series, labels)

    def _order(self, family: _Family, suffix: str, series: Series, labels: dict[str, str]) -> None:
        """Samples of one metric stand together, its points in the order of time."""
        own = {"histogram": "le", "gaugehistogram": "le", "summary": "quantile", "stateset": family.name}.get(
            family.type
        )
        group = tuple(sorted((n, v) for n, v in labels.items() if n != own))
        if group != family.group:
            self._end_point(family)
            if group in family.groups:
                raise _refuse(f"samples of one metric do not stand together: {series.text}")
            family.groups.add(group)
            family.group = group
        elif series.timestamp != family.stamp:
            if series.timestamp is None or family.stamp is None:
                raise _refuse(f"some samples of {series.text} have timestamps, some have none")
            if series.timestamp < family.stamp:
                raise _refuse(f"the timestamps of {series.text} go back")
            self._end_point(family)
        family.stamp = series.timestamp
        if family.type in {"histogram", "gaugehistogram"}:
            _add_to_point(family.point, suffix, series, labels)

    def _end_point(self, family: _Family) -> None:
        if family.point.bounds or family.point.others:
            family.point.check(family.name)
        family.point = _Point()


def _add_to_point(point: _Point, suffix: str, series: Series, labels: dict[str, str]) -> None:
    if suffix != "_bucket":
        if suffix != "_created":
            point.others[suffix] = series.value
        return
    bound = number(labels["le"])
    if point.bounds and bound <= point.bounds[-1]:
        raise _refuse(f"buckets are not in ascending order: {series.text}")
    if point.counts and series.value < point.counts[-1]:
        raise _refuse(f"a bucket has less than the one before it: {series.text}")
    point.bounds.append(bound)
    point.counts.append(series.value)


def _check_value(family: _Family, suffix: str, series: Series, labels: dict[str, str]) -> None:
    key, value = (family.type, suffix), series.value
    if key in _NEVER_NAN and math.isnan(value):
        raise _refuse(f"NaN is no value of {series.text}")
    if key in _NEVER_NEGATIVE and value < 0:
        raise _refuse(f"{series.text} cannot be negative")
    if suffix == "_bucket" and family.type in {"histogram", "gaugehistogram"}:
        _number_label(labels, "le", series.text, lambda bound: not math.isnan(bound))
    elif key == ("summary", ""):
        _number_label(labels, "quantile", series.text, lambda quantile: 0 <= quantile <= 1)
    elif family.type == "stateset":
        if family.name not in labels:
            raise _refuse(f"a state set has a label of its own name: {series.text}")
        if value not in {0.0, 1.0}:
            raise _refuse(f"a state is 0 or 1: {series.text}")
    elif family.type == "info" and value != 1:
        raise _refuse(f"an info is 1: {series.text}")


def _number_label(labels: dict[str, str], name: str, text: str, fits: Callable[[float], bool]) -> None:
    given = labels.get(name)
    if given is None:
        raise _refuse(f"the label {name} is missing: {text}")
    if not fits(number(given)):
        raise _refuse(f"{given} is no value of the label {name}: {text}")


def _check_exemplar(family: _Family, suffix: str, series: Series) -> None:
    exemplar = series.exemplar
    if exemplar is None:
        return
    if (family.type, suffix) not in _WITH_EXEMPLAR:
        raise _refuse(f"only counters and buckets have exemplars: {series.text}")
    if sum(len(name) + len(value) for name, value in exemplar.labels) > _LONGEST_EXEMPLAR:
        raise _refuse(f"the labels of an exemplar have more than {_LONGEST_EXEMPLAR} characters: {series.text}")
