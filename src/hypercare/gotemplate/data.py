"""What notification templates see: the group's alerts, labels and annotations, under Alertmanager's names."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from hypercare.gotemplate.errors import FunctionError
from hypercare.gotemplate.functions.json import to_json
from hypercare.gotemplate.functions.signature import Func
from hypercare.gotemplate.functions.times import time_json
from hypercare.gotemplate.gotime import ZERO_TIME, Time
from hypercare.gotemplate.values import GoObject, StringMap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hypercare.model import alerts as model
    from hypercare.model.time import Ms

FIRING: Final = "firing"
RESOLVED: Final = "resolved"
_FNV_START: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_MASK: Final = (1 << 64) - 1
_WORTH_ARRAYS: Final = 24
"""Label sets from which on arrays are faster than numbers."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pair(GoObject):
    """A label's name and value."""

    GO_TYPE: ClassVar[str] = "template.Pair"
    GO_FIELDS: ClassVar[Mapping[str, str]] = {"Name": "name", "Value": "value"}
    name: str
    value: str


class Pairs(list[Pair], GoObject):
    """Pairs in an order."""

    __slots__ = ()
    GO_TYPE = "template.Pairs"

    def names(self) -> list[str]:
        """The names, in order."""
        return [p.name for p in self]

    def values(self) -> list[str]:
        """The values, in order."""
        return [p.value for p in self]

    def __str__(self) -> str:
        return ", ".join(f"{p.name}={p.value}" for p in self)


class KV(StringMap):
    """A set of labels or annotations."""

    __slots__ = ()
    GO_TYPE = "template.KV"

    def sorted_pairs(self) -> Pairs:
        """The pairs by name, ``alertname`` first."""
        return Pairs(Pair(n, self[n]) for n in sorted(self, key=lambda n: (n != "alertname", n)))

    def remove(self, names: Sequence[str]) -> KV:
        """A copy without some names."""
        if not isinstance(names, list | tuple):
            raise FunctionError("wrong type for value; expected []string")
        return KV({n: v for n, v in self.items() if n not in names})


Pairs.GO_METHODS = {"Names": Func(Pairs.names, "a"), "Values": Func(Pairs.values, "a"), "String": Func(str, "a")}
KV.GO_METHODS = {
    "SortedPairs": Func(KV.sorted_pairs, "a"),
    "Remove": Func(KV.remove, "aa"),
    "Names": Func(lambda kv: kv.sorted_pairs().names(), "a"),
    "Values": Func(lambda kv: kv.sorted_pairs().values(), "a"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Alert(GoObject):
    """One alert of the group."""

    GO_TYPE: ClassVar[str] = "template.Alert"
    GO_FIELDS: ClassVar[Mapping[str, str]] = {
        "Status": "status",
        "Labels": "labels",
        "Annotations": "annotations",
        "StartsAt": "starts_at",
        "EndsAt": "ends_at",
        "GeneratorURL": "generator_url",
        "Fingerprint": "fingerprint",
    }
    GO_JSON: ClassVar[Mapping[str, str]] = {
        "status": "status",
        "labels": "labels",
        "annotations": "annotations",
        "startsAt": "starts_at",
        "endsAt": "ends_at",
        "generatorURL": "generator_url",
        "fingerprint": "fingerprint",
    }
    status: str = ""
    labels: KV | None = None
    annotations: KV | None = None
    starts_at: Time = ZERO_TIME
    ends_at: Time = ZERO_TIME
    generator_url: str = ""
    fingerprint: str = ""


class Alerts(list[Alert], GoObject):
    """The group's alerts."""

    __slots__ = ()
    GO_TYPE = "template.Alerts"

    def with_status(self, status: str) -> Alerts:
        """Those that fire, or those that are resolved."""
        return Alerts(a for a in self if a.status == status)


Alerts.GO_METHODS = {
    "Firing": Func(lambda alerts: alerts.with_status(FIRING), "a"),
    "Resolved": Func(lambda alerts: alerts.with_status(RESOLVED), "a"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Data(GoObject):
    """Everything that a notification template is given.

    Attributes:
        route_labels_rendered: the route labels are texts, not templates.

    """

    GO_TYPE: ClassVar[str] = "*template.Data"
    GO_FIELDS: ClassVar[Mapping[str, str]] = {
        "Receiver": "receiver",
        "Status": "status",
        "Alerts": "alerts",
        "GroupLabels": "group_labels",
        "CommonLabels": "common_labels",
        "CommonAnnotations": "common_annotations",
        "ExternalURL": "external_url",
        "RouteLabels": "route_labels",
        "NotificationReason": "notification_reason",
    }
    GO_JSON: ClassVar[Mapping[str, str]] = {
        "receiver": "receiver",
        "status": "status",
        "alerts": "alerts",
        "groupLabels": "group_labels",
        "commonLabels": "common_labels",
        "commonAnnotations": "common_annotations",
        "externalURL": "external_url",
    }
    receiver: str = ""
    status: str = ""
    alerts: Alerts = dataclasses.field(default_factory=Alerts)
    group_labels: KV = dataclasses.field(default_factory=KV)
    common_labels: KV = dataclasses.field(default_factory=KV)
    common_annotations: KV = dataclasses.field(default_factory=KV)
    external_url: str = ""
    route_labels: KV = dataclasses.field(default_factory=KV)
    notification_reason: str = ""
    route_labels_rendered: bool = False

    def as_json(self) -> str:
        """As the webhook sends it (without the fields that the webhook adds)."""
        return to_json(self)

    def as_object(self) -> dict[str, Any]:
        """What ``as_json`` says, as one reads it from there; the text is not made for that: storms have hundreds."""
        return {
            "receiver": self.receiver,
            "status": self.status,
            "alerts": [_alert_object(alert) for alert in self.alerts],
            "groupLabels": _sorted(self.group_labels),
            "commonLabels": _sorted(self.common_labels),
            "commonAnnotations": _sorted(self.common_annotations),
            "externalURL": self.external_url,
        }


def _sorted(pairs: KV | None) -> dict[str, str] | None:
    return None if pairs is None else dict(sorted(pairs.items()))


def _alert_object(alert: Alert) -> dict[str, Any]:
    return {
        "status": alert.status,
        "labels": _sorted(alert.labels),
        "annotations": _sorted(alert.annotations),
        "startsAt": time_json(alert.starts_at),
        "endsAt": time_json(alert.ends_at),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }


def fingerprint(labels: Iterable[tuple[str, str]]) -> str:
    """Alertmanager's fingerprint of labels sorted by name: 64-bit FNV-1a, in hex."""
    value = _FNV_START
    for byte in _bytes(labels):
        value = ((value ^ byte) * _FNV_PRIME) & _MASK
    return f"{value:016x}"


def fingerprints(label_sets: Sequence[Sequence[tuple[str, str]]]) -> list[str]:
    """``fingerprint`` of each of many label sets, byte position by byte position for all of them at once."""
    if len(label_sets) < _WORTH_ARRAYS:
        return [fingerprint(labels) for labels in label_sets]
    texts = [_bytes(labels) for labels in label_sets]
    # The longest first, so that those that have a byte at a position are always the first so many.
    order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))
    longest = len(texts[order[0]])
    filled = b"".join([texts[number].ljust(longest, b"\0") for number in order])
    columns = np.ascontiguousarray(np.frombuffer(filled, np.uint8).reshape(len(texts), longest).T).astype(np.uint64)
    lengths = np.array([len(texts[number]) for number in order])
    having = np.searchsorted(-lengths, -np.arange(longest), side="left").tolist()
    values = np.full(len(texts), _FNV_START, np.uint64)
    prime = np.uint64(_FNV_PRIME)
    for column, count in zip(columns, having, strict=True):
        # Unsigned numbers of 64 bits wrap around, which is what the hash asks for.
        some = values[:count]
        some ^= column[:count]
        some *= prime
    found = [""] * len(texts)
    for number, value in zip(order, values.tolist(), strict=True):
        found[number] = f"{value:016x}"
    return found


def _bytes(labels: Iterable[tuple[str, str]]) -> bytes:
    return b"".join(
        [b"%b\xff%b\xff" % (name.encode("utf-8", "replace"), text.encode("utf-8", "replace")) for name, text in labels]
    )


def _common(sets: list[KV]) -> KV:
    """The pairs that are in all sets."""
    if not sets:
        return KV()
    first, *others = sets
    return KV({n: v for n, v in first.items() if all(o.get(n) == v for o in others)})


def build_data(
    receiver: str,
    alerts: Sequence[model.Alert],
    now: Ms,
    *,
    group_labels: Mapping[str, str],
    external_url: str = "",
    route_labels: Mapping[str, str] | None = None,
    notification_reason: str = "",
) -> Data:
    """The data for one notification.

    Args:
        receiver: its name.
        alerts: of the group, in the order in which they are to be shown.
        now: the instant that decides which alerts are resolved.
        group_labels: by which the group was made.
        external_url: under which people reach us, without a slash at the end.
        route_labels: of the route, may be templates.
        notification_reason: why the notification is sent.

    """
    marks = fingerprints([a.labels.pairs for a in alerts])
    shown = Alerts([_alert(a, mark, now) for a, mark in zip(alerts, marks, strict=True)])
    return Data(
        receiver=receiver,
        status=FIRING if any(a.status == FIRING for a in shown) else RESOLVED,
        alerts=shown,
        group_labels=KV(group_labels),
        common_labels=_common([KV(a.labels.pairs) for a in alerts]),
        common_annotations=_common([KV(a.annotations.pairs) for a in alerts]),
        external_url=external_url,
        route_labels=KV(route_labels or {}),
        notification_reason=notification_reason,
    )


def _alert(alert: model.Alert, mark: str, now: Ms) -> Alert:
    return Alert(
        status=RESOLVED if alert.resolved_at(now) else FIRING,
        labels=KV(alert.labels.pairs),
        annotations=KV(alert.annotations.pairs),
        starts_at=Time.from_ms(alert.starts_at),
        ends_at=Time.from_ms(alert.ends_at) if alert.ends_at is not None else ZERO_TIME,
        generator_url=alert.generator_url,
        fingerprint=mark,
    )
