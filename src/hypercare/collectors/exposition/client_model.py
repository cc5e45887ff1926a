"""Messages of Prometheus' protobuf format (``io.prometheus.client``, proto2), built from a table of their fields.

The numbers and types are those of the public ``metrics.proto`` of prometheus/client_model.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_KINDS: Final = {
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "uint64": descriptor_pb2.FieldDescriptorProto.TYPE_UINT64,
    "uint32": descriptor_pb2.FieldDescriptorProto.TYPE_UINT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "sint32": descriptor_pb2.FieldDescriptorProto.TYPE_SINT32,
    "sint64": descriptor_pb2.FieldDescriptorProto.TYPE_SINT64,
}
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


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="hypercare/exposition.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field_name, kind in fields:
            field = message.field.add(name=field_name, number=number)
            field.label = field.LABEL_REPEATED if kind.startswith("*") else field.LABEL_OPTIONAL
            item = kind.removeprefix("*")
            if item in _KINDS:
                field.type = _KINDS[item]
            else:
                field.type = field.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{item}"
    return file


_POOL: Final = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


Metric: Final = _message("Metric")
"""Class of one metric; its objects have the attributes of the table above."""
MetricFamily: Final = _message("MetricFamily")
"""Class of a family."""
