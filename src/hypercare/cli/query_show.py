"""The result of a query for people and for other programs: table, promtool's text, CSV."""

from __future__ import annotations

import csv
import io
import math
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from hypercare.cli.show import as_json, clean, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FORMATS: Final = ("table", "promql", "json", "csv")
_WIDTH: Final = 40
_UNICODE, _ASCII = "▁▂▃▄▅▆▇█", "_.-=+*%#"


def show(data: dict[str, Any], form: str, span: tuple[float, float] | None = None) -> None:
    """Print ``data`` of the query API.

    Args:
        data: with ``resultType`` and ``result``.
        form: one of ``FORMATS``.
        span: of a range query, unix seconds; none for an instant.

    """
    if form == "json":
        as_json(data)
    elif form == "csv":
        _csv(data)
    elif form == "promql":
        for line in _promql(data):
            print(clean(line))
    elif data["resultType"] in {"scalar", "string"}:
        print(clean(data["result"][1], lines=True))
    elif span is not None:
        _range(data["result"], span)
    else:
        rows = [(_name(each["metric"]), " ".join(_plain(each))) for each in data["result"]]
        table(("series", "value"), rows, "no data")


def _plain(series: dict[str, Any]) -> list[str]:
    """Values of a series without its times, where there is one; histograms as their count and sum."""
    if "value" in series:
        return [str(series["value"][1])]
    if "histogram" in series:
        return [_histogram(series["histogram"][1])]
    return [f"{value}@{at}" for at, value in _points(series)]


def _points(series: dict[str, Any]) -> list[tuple[Any, str]]:
    """(time, value as text) of a series, in order of time."""
    if "value" in series or "histogram" in series:
        at, value = series.get("value") or series["histogram"]
        return [(at, value if isinstance(value, str) else _histogram(value))]
    found = [(at, str(value)) for at, value in series.get("values", ())]
    found += [(at, _histogram(value)) for at, value in series.get("histograms", ())]
    return sorted(found, key=lambda point: float(point[0]))


def _histogram(value: dict[str, Any]) -> str:
    return f"{{count:{value.get('count')}, sum:{value.get('sum')}}}"


def _name(metric: dict[str, str]) -> str:
    labels = ", ".join(f'{k}="{v}"' for k, v in metric.items() if k != "__name__")
    return (metric.get("__name__", "") + (f"{{{labels}}}" if labels else "")) or "{}"


def _promql(data: dict[str, Any]) -> Iterator[str]:
    """As promtool prints: ``up{job="a"} => 1 @[1767600000]``, or a line for each sample of a range."""
    kind, result = data["resultType"], data["result"]
    if kind in {"scalar", "string"}:
        yield f"{kind}: {result[1]} @[{result[0]}]"
        return
    for series in result:
        if kind == "vector":
            at, value = _points(series)[0]
            yield f"{_name(series['metric'])} => {value} @[{at}]"
            continue
        yield f"{_name(series['metric'])} =>"
        for at, value in _points(series):
            yield f"{value} @[{at}]"


def _csv(data: dict[str, Any]) -> None:
    """A row a sample: labels, then time in unix seconds and value."""
    result = data["result"]
    scalar = data["resultType"] in {"scalar", "string"}
    series = [{"metric": {}, "value": result}] if scalar else result
    names = sorted({name for each in series for name in each["metric"]})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, "time", "value"])
    for each in series:
        labels = [clean(each["metric"].get(name, "")) for name in names]
        for at, value in _points(each):
            writer.writerow([*labels, at, clean(value, lines=True)])
    print(text.getvalue(), end="")


def _range(result: Sequence[dict[str, Any]], span: tuple[float, float]) -> None:
    rows: list[tuple[str, ...]] = []
    for series in result:
        points = [(float(at), float(value)) for at, value in series.get("values", ())]
        if not points:
            kept = _points(series)
            rows.append((_name(series["metric"]), "", "", "", kept[-1][1] if kept else "", ""))
            continue
        values = [value for _, value in points if math.isfinite(value)]
        least, most = (min(values), max(values)) if values else (math.nan, math.nan)
        mean = sum(values) / len(values) if values else math.nan
        shown = [f"{v:.6g}" for v in (least, mean, most, points[-1][1])]
        rows.append((_name(series["metric"]), *shown, sparkline(points, span)))
    table(("series", "min", "mean", "max", "last", "course"), rows, "no data")


def sparkline(points: Sequence[tuple[float, float]], span: tuple[float, float]) -> str:
    """A series as a line of characters: the mean of each stretch of time, from its least to its greatest value."""
    unicode = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and "utf" in (sys.stdout.encoding or "").lower()
    levels = _UNICODE if unicode else _ASCII
    start, end = span
    cells: list[list[float]] = [[] for _ in range(_WIDTH)]
    for at, value in points:
        if math.isfinite(value):
            place = int((at - start) / (end - start) * _WIDTH) if end > start else 0
            cells[min(max(place, 0), _WIDTH - 1)].append(value)
    means = [sum(cell) / len(cell) if cell else None for cell in cells]
    known = [mean for mean in means if mean is not None]
    if not known:
        return ""
    low, width = min(known), max(known) - min(known)
    return "".join(
        " " if mean is None else levels[0 if not width else round((mean - low) / width * (len(levels) - 1))]
        for mean in means
    )
