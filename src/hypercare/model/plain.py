"""Frozen values as JSON can hold them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from hypercare.model.labels import Labels


def plain(value: Any) -> Any:
    """A frozen value as JSON can hold it: labels as objects, data classes by field."""
    if isinstance(value, Labels):
        return value.as_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return value
