"""From the body of a push to metric families under the labels of a group."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.collectors.exposition import ExpositionError, Format, Meta, Series, choose_format, parse
from hypercare.collectors.exposition.client_model import MessageError, message_of
from hypercare.collectors.exposition.lines import text_series
from hypercare.collectors.exposition.parser import bound_text
from hypercare.collectors.exposition.render import escape_value, format_value
from hypercare.collectors.pushed import NO_INSTANCE
from hypercare.ingest.decoded import BadRequestError
from hypercare.ingest.wire import WireError, varint
from hypercare.model.labels import METRIC_NAME, Labels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

OWN: Final = frozenset({"push_time_seconds", "push_failure_time_seconds"})
"""Families that are ours to tell; a job cannot."""
_PARTS: Final = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("_count", "_sum")}
_TYPES: Final = ("counter", "gauge", "summary", "unknown", "histogram", "gaugehistogram")
_LEGACY: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:")


@dataclasses.dataclass(frozen=True, slots=True)
class Family:
    """A metric family of one group.

    Attributes:
        samples: (series without value, value) in the text format.

    """

    name: str
    type: str
    help: str
    samples: tuple[tuple[str, str], ...]


def families_of(body: bytes, content_type: str, group: Labels) -> tuple[Family, ...]:
    """The families of a body, each sample under the labels of the group, which override its own.

    Raises:
        BadRequestError: not in a format that is read, a sample with a time of its own, or one series twice.

    """
    format_ = choose_format(content_type)
    try:
        entries = (
            _protobuf(body) if format_ is Format.PROTOBUF else parse(body, openmetrics=format_ is Format.OPENMETRICS)
        )
        return _collect(entries, group)
    except (ExpositionError, WireError, MessageError) as error:
        msg = f"the body cannot be read: {error}"
        raise BadRequestError(msg) from None


def _collect(entries: Iterator[Any], group: Labels) -> tuple[Family, ...]:
    types: dict[str, str] = {}
    helps: dict[str, str] = {}
    samples: dict[str, dict[str, str]] = {}
    current = ""
    for entry in entries:
        if isinstance(entry, Meta):
            if entry.kind == "type":
                current, types[entry.metric] = entry.metric, entry.text
            elif entry.kind == "help":
                helps[entry.metric] = entry.text
        elif isinstance(entry, Series):
            if entry.timestamp is not None:
                msg = f"a pushed sample must not have a timestamp: {entry.text[:200]}"
                raise BadRequestError(msg)
            labels = entry.labels
            if not labels.name or any(not name for name, _ in entry.pairs):
                msg = f"a sample needs a name, and so does each of its labels: {entry.text[:200]!r}"
                raise BadRequestError(msg)
            family = _family(labels.name, current, types)
            series = series_text(labels, group)
            # What could not be read back would spoil the scrape of everybody's pushes.
            text_series(f"{series} 0")
            of = samples.setdefault(family, {})
            if series in of:
                msg = f"a series stands twice: {series[:200]}"
                raise BadRequestError(msg)
            of[series] = format_value(entry.value)
    return tuple(
        Family(name, types.get(name, "unknown"), helps.get(name, ""), tuple(found.items()))
        for name, found in sorted(samples.items())
        if name not in OWN
    )


def _family(name: str, current: str, types: dict[str, str]) -> str:
    """The family of a series: the one described last, where the name fits."""
    kind = types.get(current, "")
    if name != current and any(name == current + suffix for suffix in _PARTS.get(kind, ())):
        return current
    if kind == "counter" and name == f"{current}_total":
        return current
    return name


def series_text(labels: Labels, group: Labels) -> str:
    """A series in the text format, labels of the group included."""
    own = {name: value for name, value in labels.pairs if name != METRIC_NAME}
    joint = {"instance": NO_INSTANCE, **own, **group.as_dict()}
    inner = ",".join(f'{_name(name)}="{escape_value(value)}"' for name, value in sorted(joint.items()))
    if _LEGACY.issuperset(labels.name) and not labels.name[:1].isdigit():
        return f"{labels.name}{{{inner}}}"
    return f'{{"{escape_value(labels.name)}",{inner}}}'


def _name(name: str) -> str:
    plain = _LEGACY.issuperset(name) and ":" not in name and not name[:1].isdigit()
    return name if plain else f'"{escape_value(name)}"'


def _protobuf(body: bytes) -> Iterator[Meta | Series]:
    """The entries that the same families have in the text format."""
    at = 0
    while at < len(body):
        size, at = varint(body, at)
        if at + size > len(body):
            msg = f"byte {at}: a family is cut off"
            raise WireError(msg)
        family = message_of("MetricFamily", body[at : at + size])
        at += size
        kind = _TYPES[family.type] if 0 <= family.type < len(_TYPES) else "unknown"
        base = _utf8(family.name)
        yield Meta("type", base, kind)
        yield Meta("help", base, _utf8(family.help))
        for metric in family.metric:
            stamp = metric.timestamp_ms if metric.HasField("timestamp_ms") else None
            pairs = tuple((_utf8(pair.name), _utf8(pair.value)) for pair in metric.label)
            for suffix, more, value in _values(metric, kind):
                name = base + suffix
                yield Series(name, ((METRIC_NAME, name), *pairs, *more), value, stamp, None)


def _utf8(text: str | bytes) -> str:
    """A string of the message: one that is not in UTF-8 comes as bytes.

    Raises:
        WireError: it is not in UTF-8.

    """
    if isinstance(text, bytes):
        msg = f"{text[:100]!r} is not in UTF-8"
        raise WireError(msg)
    return text


def _values(metric: Any, kind: str) -> Iterator[tuple[str, tuple[tuple[str, str], ...], float]]:
    """Samples of one metric: suffix, labels, value.

    Raises:
        BadRequestError: a histogram with nothing but native buckets.

    """
    if kind in {"histogram", "gaugehistogram"}:
        found = metric.histogram
        if not found.bucket and found.HasField("schema"):
            msg = "native histograms cannot be pushed; push classic buckets"
            raise BadRequestError(msg)
        count = found.sample_count_float or float(found.sample_count)
        bounds = [bucket.upper_bound for bucket in found.bucket]
        for bucket in found.bucket:
            total = bucket.cumulative_count_float or float(bucket.cumulative_count)
            yield "_bucket", (("le", bound_text(bucket.upper_bound)),), total
        if float("inf") not in bounds:
            yield "_bucket", (("le", "+Inf"),), count
        yield "_sum", (), found.sample_sum
        yield "_count", (), count
    elif kind == "summary":
        for part in metric.summary.quantile:
            yield "", (("quantile", bound_text(part.quantile)),), part.value
        yield "_sum", (), metric.summary.sample_sum
        yield "_count", (), float(metric.summary.sample_count)
    else:
        yield "", (), getattr(metric, "untyped" if kind == "unknown" else kind).value
