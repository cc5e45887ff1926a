"""``hypercare drill``: how a response goes, measured; achieved times against target times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from hypercare.adapters.realtime import pause
from hypercare.cli.client import DEFAULT_URL, Url, request
from hypercare.cli.given import duration
from hypercare.cli.show import as_json, clean, table
from hypercare.model.time import format_duration

_LIVE: Final = Path("live")
_DRILLS: Final = "/api/hypercare/v1/drills"
_EVERY_SECONDS: Final = 2.0


def drill(
    scenario: Annotated[
        Path | None, typer.Argument(help="The scenario; or live: an alert to real people.", show_default=False)
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="The example that comes with hypercare.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="Rehearse this hypercare.yml instead of the one that it names.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of all chance, instead of the scenario's.")] = None,
    severity: Annotated[str, typer.Option("--severity", help="Of the alert of a live drill.")] = "critical",
    wait: Annotated[str, typer.Option("--wait", help="For an acknowledgement of a live drill.")] = "15m",
    url: Url = DEFAULT_URL,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Score the response in a scenario: detection, pages, acknowledgement, escalation, repair, what follows.

    With live instead of a scenario: the running server sends an alert marked [DRILL] the whole way to real channels and
    people, waits for somebody to take it, and ends it.

    Exit code 0: everything was in time; 1: something was late or did not happen; 2: the input is wrong.
    """
    from hypercare.cli.simulate import opened
    from hypercare.rehearse.measure import as_table
    from hypercare.rehearse.stories import facts, scoring
    from hypercare.rehearse.stories.stage import Stage

    if scenario == _LIVE:
        _live(url, severity, duration(wait, "--wait"), json=json)
    if (scenario is None) != example:
        raise typer.BadParameter("name a scenario, or write --example")
    named = scenario or Path(facts.__file__).with_name("example") / "drill.yml"
    with opened(named, config) as book:
        stage = Stage(book, seed)
        stage.run()
        lines = scoring.score(stage, facts.facts_of(stage.events))
        stage.close()
    if json:
        as_json(scoring.as_json(lines))
    else:
        print(clean(as_table(lines), lines=True), end="")
    raise typer.Exit(0 if all(line.passed for line in lines) else 1)


def _live(url: str, severity: str, wait: int, *, json: bool) -> NoReturn:
    """Begin a drill, look until it is over, and show what was measured."""
    begun = request(url, _DRILLS, method="POST", body={"severity": severity, "wait_seconds": wait // 1000})
    path = f"{_DRILLS}/{begun['id']}"
    left = wait / 1000
    try:
        while left > 0 and not request(url, path)["taken_by"]:
            pause(_EVERY_SECONDS)
            left -= _EVERY_SECONDS
    finally:
        found = request(url, f"{path}/end", method="POST", body={})
    if json:
        as_json(found)
    else:
        rows = [
            (
                line["what"],
                _long(line["target_ms"]),
                _long(line["achieved_ms"]),
                "in time" if line["in_time"] else "MISSED",
            )
            for line in found["lines"]
        ]
        table(("drill", "target", "achieved", ""), rows, "Nothing was measured.")
    raise typer.Exit(0 if all(line["in_time"] for line in found["lines"]) else 1)


def _long(ms: int | None) -> str:
    return "-" if ms is None else format_duration(ms // 100 * 100)
