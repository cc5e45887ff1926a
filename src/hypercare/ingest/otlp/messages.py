"""Messages of OTLP, from bytes and to bytes. Loaded at the first request: 3 MB that most platforms never need."""

from __future__ import annotations

import json
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from hypercare.ingest.otlp.encoding import Encoding, OtlpError

_MAX_DEPTH: Final = 60


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


def success(encoding: Encoding, rejected: int, problems: tuple[str, ...]) -> bytes:
    """The body of a success, or of one in part."""
    response = ExportMetricsServiceResponse()
    if rejected or problems:
        response.partial_success.rejected_data_points = rejected
        response.partial_success.error_message = "; ".join(problems)
    if encoding is Encoding.PROTOBUF:
        return response.SerializeToString()
    return json.dumps(json_format.MessageToDict(response)).encode()
