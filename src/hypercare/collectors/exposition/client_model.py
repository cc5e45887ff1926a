"""Messages of Prometheus' protobuf format (``io.prometheus.client``, proto2), built from a table of their fields.

The numbers and types are those of the public ``metrics.proto`` of prometheus/client_model. Protobuf itself is loaded at
the first message, as most platforms send none.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from google.protobuf import descriptor_pb2, descriptor_pool

_KINDS: Final = ("double", "string", "uint64", "uint32", "int64", "int32", "sint32", "sint64")
# name → fields as (number, name, type); "*": repeated, another message's name: such a message. An enumeration is read
# as the number that it is on the wire.
_MESSAGES: Final[dict[str, tuple[tuple[int, str, str], ...]]] = {
    "Timestamp": ((1, "seconds", "int64"), (2, "nanos", "int32")),
    "LabelPair": ((1, "name", "string"), (2, "value", "string")),
    "Gauge": ((1, "value", "double"),),
    "Counter": ((1, "value", "double"), (3, "created_timestamp", "Timestamp")),
    "Quantile": ((1, "quantile", "double"), (2, "value", "double")),
    "Summary": (
        (1, "sample_count", "uint64"), (2, "sample_sum", "double"), (3, "quantile", "*Quantile"),
        (4, "created_timestamp", "Timestamp"),
    ),
    "Untyped": ((1, "value", "double"),),
    "Bucket": (
        (1, "cumulative_count", "uint64"), (2, "upper_bound", "double"), (4, "cumulative_count_float", "double"),
    ),
    "BucketSpan": ((1, "offset", "sint32"), (2, "length", "uint32")),
    "Histogram": (
        (1, "sample_count", "uint64"), (2, "sample_sum", "double"), (3, "bucket", "*Bucket"),
        (4, "sample_count_float", "double"), (5, "schema", "sint32"), (6, "zero_threshold", "double"),
        (7, "zero_count", "uint64"), (8, "zero_count_float", "double"), (9, "negative_span", "*BucketSpan"),
        (10, "negative_delta", "*sint64"), (11, "negative_count", "*double"), (12, "positive_span", "*BucketSpan"),
        (13, "positive_delta", "*sint64"), (14, "positive_count", "*double"), (15, "created_timestamp", "Timestamp"),
    ),
    "Metric": (
        (1, "label", "*LabelPair"), (2, "gauge", "Gauge"), (3, "counter", "Counter"), (4, "summary", "Summary"),
        (5, "untyped", "Untyped"), (6, "timestamp_ms", "int64"), (7, "histogram", "Histogram"),
    ),
    "MetricFamily": (
        (1, "name", "string"), (2, "help", "string"), (3, "type", "int32"), (4, "metric", "*Metric"),
        (5, "unit", "string"),
    ),
}  # fmt: skip
_PACKAGE: Final = "hypercare.exposition"


class MessageError(ValueError):
    """Bytes that are no such message."""


def message_of(name: str, data: bytes) -> Any:
    """A message; its attributes are those of the table above.

    Raises:
        MessageError: these bytes are none.

    """
    try:
        return message_class(name).FromString(data)
    except _decode_error() as error:
        raise MessageError(str(error)) from None


def _decode_error() -> type[Exception]:
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - 2 MB, for those who are sent messages

    return DecodeError


@functools.cache
def message_class(name: str) -> Any:
    """The class of a message, by its name in the table above."""
    from google.protobuf import message_factory  # noqa: PLC0415 - 2 MB, for those who are sent messages

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    from google.protobuf import descriptor_pool  # noqa: PLC0415 - 2 MB, for those who are sent messages

    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return pool


def _file() -> descriptor_pb2.FileDescriptorProto:
    from google.protobuf import descriptor_pb2  # noqa: PLC0415 - 2 MB, for those who are sent messages

    file = descriptor_pb2.FileDescriptorProto(name="hypercare/exposition.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field_name, kind in fields:
            field = message.field.add(name=field_name, number=number)
            field.label = field.LABEL_REPEATED if kind.startswith("*") else field.LABEL_OPTIONAL
            item = kind.removeprefix("*")
            if item in _KINDS:
                field.type = getattr(field, f"TYPE_{item.upper()}")
            else:
                field.type = field.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{item}"
    return file
