"""Writes what hypercare needs to watch the platform: the four files of ``files/`` with this run's addresses."""

from __future__ import annotations

import importlib.resources
import re
import sys
from typing import TYPE_CHECKING

from hypercare.demo.layout import HOST, RunDirectory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FILES = ("hypercare.yml", "prometheus.yml", "rules.yml", "alertmanager.yml")
_PLACE = re.compile(r"__([a-z-]+)__")


def render(name: str, ports: Mapping[str, int]) -> str:
    """One file with ``__process__`` replaced by the process' host:port, and ``__python__`` by our interpreter.

    Raises:
        KeyError: the file names a process that ``ports`` does not have.
    """
    template = importlib.resources.files("hypercare.demo").joinpath("files", name).read_text(encoding="utf-8")
    return _PLACE.sub(lambda found: sys.executable if found[1] == "python" else f"{HOST}:{ports[found[1]]}", template)


def write(directory: RunDirectory, ports: Mapping[str, int]) -> Path:
    """Write all files into the run directory; returns the path of hypercare.yml."""
    for name in FILES:
        (directory.root / name).write_text(render(name, ports), encoding="utf-8")
    return directory.config


def serve_command(program: Sequence[str], run_directory: Path, listen: str) -> list[str]:
    """The command line by which ``program`` watches the platform of this run directory."""
    directory = RunDirectory(run_directory.resolve())
    options = ["--config", str(directory.config), "--data", str(directory.data), "--listen", listen]
    return [*program, "serve", *options]
