"""Bodies of OTLP over HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp."""

from __future__ import annotations

import enum
import json
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from hypercare.ingest.assembly import Assembly
from hypercare.ingest.decoded import BadRequestError, Problems
from hypercare.ingest.otlp.attributes import ResourceLabels
from hypercare.ingest.otlp.names import Naming
from hypercare.ingest.otlp.points import SeriesCache, Translator

if TYPE_CHECKING:
    from hypercare.config.remote import Otlp
    from hypercare.ingest.decoded import Decoded

_MAX_DEPTH: Final = 60
_INVALID_ARGUMENT: Final = 3
_UNAVAILABLE: Final = 14


class OtlpError(BadRequestError):
    """A request of OTLP that cannot be taken."""


class Encoding(enum.StrEnum):
    """How a body is written."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


def encoding_of(content_type: str) -> Encoding:
    """The encoding that a content type names.

    Raises:
        OtlpError: none that is spoken here.

    """
    try:
        return Encoding(content_type.partition(";")[0].strip().lower())
    except ValueError:
        msg = f"the content type {content_type!r} is not supported; send {' or '.join(e.value for e in Encoding)}"
        raise OtlpError(msg, 415) from None


def parse(body: bytes, encoding: Encoding) -> ExportMetricsServiceRequest:
    """The message.

    Raises:
        OtlpError: the body is none.

    """
    request = ExportMetricsServiceRequest()
    if encoding is Encoding.PROTOBUF:
        try:
            request.ParseFromString(body)
        except DecodeError as error:
            msg = f"the body is no ExportMetricsServiceRequest: {error}"
            raise OtlpError(msg) from None
        return request
    try:
        document = json.loads(body)
        if not isinstance(document, dict):
            msg = "the body is no JSON object"
            raise OtlpError(msg)
        json_format.ParseDict(
            _without_exemplars(document), request, ignore_unknown_fields=True, max_recursion_depth=_MAX_DEPTH
        )
    except (ValueError, RecursionError, json_format.Error) as error:
        msg = f"the body is no ExportMetricsServiceRequest in JSON: {error}"
        raise OtlpError(msg) from None
    return request


def _without_exemplars(document: Any) -> Any:
    """The document without exemplars: they are not stored, and their ids are in hex where protobuf wants base64."""
    if isinstance(document, dict):
        return {name: _without_exemplars(value) for name, value in document.items() if name != "exemplars"}
    if isinstance(document, list):
        return [_without_exemplars(value) for value in document]
    return document


def translate_body(body: bytes, encoding: Encoding, config: Otlp, series: SeriesCache | None = None) -> Decoded:
    """The series of a request.

    Raises:
        OtlpError: the body is no request.

    """
    request = parse(body, encoding)
    naming = Naming.of(config)
    first = request.resource_metrics[0].resource.attributes if request.resource_metrics else ()
    service = ResourceLabels(first, config, naming).service
    assembly, problems = Assembly(f"otlp/{service}" if service else "otlp"), Problems()
    translator = Translator(config, assembly, problems, SeriesCache() if series is None else series)
    for metrics in request.resource_metrics:
        translator.add(metrics)
    translator.finish()
    return assembly.decoded(problems)


def answer(encoding: Encoding, rejected: int, problems: tuple[str, ...]) -> bytes:
    """The body of a success, or of one in part."""
    response = ExportMetricsServiceResponse()
    if rejected or problems:
        response.partial_success.rejected_data_points = rejected
        response.partial_success.error_message = "; ".join(problems)
    if encoding is Encoding.PROTOBUF:
        return response.SerializeToString()
    return json.dumps(json_format.MessageToDict(response)).encode()


def refusal(encoding: Encoding, message: str, status: int) -> bytes:
    """The body of a failure: a ``google.rpc.Status`` {code 1, message 2}."""
    code = _UNAVAILABLE if status >= 500 else _INVALID_ARGUMENT
    if encoding is Encoding.JSON:
        return json.dumps({"code": code, "message": message}).encode()
    text = message.encode("utf-8", "replace")
    size = len(text)
    length = bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes((0x08, code, 0x12)) + bytes(length) + text
