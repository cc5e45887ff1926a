"""The metrics store, without a server: check, analyze, list, export, import."""

from __future__ import annotations

import dataclasses
import gzip
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, cast

import typer

from hypercare.cli.client import Json  # noqa: TC001 - typer reads it
from hypercare.cli.show import as_json, clean, table
from hypercare.model.errors import InputError
from hypercare.model.time import format_rfc3339, parse_rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms
    from hypercare.tsdb.stats import Table

app = typer.Typer(
    help="The metrics store, without a server: check, analyze, list, export, import.", no_args_is_help=True
)

Directory = Annotated[
    Path,
    typer.Argument(help="What `hypercare serve --data` was given, or the metrics directory in it.", metavar="[DIR]"),
]
Match = Annotated[
    list[str] | None,
    typer.Option("--match", help="Series to export, as '{job=\"api\"}'; may be given several times. All, without it."),
]
_DATA = Path("data")
_UNUSABLE = 2


@app.command()
def check(directory: Directory = _DATA, json: Json = False) -> None:
    """Read every block, segment and log, and tell what is damaged and how much is lost. Nothing is changed.

    Exit code 0: all whole; 1: something is damaged; 2: there is no store.
    """
    from hypercare.tsdbtools import check as check_store

    place = _place(directory)
    report = check_store(place)
    if json:
        as_json({
            "directory": str(place), "good": report.good, "lost_samples": report.lost,
            "blocks": [block._asdict() | {"groups": len(block.groups)} for block in report.blocks],
            "unreadable_blocks": [{"name": name, "size": size} for name, size in report.unreadable],
            "log": {k: v for k, v in dataclasses.asdict(report.log).items() if k != "problems"},
            "problems": [dataclasses.asdict(problem) for problem in report.problems],
        })  # fmt: skip
        raise typer.Exit(0 if report.good else 1)
    for problem in report.problems:
        print(clean(str(problem), lines=True))
    log = report.log
    samples = sum(block.samples for block in report.blocks)
    print(f"{clean(str(place))}: {samples} samples in {len(report.blocks)} blocks, {log.samples} in the log")
    if log.torn_bytes:
        print(f"{log.torn_bytes} bytes at the end of the log are a write that was not finished; that is no damage")
    if report.good:
        print("all whole")
        return
    unreadable = sum(size for _, size in report.unreadable)
    lost = [f"at most {report.lost} samples"]
    lost += [f"{len(report.unreadable)} whole blocks ({unreadable} bytes)"] if report.unreadable else []
    lost += [f"{log.damaged_bytes} bytes of the log"] if log.damaged_bytes else []
    print(f"DAMAGED: lost are {', '.join(lost)}; everything else can be read")
    raise typer.Exit(1)


@app.command("list")
def list_(directory: Directory = _DATA, json: Json = False) -> None:
    """List the blocks: span, series, samples, size."""
    from hypercare.tsdbtools import check as check_store

    blocks = check_store(_place(directory)).blocks
    if json:
        as_json([block._asdict() | {"groups": len(block.groups), "samples": block.samples} for block in blocks])
        return
    rows = [
        (block.name, _time(block.first), _time(block.last), str(block.series), str(block.samples), str(block.size),
         _per(block.size, block.samples))
        for block in blocks
    ]  # fmt: skip
    table(("block", "first", "last", "series", "samples", "bytes", "bytes/sample"), rows, "There is no block yet.")


@app.command()
def analyze(
    directory: Directory = _DATA,
    limit: Annotated[int, typer.Option(help="Rows of each table.", min=1)] = 20,
    json: Json = False,
) -> None:
    """What costs most: cardinality, churn, label pairs, sizes and compression, block by block and target by target."""
    from hypercare.tsdbtools import analyze as analyze_store
    from hypercare.tsdbtools import read_only

    with read_only(_place(directory)) as db:
        found = analyze_store(db, limit)
    if json:
        told = {**dataclasses.asdict(found), "bytes_per_sample": found.bytes_per_sample}
        as_json({**told, "blocks": [block._asdict() | {"groups": len(block.groups)} for block in found.blocks]})
        return
    print(f"from {_time(found.first)} to {_time(found.last)}")
    print(f"{found.series} series, {found.samples} samples, {found.stale} staleness markers")
    in_blocks = sum(block.samples for block in found.blocks)
    print(
        f"{len(found.blocks)} blocks with {in_blocks} samples in {found.block_bytes} bytes "
        f"({_per(found.block_bytes, in_blocks)} a sample), log {found.log_bytes} bytes"
    )
    told_groups = []
    for group in found.groups:
        counts = (str(group.series), str(group.samples), str(group.size))
        told_groups.append((group.key.replace("\x1f", " "), *counts, _per(group.size, group.samples)))
    _section(
        "Targets and groups that take most room", ("group", "series", "samples", "bytes", "bytes/sample"), told_groups
    )
    cardinality = found.cardinality
    counted: list[tuple[str, Table]] = [
        ("Metric names with most series", cardinality.series_by_metric),
        ("Label pairs with most series", cardinality.series_by_pair),
        ("Label names with most values", cardinality.values_by_label),
        ("Label names with most bytes of values", cardinality.bytes_by_label),
        ("Label pairs most involved in churn (series' absence, thousandths of the span)", found.churn_by_pair),
        ("Label names most involved in churn", found.churn_by_name),
    ]
    for title, rows in counted:
        _section(title, ("", "count"), [(name, str(count)) for name, count in rows])


@app.command()
def export(
    directory: Directory = _DATA,
    match: Match = None,
    since: Annotated[str, typer.Option("--from", help="RFC 3339 or Unix seconds; the beginning, without it.")] = "",
    until: Annotated[str, typer.Option("--to", help="RFC 3339 or Unix seconds; the end, without it.")] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A file (compressed if it ends in .gz); else standard output.")
    ] = None,
) -> None:
    """Write samples as OpenMetrics text with times, which `promtool tsdb create-blocks-from openmetrics` reads too.

    Staleness markers and native histograms have no form in it; how many were left out is said at the end.
    """
    from hypercare.tsdbtools import export as export_store
    from hypercare.tsdbtools import in_use, read_only

    place = _place(directory)
    selectors = [_selector(text) for text in match or []]
    start, end = _instant(since, "--from", 0), _instant(until, "--to", 2**61)
    if in_use(place):
        print(f"{clean(str(place))} is in use: what the server has not written yet is missing", file=sys.stderr)
    with read_only(place) as db:
        snapshot = db.snapshot()
        if output is None:
            report = export_store(snapshot, selectors, start, end, sys.stdout.write)
        else:
            with _opened(output) as file:
                report = export_store(snapshot, selectors, start, end, file.write)
        problems = db.problems
    for problem in problems:
        print(clean(str(problem), lines=True), file=sys.stderr)
    left_out = [f"{report.stale} staleness markers"] * bool(report.stale)
    left_out += [f"{report.histograms} native histograms"] * bool(report.histograms)
    tail = f"; left out, because the format has no place for them: {', '.join(left_out)}" if left_out else ""
    print(f"{report.samples} samples of {report.series} series{tail}", file=sys.stderr)
    raise typer.Exit(1 if problems else 0)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="OpenMetrics text; every sample has a timestamp. gzip too.")],
    directory: Directory = _DATA,
) -> None:
    """Take the samples of an OpenMetrics file in. The server must not be running.

    The whole file is checked before anything is written. What the store has already is left alone, so that an import
    can be repeated. Exit code 1: the store has other values for some of the samples, which were refused.
    """
    from hypercare.adapters.system import SystemClock
    from hypercare.tsdbtools import import_file, in_use, store_directory

    try:
        try:
            place = store_directory(directory)
        except InputError:
            place = directory / "metrics"
        if in_use(place):
            print(f"hypercare: {clean(str(place))} is in use by a running server: stop it first", file=sys.stderr)
            raise typer.Exit(_UNUSABLE)
        report = import_file(file, place, SystemClock().now())
    except InputError as error:
        print(clean(str(error), lines=True), file=sys.stderr)
        raise typer.Exit(_UNUSABLE) from error
    except OSError as error:
        print(f"hypercare: {error}; the import can be repeated", file=sys.stderr)
        raise typer.Exit(_UNUSABLE) from error
    span = f" from {_time(report.first)} to {_time(report.last)}" if report.samples else ""
    already = f", {report.there_already} were there already" if report.there_already else ""
    print(f"{report.stored} of {report.samples} samples of {report.series} series stored{span}{already}")
    for sentence in report.refused:
        print(clean(sentence), file=sys.stderr)
    raise typer.Exit(1 if report.refused else 0)


def _place(directory: Path) -> Path:
    from hypercare.tsdbtools import store_directory

    try:
        return store_directory(directory)
    except InputError as error:
        print(clean(str(error), lines=True), file=sys.stderr)
        raise typer.Exit(_UNUSABLE) from error


def _opened(output: Path) -> TextIO:
    if output.suffix == ".gz":
        return cast("TextIO", gzip.open(output, "wt", encoding="utf-8"))
    return output.open("w", encoding="utf-8")


def _selector(text: str) -> tuple[Matcher, ...]:
    from hypercare.promql import PromqlError, VectorSelector, parse

    try:
        found = parse(text)
    except PromqlError as error:
        raise typer.BadParameter(error.render(text), param_hint="--match") from error
    if not isinstance(found, VectorSelector) or found.offset or found.at or found.mode:
        raise typer.BadParameter(f"not a series selector: {text}", param_hint="--match")
    return found.matchers


def _instant(text: str, option: str, otherwise: Ms) -> Ms:
    if not text:
        return otherwise
    try:
        return int(float(text) * 1000) if text.replace(".", "", 1).isdigit() else parse_rfc3339(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _time(at: Ms | None) -> str:
    return "-" if at is None else format_rfc3339(at)


def _per(size: int, samples: int) -> str:
    return f"{size / samples:.3f}" if samples else "-"


def _section(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        print(f"\n{title}:")
        table(columns, rows, "")
