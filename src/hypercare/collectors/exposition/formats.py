"""Which format a body is in, by its Content-Type; and which ones we ask for."""

from __future__ import annotations

import enum
import functools
import re
from typing import Final

ACCEPT: Final = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
)

_WORD: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_MEDIA: Final = re.compile(rf"\s*({_WORD})/({_WORD})\s*", re.ASCII)
_PARAMETER: Final = re.compile(rf'\s*;\s*({_WORD})\s*=\s*({_WORD}|"(?:[^"\\]|\\.)*")\s*', re.ASCII)


class Format(enum.Enum):
    """Formats that the parser reads."""

    TEXT = "text"
    OPENMETRICS = "openmetrics"
    PROTOBUF = "protobuf"


_FALLBACKS: Final = {
    "PrometheusText0.0.4": Format.TEXT,
    "PrometheusText1.0.0": Format.TEXT,
    "OpenMetricsText0.0.1": Format.OPENMETRICS,
    "OpenMetricsText1.0.0": Format.OPENMETRICS,
    "PrometheusProto": Format.PROTOBUF,
}


def media_type(content_type: str) -> str:
    """The media type of a Content-Type, lower case.

    Raises:
        ValueError: not a Content-Type.
    """
    match = _MEDIA.match(content_type)
    if match is None:
        slash = content_type.find("/")
        what = "no media type" if content_type[:1] in {"", "/"} or slash < 0 else "expected token after slash"
        msg = f"{what} in Content-Type {content_type!r}"
        raise ValueError(msg)
    pos, seen = match.end(), set[str]()
    while pos < len(content_type):
        parameter = _PARAMETER.match(content_type, pos)
        if parameter is None:
            if content_type[pos:].strip() == ";":
                break
            msg = f"unexpected content after media subtype in Content-Type {content_type!r}"
            raise ValueError(msg)
        name = parameter[1].lower()
        if name in seen:
            msg = f"duplicate parameter name in Content-Type {content_type!r}"
            raise ValueError(msg)
        seen.add(name)
        pos = parameter.end()
    return f"{match[1]}/{match[2]}".lower()


@functools.lru_cache(maxsize=256)
def choose_format(content_type: str, fallback: str = "") -> Format:
    """The format of a body.

    Args:
        content_type: as the target sent it.
        fallback: ``fallback_scrape_protocol`` of the job, or empty. Where it is empty and the Content-Type says
            nothing we know, the text format is tried (as Prometheus 2 does): a wrong guess fails in the parser.

    """
    try:
        media = media_type(content_type)
    except ValueError:
        media = ""
    if media == "application/openmetrics-text":
        return Format.OPENMETRICS
    if media == "application/vnd.google.protobuf":
        return Format.PROTOBUF
    if media == "text/plain":
        return Format.TEXT
    return _FALLBACKS.get(fallback, Format.TEXT)


def wants_openmetrics(accept: str) -> bool:
    """Whether an Accept header asks for OpenMetrics rather than for the text format."""
    if not accept:
        return False
    ranks: dict[str, float] = {}
    for item in accept.split(","):
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        given = [p.removeprefix("q=") for p in parameters if p.startswith("q=")]
        try:
            rank = float(given[0]) if given else 1.0
        except ValueError:
            continue
        ranks[media] = max(ranks.get(media, 0.0), rank)
    wanted = ranks.get("application/openmetrics-text", 0.0)
    return wanted > 0 and wanted >= ranks.get("text/plain", 0.0)
