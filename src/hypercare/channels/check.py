"""Checks of the receivers' templates, for ``config check`` and before a configuration is taken."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from hypercare.channels.dispatcher import load_templates
from hypercare.channels.registry import BY_KEY
from hypercare.config.base import Secret
from hypercare.gotemplate import ALERTMANAGER_NAMES, check
from hypercare.model.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.config.alertmanager import AlertmanagerConfig
    from hypercare.ports import Files


def template_problems(alertmanager: AlertmanagerConfig, files: Files) -> tuple[Problem, ...]:
    """What is wrong with the template files and with the texts of the receivers that deliver."""
    _, errors = load_templates(alertmanager.templates, files)
    found = [Problem("", 0, 0, f"template file: {error}") for error in errors]
    if _lacks_apprise(alertmanager):
        hint = "pip install 'hypercare[apprise]'"
        found.append(Problem("", 0, 0, "apprise_configs need the library apprise, which is not installed", hint))
    for receiver in alertmanager.receivers:
        for key, model in receiver.integrations:
            if key not in BY_KEY:
                continue
            for path, text in _texts(model, key):
                wrong = check(text, ALERTMANAGER_NAMES)
                if wrong:
                    found.append(Problem("", 0, 0, f"receiver {receiver.name}: {path}: not a valid template: {wrong}"))
    return tuple(found)


def _lacks_apprise(alertmanager: AlertmanagerConfig) -> bool:
    used = any(key == "apprise_configs" for receiver in alertmanager.receivers for key, _ in receiver.integrations)
    return used and importlib.util.find_spec("apprise") is None


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """All texts below a value, with their paths."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _texts(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, Secret):
        yield path, value.reveal()
    elif isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{index}]")
