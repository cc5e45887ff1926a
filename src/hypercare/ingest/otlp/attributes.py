"""From attributes of a resource, a scope and a point to the labels of a series."""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING, Any, Final

from hypercare.ingest.otlp.names import label_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue

    from hypercare.config.remote import Otlp
    from hypercare.ingest.otlp.names import Naming

_NAME: Final = "service.name"
_NAMESPACE: Final = "service.namespace"
_INSTANCE: Final = "service.instance.id"
IDENTIFYING: Final = frozenset({_NAME, _NAMESPACE, _INSTANCE})
_MAX_DEPTH: Final = 20


def value_text(value: AnyValue) -> str:
    """A value as a label has it: lists and maps as JSON, bytes in base64."""
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "int_value":
            return str(value.int_value)
        case "double_value":
            return _number(value.double_value)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode("ascii")
        case "array_value" | "kvlist_value":
            return json.dumps(_plain(value, 0), ensure_ascii=False, separators=(",", ":"))
    return ""


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value).removesuffix(".0")


def _plain(value: AnyValue, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        return None
    match value.WhichOneof("value"):
        case "array_value":
            return [_plain(item, depth + 1) for item in value.array_value.values]
        case "kvlist_value":
            return {item.key: _plain(item.value, depth + 1) for item in value.kvlist_value.values}
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            number = value.double_value
            return number if math.isfinite(number) else _number(number)
        case None:
            return None
    return value_text(value)


def texts(attributes: Iterable[KeyValue]) -> dict[str, str]:
    """Attributes as texts; the last one of a name counts."""
    return {item.key: value_text(item.value) for item in attributes}


def labels_of(attributes: dict[str, str], naming: Naming) -> dict[str, str]:
    """Attributes as labels; values of names that become one are joined, in the order of the names.

    An attribute must have a name (OpenTelemetry's common specification): one without is left out.
    """
    found: dict[str, str] = {}
    for name in sorted(attributes):
        label = label_name(name, naming)
        if not label:
            continue
        found[label] = f"{found[label]};{attributes[name]}" if label in found else attributes[name]
    return found


class ResourceLabels:
    """What the resource of a batch of metrics gives to its series.

    Attributes:
        common: labels of every series: job, instance and promoted attributes.
        info: labels of ``target_info``; empty where there is nothing to tell.
        service: who sends, for people.

    """

    def __init__(self, attributes: Iterable[KeyValue], config: Otlp, naming: Naming) -> None:
        all_ = texts(attributes)
        identity: dict[str, str] = {}
        if all_.get(_NAME):
            namespace = all_.get(_NAMESPACE)
            identity["job"] = f"{namespace}/{all_[_NAME]}" if namespace else all_[_NAME]
        if all_.get(_INSTANCE):
            identity["instance"] = all_[_INSTANCE]
        if config.promote_all_resource_attributes:
            ignored = {name.strip() for name in config.ignore_resource_attributes}
            promoted = {name: text for name, text in all_.items() if name not in ignored}
        else:
            promoted = {name: all_[name] for name in config.promoted if name in all_}
        self.common = {**labels_of(promoted, naming), **identity}
        self.service = identity.get("job", "")
        kept = (
            all_
            if config.keep_identifying_resource_attributes
            else {name: text for name, text in all_.items() if name not in IDENTIFYING}
        )
        telling = any(name and name not in IDENTIFYING for name in all_)
        self.info = {**labels_of(kept, naming), **identity} if identity and telling else {}


def scope_labels(scope: InstrumentationScope, schema_url: str, naming: Naming) -> dict[str, str]:
    """Name, version, schema and attributes of the instrumentation, as labels ``otel_scope_…``."""
    given = {f"otel_scope_{name}": text for name, text in texts(scope.attributes).items()}
    return {
        **labels_of(given, naming),
        "otel_scope_name": scope.name,
        "otel_scope_version": scope.version,
        "otel_scope_schema_url": schema_url,
    }
