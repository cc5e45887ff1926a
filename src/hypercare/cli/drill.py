"""``hypercare drill``: how a response goes, measured; achieved times against target times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypercare.cli.show import as_json, clean


def drill(
    scenario: Annotated[Path | None, typer.Argument(help="The scenario.", show_default=False)] = None,
    example: Annotated[bool, typer.Option("--example", help="The example that comes with hypercare.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="Rehearse this hypercare.yml instead of the one that it names.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of all chance, instead of the scenario's.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Score the response in a scenario: detection, pages, acknowledgement, escalation, repair, what follows.

    Exit code 0: everything was in time; 1: something was late or did not happen; 2: the input is wrong.
    """
    from hypercare.cli.simulate import open_scenario
    from hypercare.rehearse.measure import as_table
    from hypercare.rehearse.stories import facts, scoring
    from hypercare.rehearse.stories.stage import Stage

    if (scenario is None) != example:
        raise typer.BadParameter("name a scenario, or write --example")
    named = scenario or Path(facts.__file__).with_name("example") / "drill.yml"
    stage = Stage(open_scenario(named, config), seed)
    stage.run()
    lines = scoring.score(stage, facts.facts_of(stage.events))
    stage.close()
    if json:
        as_json(scoring.as_json(lines))
    else:
        print(clean(as_table(lines), lines=True), end="")
    raise typer.Exit(0 if all(line.passed for line in lines) else 1)
