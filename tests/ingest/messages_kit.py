"""The messages of remote write as google.protobuf sees them, from descriptors written down here."""

from __future__ import annotations

import functools

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_F = descriptor_pb2.FieldDescriptorProto
KINDS = {
    "string": _F.TYPE_STRING, "double": _F.TYPE_DOUBLE, "int64": _F.TYPE_INT64, "uint64": _F.TYPE_UINT64,
    "uint32": _F.TYPE_UINT32, "sint32": _F.TYPE_SINT32, "sint64": _F.TYPE_SINT64, "enum": _F.TYPE_INT32,
}  # fmt: skip

_HISTOGRAM = {
    "BucketSpan": "sint32 offset=1, uint32 length=2",
    "Histogram": "uint64 count_int=1 @count, double count_float=2 @count, double sum=3, sint32 schema=4, "
    "double zero_threshold=5, uint64 zero_count_int=6 @zero, double zero_count_float=7 @zero, "
    "BucketSpan* negative_spans=8, sint64* negative_deltas=9, double* negative_counts=10, "
    "BucketSpan* positive_spans=11, sint64* positive_deltas=12, double* positive_counts=13, "
    "enum reset_hint=14, int64 timestamp=15, double* custom_values=16, int64 start_timestamp=17",
}
V1 = {
    **_HISTOGRAM,
    "Label": "string name=1, string value=2",
    "Sample": "double value=1, int64 timestamp=2",
    "Exemplar": "Label* labels=1, double value=2, int64 timestamp=3",
    "TimeSeries": "Label* labels=1, Sample* samples=2, Exemplar* exemplars=3, Histogram* histograms=4",
    "MetricMetadata": "enum type=1, string metric_family_name=2, string help=4, string unit=5",
    "WriteRequest": "TimeSeries* timeseries=1, MetricMetadata* metadata=3",
}
V2 = {
    **_HISTOGRAM,
    "Sample": "double value=1, int64 timestamp=2, int64 start_timestamp=3",
    "Exemplar": "uint32* labels_refs=1, double value=2, int64 timestamp=3",
    "Metadata": "enum type=1, uint32 help_ref=3, uint32 unit_ref=4",
    "TimeSeries": "uint32* labels_refs=1, Sample* samples=2, Histogram* histograms=3, Exemplar* exemplars=4, "
    "Metadata metadata=5, int64 created_timestamp=6",
    "Request": "string* symbols=4, TimeSeries* timeseries=5",
}


@functools.cache
def _classes(package):
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, text in (V1 if package == "v1" else V2).items():
        message = file.message_type.add(name=name)
        groups = []
        for part in text.split(", "):
            kind, _, rest = part.partition(" ")
            field_name, _, number = rest.partition("=")
            number, _, group = number.partition(" @")
            many = kind.endswith("*")
            kind = kind.rstrip("*")
            field = message.field.add(name=field_name, number=int(number))
            field.label = _F.LABEL_REPEATED if many else _F.LABEL_OPTIONAL
            if kind in KINDS:
                field.type = KINDS[kind]
            else:
                field.type, field.type_name = _F.TYPE_MESSAGE, f".{package}.{kind}"
            if group:
                if group not in groups:
                    groups.append(group)
                    message.oneof_decl.add(name=group)
                field.oneof_index = groups.index(group)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {n: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{n}")) for n in
            (V1 if package == "v1" else V2)}  # fmt: skip


def v1(name, /, **values):
    return _classes("v1")[name](**values)


def v2(name, /, **values):
    return _classes("v2")[name](**values)


def request_v1(series, metadata=()):
    """Series as (labels, [(time, value), …]) in one WriteRequest."""
    return v1("WriteRequest", timeseries=[
        v1("TimeSeries", labels=[v1("Label", name=n, value=x) for n, x in sorted(dict(labels).items())],
           samples=[v1("Sample", timestamp=t, value=x) for t, x in samples])
        for labels, samples in series
    ], metadata=metadata).SerializeToString()  # fmt: skip


class Symbols:
    """The table of symbols of a request of version 2."""

    def __init__(self):
        self.texts = {"": 0}

    def refs(self, labels):
        return [self.texts.setdefault(word, len(self.texts)) for pair in sorted(dict(labels).items()) for word in pair]

    def ref(self, word):
        return self.texts.setdefault(word, len(self.texts))


def request_v2(series, **more):
    """Series as (labels, [(time, value), …]) in one Request."""
    symbols = Symbols()
    parts = [
        v2("TimeSeries", labels_refs=symbols.refs(labels),
           samples=[v2("Sample", timestamp=t, value=x) for t, x in samples], **more)
        for labels, samples in series
    ]  # fmt: skip
    return v2("Request", symbols=list(symbols.texts), timeseries=parts).SerializeToString()
