"""Configuration: check, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hypercare.model.errors import InputError

app = typer.Typer(help="Configuration: check, schema.", no_args_is_help=True)


@app.command()
def check(file: Annotated[Path, typer.Argument(help="hypercare.yml")] = Path("hypercare.yml")) -> None:
    """Check all files; exit code 2 with every problem and its place, else a summary and what is not acted on yet."""
    from hypercare.cli.load import load_config

    try:
        config = load_config(file)
    except InputError as error:
        print(error)
        print(f"\n{len(error.problems)} problem{'s' * (len(error.problems) != 1)}")
        raise typer.Exit(2) from error
    for announcement in config.announcements:
        print(announcement)
    written = {place.name for place in config.schedules_written}
    for place in config.schedules_named:
        if place.name not in written:
            at = f"{place.file}:{place.line}:{place.column}"
            print(f"{at}: schedule:{place.name}: not in this file; a schedule of this name must be made on the page")
    rules = sum(len(group.rules) for rule_file in config.rules for group in rule_file.groups)
    jobs, services = len(config.prometheus.scrape_configs), len(config.hypercare.services)
    print(f"{file}: good: {len(config.paths)} files, {services} services, {jobs} scrape jobs, {rules} rules, "
          f"{len(config.alertmanager.receivers)} receivers, {len(config.hypercare.people)} people")  # fmt: skip


@app.command()
def schema() -> None:
    """Print the JSON Schema of hypercare.yml, for editors."""
    from hypercare.config import schema as config_schema

    print(json.dumps(config_schema(), indent=2))
