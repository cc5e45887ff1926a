"""The demo platform: start, break, heal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hypercare.demo import faults
from hypercare.demo.run import run
from hypercare.demo.state import DemoError

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(help="A small real AI platform, watched by hypercare. Break it and see.", invoke_without_command=True)
Directory = Annotated[Path, typer.Option("--directory", help="Where the demo keeps its files.")]
_HOME = Path(".demo")


@app.callback()
def demo(context: typer.Context, directory: Directory = _HOME, listen: str = "127.0.0.1:9600") -> None:
    """Start the platform and hypercare; Ctrl-C stops all of it."""
    if context.invoked_subcommand is None:
        raise typer.Exit(run(directory, listen, [sys.executable, "-m", "hypercare"]))


@app.command("break")
def break_(fault: Annotated[str, typer.Argument(help=", ".join(faults.FAULTS))], directory: Directory = _HOME) -> None:
    """Cause a real fault in the running demo."""
    _say(lambda: [f"broken: {faults.break_fault(directory, fault).text}"])


@app.command()
def heal(
    fault: Annotated[str | None, typer.Argument(help="One of them; all without.")] = None, directory: Directory = _HOME
) -> None:
    """Undo one fault, or all."""
    _say(lambda: [f"healed: {name}" for name in faults.heal(directory, fault)] or ["nothing was broken"])


def _say(act: Callable[[], list[str]]) -> None:
    try:
        print("\n".join(act()))
    except DemoError as error:
        print(f"hypercare: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
