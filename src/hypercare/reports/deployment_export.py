"""The samples of a deployment's watch for other programs: CSV, OpenMetrics, Parquet."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import io
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hypercare.kernel import CommandError
from hypercare.model.time import format_rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.deploys.checks import CheckRow
    from hypercare.judge.series import Samples
    from hypercare.reports.deployment_story import Story

COLUMNS: Final = ("deployment", "service", "version", "check", "check_service", "part", "unit", "time", "timestamp",
                  "value", "traffic")  # fmt: skip
"""One row a sample. ``part``: watch, baseline or other_color; ``time`` RFC 3339; ``timestamp`` ms since the epoch."""
_METRIC: Final = "hypercare_deployment_check"
_TRAFFIC: Final = "hypercare_deployment_check_traffic"
_PARQUET: Final = "pyarrow"


def _parts(story: Story) -> Iterator[tuple[CheckRow, str, Samples]]:
    for curves in story.checks:
        for part, samples in (("watch", curves.during), ("baseline", curves.before), ("other_color", curves.other)):
            if samples is not None and len(samples):
                yield curves.row, part, samples


def as_csv(story: Story) -> str:
    """Comma-separated values (RFC 4180); an empty field is a missing value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    watch = story.watch
    for row, part, samples in _parts(story):
        head = (watch.number, watch.service, watch.version, row.id, row.service, part, row.check.unit)
        traffic = [math.nan] * len(samples) if samples.traffic is None else samples.traffic.tolist()
        for at, value, events in zip(samples.times.tolist(), samples.values.tolist(), traffic, strict=True):
            writer.writerow((*head, format_rfc3339(at), at, _field(value), _field(events)))
    return out.getvalue()


def _field(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def as_openmetrics(story: Story) -> str:
    """OpenMetrics text with a timestamp a sample (seconds): a gauge of the values, one of the events behind them."""
    lines: list[str] = []
    for name, words, values in (
        (_METRIC, "Value of a check of a deployment's watch, in the check's unit.", False),
        (_TRAFFIC, "Events behind a value of a check, a sample.", True),
    ):
        lines += [f"# HELP {name} {words}", f"# TYPE {name} gauge"]
        for row, part, samples in _parts(story):
            column = samples.traffic if values else samples.values
            if column is None:
                continue
            labels = _labels(story, row, part)
            known = np.isfinite(column)
            for at, value in zip(samples.times[known].tolist(), column[known].tolist(), strict=True):
                lines.append(f"{name}{labels} {value!r} {at / 1000:.3f}")
    return "\n".join([*lines, "# EOF", ""])


def _labels(story: Story, row: CheckRow, part: str) -> str:
    watch = story.watch
    pairs = {"deployment": str(watch.number), "service": row.service, "version": watch.version, "check": row.id,
             "unit": row.check.unit, "part": part}  # fmt: skip
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def need_parquet() -> None:
    """Refuse where no library for Parquet is installed.

    Raises:
        CommandError: with what to install.

    """
    if importlib.util.find_spec(_PARQUET) is None:
        raise CommandError(
            "Parquet needs a library: pip install 'hypercare[parquet]' (pyarrow); or export csv or om", 501
        )


def as_parquet(story: Story) -> bytes:
    """An Apache Parquet file with the columns of the CSV; texts are dictionaries, times are UTC timestamps in ms."""
    pa, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    watch = story.watch
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS if name != "time"}
    for row, part, samples in _parts(story):
        count = len(samples)
        fixed = (watch.number, watch.service, watch.version, row.id, row.service, part, row.check.unit)
        for name, value in zip(COLUMNS[:7], fixed, strict=True):
            columns[name] += [value] * count
        columns["timestamp"] += samples.times.tolist()
        columns["value"] += [None if math.isnan(v) else v for v in samples.values.tolist()]
        traffic = [None] * count if samples.traffic is None else samples.traffic.tolist()
        columns["traffic"] += [None if v is None or math.isnan(v) else v for v in traffic]
    text = pa.dictionary(pa.int32(), pa.string())
    kinds = {"deployment": pa.int64(), "timestamp": pa.timestamp("ms", tz="UTC"), "value": pa.float64(),
             "traffic": pa.float64()}  # fmt: skip
    table = pa.table({name: pa.array(values, kinds.get(name, text)) for name, values in columns.items()})
    out = io.BytesIO()
    parquet.write_table(table, out, compression="zstd")
    return out.getvalue()
