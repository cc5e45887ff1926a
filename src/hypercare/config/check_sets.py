"""Ready-made checks: ``check_sets.yml`` beside this file."""

from importlib.resources import files
from typing import Any, Final

import yaml

CHECK_SETS: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    name: tuple(rows)
    for name, rows in yaml.load(
        files("hypercare.config").joinpath("check_sets.yml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader
    ).items()
}
"""Rows as ``Check`` takes them, by the name of their set."""
