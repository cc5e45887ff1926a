"""Bodies of OTLP over HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.ingest.assembly import Assembly
from hypercare.ingest.decoded import Problems
from hypercare.ingest.otlp.attributes import ResourceLabels
from hypercare.ingest.otlp.names import Naming
from hypercare.ingest.otlp.points import SeriesCache, Translator

if TYPE_CHECKING:
    from hypercare.config.remote import Otlp
    from hypercare.ingest.decoded import Decoded
    from hypercare.ingest.otlp.encoding import Encoding


def translate_body(body: bytes, encoding: Encoding, config: Otlp, series: SeriesCache | None = None) -> Decoded:
    """The series of a request.

    Raises:
        OtlpError: the body is no request.

    """
    from hypercare.ingest.otlp.messages import parse  # noqa: PLC0415 - 3 MB, for those who are sent requests

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
    from hypercare.ingest.otlp.messages import success  # noqa: PLC0415 - 3 MB, for those who are sent requests

    return success(encoding, rejected, problems)
