"""Names of metrics and labels as OpenTelemetry's specification of Prometheus compatibility has them.

https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/; Prometheus' four translation
strategies decide on suffixes and on what is escaped.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hypercare.config.remote import Otlp

_UNITS: Final = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes",
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius",
    "Hz": "hertz", "1": "", "%": "percent",
}  # fmt: skip
_PER_UNITS: Final = {
    "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year",
}  # fmt: skip
_NO_TOKEN: Final = re.compile(r"[^a-zA-Z0-9:]+")
_NO_METRIC: Final = re.compile(r"[^a-zA-Z0-9:_]")
_NO_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")
_UNDERSCORES: Final = re.compile(r"_{2,}")


class Kind(enum.Enum):
    """What decides on the suffix of a name."""

    COUNTER = "counter"
    GAUGE = "gauge"
    OTHER = "other"


@dataclasses.dataclass(frozen=True, slots=True)
class Naming:
    """How names are translated.

    Attributes:
        escape: put underscores where a classic name cannot have a character.
        suffixes: add unit and type.
        key_prefix: ``key`` before labels that begin with one underscore.
        many_underscores: leave several underscores in a row.

    """

    escape: bool = True
    suffixes: bool = True
    key_prefix: bool = True
    many_underscores: bool = True

    @classmethod
    def of(cls, config: Otlp) -> Naming:
        """As ``otlp`` of prometheus.yml says."""
        strategy = config.translation_strategy
        return cls(
            escape=strategy.startswith("Underscore"),
            suffixes=strategy.endswith("WithSuffixes"),
            key_prefix=config.label_name_underscore_sanitization,
            many_underscores=config.label_name_preserve_multiple_underscores,
        )


@lru_cache(maxsize=16_384)
def metric_name(name: str, unit: str, kind: Kind, naming: Naming) -> str:
    """The name of a metric; for histograms and summaries what stands before ``_bucket`` and the like."""
    if naming.escape:
        found = _escaped(name, unit, kind) if naming.suffixes else _NO_METRIC.sub("_", name)
        return f"_{found}" if found[:1].isdigit() else found
    return _suffixed(name, unit, kind) if naming.suffixes else name


def _units(unit: str) -> tuple[str, str]:
    """Main unit and, after a slash, what it is per; units in braces are remarks and name nothing."""
    main, _, per = (part.strip() for part in unit.partition("/"))
    return (
        "" if "{" in main or "}" in main else _UNITS.get(main, main),
        "" if "{" in per or "}" in per else _PER_UNITS.get(per, per),
    )


def _clean(unit: str) -> str:
    return _UNDERSCORES.sub("_", _NO_METRIC.sub("_", unit)).removeprefix("_")


def _escaped(name: str, unit: str, kind: Kind) -> str:
    tokens = [token for token in _NO_TOKEN.split(name) if token]
    main, per = (_clean(part) for part in _units(unit))
    if main in tokens:
        main = ""
    if per in tokens:
        per = ""
    if per:
        main = main.removesuffix("_")
    tokens += [main] if main else []
    tokens += ["per", per] if per else []
    if kind is Kind.COUNTER:
        tokens = [*(token for token in tokens if token != "total"), "total"]  # noqa: S105 - part of a name
    if kind is Kind.GAUGE and unit == "1":
        tokens = [*(token for token in tokens if token != "ratio"), "ratio"]  # noqa: S105 - part of a name
    return "_".join(tokens)


def _suffixed(name: str, unit: str, kind: Kind) -> str:
    """Suffixes at a name that keeps all its characters."""
    last = ""
    if kind is Kind.GAUGE and unit == "1":
        last = "ratio"
    elif kind is Kind.COUNTER:
        last = "total"
    main, per = _units(unit)
    per = f"per_{per}" if per else ""
    for suffix in (last, per):
        if suffix and name.endswith(suffix):
            name = name.removesuffix(suffix)[:-1]
    if main and not name.endswith(main):
        name = f"{name}_{main}"
    return "_".join(part for part in (name, per, last) if part)


@lru_cache(maxsize=65_536)
def label_name(name: str, naming: Naming) -> str:
    """The name of a label."""
    if not naming.escape:
        return name
    found = _NO_LABEL.sub("_", name)
    if not naming.many_underscores:
        found = _UNDERSCORES.sub("_", found)
    if found[:1].isdigit():
        return f"key_{found}"
    if naming.key_prefix and found.startswith("_") and not found.startswith("__"):
        return f"key{found}"
    return found
