"""Targets in JSON or YAML files, read again when they change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from hypercare.collectors.discovery.base import Discovery, Found, groups_of
from hypercare.config.source import read_yaml
from hypercare.model.errors import InputError
from hypercare.model.time import SECOND

if TYPE_CHECKING:
    from pathlib import Path

    from hypercare.collectors.discovery.base import LabelPairs
    from hypercare.model.time import Ms
    from hypercare.ports import Files

_LONGEST_WAIT: Final = 5 * SECOND
_NEVER_READ: Final = (-1, -1)


class FileDiscovery(Discovery):
    """Files by shell pattern.

    A file that cannot be read or is broken keeps the targets it gave last; one that is deleted takes them along.
    """

    kind: ClassVar[str] = "file"

    def __init__(self, files: Files, patterns: tuple[str, ...], refresh: Ms) -> None:
        # Looking at stamps is cheap, so that nobody waits five minutes for a change to be seen.
        self.every = min(refresh, _LONGEST_WAIT)
        self._files = files
        self._patterns = patterns
        self._good: dict[Path, tuple[LabelPairs, ...]] = {}
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._errors: dict[Path, str] = {}

    def read(self) -> Found:
        """Look at the files' stamps and read those that changed."""
        paths = list(dict.fromkeys(p for pattern in self._patterns for p in self._files.glob(pattern)))
        for known in (self._good, self._stamps, self._errors):
            for path in [p for p in known if p not in paths]:
                del known[path]
        for path in paths:
            stamp = self._files.stamp(path)
            if stamp != self._stamps.get(path, _NEVER_READ):
                self._stamps[path] = stamp
                self._read_one(path)
        targets = tuple(t for path in paths for t in self._good.get(path, ()))
        errors = [self._errors[path] for path in paths if path in self._errors]
        if not paths:
            errors.append(f"no file fits {', '.join(self._patterns)}")
        return Found(targets, "; ".join(errors))

    def _read_one(self, path: Path) -> None:
        try:
            document = _load(path, self._files.read(path))
            self._good[path] = groups_of(document, (("__meta_filepath", str(path)),))
        except (OSError, ValueError, RecursionError, InputError) as error:
            self._errors[path] = f"{path}: {error}"
        else:
            self._errors.pop(path, None)

    @property
    def identity(self) -> object:
        """Patterns and interval."""
        return (self._patterns, self.every)


def _load(path: Path, content: bytes) -> Any:
    if path.suffix.lower() == ".json":
        return json.loads(content)
    root = read_yaml(content, str(path)).root
    # Texts stay as they were written: a label value 1.0 is no number.
    return root.data() if root is not None else None
