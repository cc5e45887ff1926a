"""Reading the configuration as every command does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hypercare.adapters.system import SystemFiles
from hypercare.channels.check import template_problems
from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.model.errors import InputError
from hypercare.rules import check_template

if TYPE_CHECKING:
    from hypercare.config import Config


def load_config(file: Path) -> Config:
    """Read hypercare.yml and all it names, but for schedules that were made on the page: the App knows these.

    Raises:
        InputError: all problems at once.

    """
    files = SystemFiles()
    config = load(Path(file), files, os.environ, INTEGRATIONS, check_template, open_schedules=True)
    problems = template_problems(config.alertmanager, files)
    if problems:
        raise InputError(list(problems))
    return config
