"""Canaries and analyses judged as other tools do it: kayenta, argo."""

from __future__ import annotations

import json as json_text
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from hypercare.adapters.system import SystemClock
from hypercare.cli.client import DEFAULT_URL, Json, Url, request
from hypercare.cli.failure import ServerError
from hypercare.cli.given import duration, instant
from hypercare.cli.show import as_json, clean, table
from hypercare.model.errors import InputError, Problem
from hypercare.model.time import SECOND, format_rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from hypercare.judge.argo.model import Run
    from hypercare.judge.kayenta.config import CanaryConfig, CanaryMetric
    from hypercare.judge.kayenta.judge import CanaryResult
    from hypercare.model.time import Ms

    Values = dict[str, NDArray[np.float64]]

app = typer.Typer(help="Canaries and analyses judged as other tools do it: kayenta, argo.", no_args_is_help=True)

_BAD_INPUT: Final = 4
_CODES: Final = {"Pass": 0, "Marginal": 1, "Fail": 2, "Successful": 0, "Inconclusive": 1, "Failed": 2, "Error": 2}
_MAX_STEPS: Final = 11_000
Pairs = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A value for ${NAME} in queries.")]
Table = Annotated[
    Path | None,
    typer.Option(help="CSV: a column a metric, the first line its name. Without it a server is asked.", dir_okay=False),
]


@app.command()
def kayenta(
    config: Annotated[Path, typer.Argument(help="A canary configuration of Kayenta, JSON.", metavar="CONFIG.json")],
    *,
    control: Table = None,
    experiment: Table = None,
    control_scope: Annotated[str, typer.Option(help="What ${scope} is for the control, such as v1.")] = "",
    experiment_scope: Annotated[str, typer.Option(help="What ${scope} is for the experiment, such as v2.")] = "",
    from_: Annotated[str, typer.Option("--from", help="The experiment's span: -1h, 2026-01-05T09:00.")] = "-1h",
    to: Annotated[str, typer.Option("--to", help="Its end; now by default.")] = "now",
    control_from: Annotated[str, typer.Option(help="The control's span, of the same length; the same span.")] = "",
    step: Annotated[str, typer.Option(help="Between the samples that a server is asked for.")] = "1m",
    settings: Pairs = None,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Judge a canary as Kayenta's NetflixACAJudge does, from two CSV files or from a server's PromQL API.

    Exit code 0: pass; 1: marginal; 2: fail; 3: the server cannot be asked; 4: a file cannot be read.
    """
    from hypercare.judge.kayenta.config import read_config
    from hypercare.judge.kayenta.judge import judge_canary

    if (control is None) != (experiment is None):
        raise typer.BadParameter("give both --control and --experiment, or neither", param_hint="--control")
    try:
        read = read_config(_json(config), str(config))
        if control is not None and experiment is not None:
            before, after = _table(control), _table(experiment)
            _warn_unknown(read, before, after)
        else:
            start, end = _span(from_, to)
            shift = start if not control_from else instant(control_from, SystemClock().now(), "--control-from")
            every = duration(step, "--step")
            if not 0 < (end - start) / max(every, 1) <= _MAX_STEPS:
                raise typer.BadParameter(f"gives more than {_MAX_STEPS} samples, or none", param_hint="--step")
            places = _pairs(settings, "--set") | {"interval": step}
            scopes = (places | _scope(control_scope), places | _scope(experiment_scope))
            spans = ((shift, shift + end - start), (start, end))
            read, before, after = _asked(read, url, scopes, spans, every)
    except InputError as error:
        _refuse(error)
    result = judge_canary(read, before, after)
    if json:
        as_json(result.as_json())
    else:
        _show_canary(result)
    raise typer.Exit(_CODES[result.outcome.value])


@app.command()
def argo(
    template: Annotated[Path, typer.Argument(help="An AnalysisTemplate of Argo Rollouts.", metavar="TEMPLATE.yml")],
    *,
    from_: Annotated[str, typer.Option("--from", help="When the analysis would have begun.")] = "-1h",
    to: Annotated[str, typer.Option("--to", help="When it would have been ended; now by default.")] = "now",
    arguments: Annotated[
        list[str] | None, typer.Option("--arg", metavar="NAME=VALUE", help="A value for {{args.NAME}}.")
    ] = None,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Tell what an analysis would have said over a past span; its queries go to a server's PromQL API.

    Exit code 0: successful; 1: inconclusive; 2: failed, or an error; 3: the server cannot be asked; 4: a file cannot
    be read.
    """
    from hypercare.config.source import read_yaml, settle
    from hypercare.judge.argo.replay import replay
    from hypercare.judge.argo.template import read_template

    start, end = _span(from_, to)
    try:
        document = read_yaml(_bytes(template), str(template))
        given = _pairs(arguments, "--arg")
        read = read_template(settle(document.root.data()), str(template), given, document.find)
    except InputError as error:
        _refuse(error)
    run = replay(read, start, end, lambda query, at: _answer(url, query, at))
    if json:
        as_json(_run_json(run))
    else:
        _show_run(run)
    raise typer.Exit(_CODES[run.phase.value])


def _refuse(error: InputError) -> NoReturn:
    print(clean(str(error), lines=True), file=sys.stderr)
    raise typer.Exit(_BAD_INPUT) from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError([Problem(str(path), 0, 0, f"cannot be read: {error.strerror or error}")]) from error


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError([Problem(str(path), 0, 0, f"expected UTF-8: {error.reason}")]) from error


def _json(path: Path) -> Any:
    try:
        return json_text.loads(_text(path))
    except json_text.JSONDecodeError as error:
        raise InputError([Problem(str(path), error.lineno, error.colno, f"expected JSON: {error.msg}")]) from error
    except RecursionError as error:
        raise InputError([Problem(str(path), 0, 0, "the JSON is nested too deeply")]) from error


def _table(path: Path) -> Values:
    from hypercare.judge.kayenta.table import read_table

    return read_table(_text(path), str(path))


def _warn_unknown(config: CanaryConfig, *tables: Values) -> None:
    known = {metric.name for metric in config.metrics}
    for name in sorted({name for each in tables for name in each} - known):
        print(f"hypercare: no metric is named {clean(name)!r}: this column is not judged", file=sys.stderr)


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in given or []:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"expected NAME=VALUE, found {pair!r}", param_hint=option)
        found[name] = value
    return found


def _scope(name: str) -> dict[str, str]:
    return {"scope": name} if name else {}


def _span(from_: str, to: str) -> tuple[Ms, Ms]:
    now = SystemClock().now()
    start, end = instant(from_, now, "--from"), instant(to, now, "--to")
    if end <= start:
        raise typer.BadParameter("--to is not after --from", param_hint="--to")
    return start, end


def _asked(
    config: CanaryConfig,
    url: str,
    places: tuple[Mapping[str, str], Mapping[str, str]],
    spans: tuple[tuple[Ms, Ms], tuple[Ms, Ms]],
    step: Ms,
) -> tuple[CanaryConfig, Values, Values]:
    """The configuration with one metric a series, and the values of both sides."""
    import dataclasses

    from hypercare.judge.kayenta.promql import promql

    queries = [[promql(metric, side, config.name) for side in places] for metric in config.metrics]
    metrics: list[CanaryMetric] = []
    before: Values = {}
    after: Values = {}
    for metric, (first, second) in zip(config.metrics, queries, strict=True):
        control = _series(url, first, spans[0], step)
        experiment = _series(url, second, spans[1], step)
        for labels in list(dict.fromkeys([*control, *experiment])) or [""]:
            name = f"{metric.name} {labels}".strip()
            metrics.append(dataclasses.replace(metric, name=name))
            before.update({name: control[labels]} if labels in control else {})
            after.update({name: experiment[labels]} if labels in experiment else {})
    return dataclasses.replace(config, metrics=tuple(metrics)), before, after


def _series(url: str, query: str, span: tuple[Ms, Ms], step: Ms) -> Values:
    """Values by the series' labels, NaN where a step has none."""
    import numpy as np

    start, end = span
    found = request(url, "/api/v1/query_range", query=query, start=start / SECOND, end=end / SECOND, step=step / SECOND)
    count = (end - start) // step + 1
    result: Values = {}
    for series in found["data"]["result"]:
        values = np.full(count, np.nan)
        for at, value in series.get("values", []):
            values[min(round((at * SECOND - start) / step), count - 1)] = float(value)
        labels = ",".join(f'{name}="{value}"' for name, value in sorted(series["metric"].items()))
        result[f"{{{labels}}}" if labels else ""] = values
    return result


def _answer(url: str, query: str, at: Ms) -> Any:
    from hypercare.judge.argo.replay import QueryError

    try:
        data = request(url, "/api/v1/query", query=query, time=at / SECOND)["data"]
    except ServerError as error:
        if error.status in {0, 401, 403}:
            raise
        raise QueryError(str(error)) from error
    if data["resultType"] == "scalar":
        return float(data["result"][1])
    if data["resultType"] == "vector":
        return [float(series["value"][1]) for series in data["result"] if "value" in series]
    raise QueryError(f"Prometheus metric type not supported: {data['resultType']}")


def _show_canary(result: CanaryResult) -> None:
    rows = [
        (
            each.metric.name,
            each.classification.label.value + (" (critical)" if each.classification.critical else ""),
            f"{each.control.mean:g} ({each.control.count})",
            f"{each.experiment.mean:g} ({each.experiment.count})",
            f"{each.classification.deviation:.3g}",
            ", ".join(each.metric.groups),
            "muted" if each.metric.muted else "",
        )
        for each in result.metrics
    ]
    table(("metric", "class", "control", "experiment", "effect", "groups", ""), rows, "No metrics.")
    for group in result.score.groups:
        said = "no data" if group.no_data else f"{group.score:.2f}"
        print(clean(f"group {group.name}: {said}, weight {group.weight:g}"))
    for each in result.metrics:
        if each.classification.label.value != "Pass":
            print(clean(each.classification.reason))
    print(clean(f"{result.outcome.value}: {result.reason}"))


def _show_run(run: Run) -> None:
    rows = [
        (
            each.name + (" (dry run)" if each.name in run.dry_run else ""),
            each.phase.value,
            *(str(count) for count in (each.successful, each.failed, each.inconclusive, each.error)),
            each.last.value if each.last else "",
            each.message,
        )
        for each in run.results
    ]
    table(("metric", "phase", "successful", "failed", "inconclusive", "errors", "last", "message"), rows, "No metrics.")
    print(clean(f"{run.phase.value}{': ' + run.message if run.message else ''}"))


def _run_json(run: Run) -> dict[str, Any]:
    return {
        "phase": run.phase.value,
        "message": run.message,
        "metricResults": [
            {
                "name": each.name,
                "phase": each.phase.value,
                "dryRun": each.dry_run,
                "message": each.message,
                "count": each.count,
                "successful": each.successful,
                "failed": each.failed,
                "inconclusive": each.inconclusive,
                "error": each.error,
                "measurements": [
                    {
                        "phase": found.phase.value,
                        "value": found.value,
                        "message": found.message,
                        "at": None if found.finished_at is None else format_rfc3339(found.finished_at),
                    }
                    for found in each.measurements
                ],
            }
            for each in run.results
        ],
    }
