"""Walks over validated models: what is announced, which files they name, and their text with secrets hidden."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, get_args

import yaml
from pydantic import BaseModel

from hypercare.config.base import Announced, FileRef, StrictModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from hypercare.config.source import Document

Path = tuple[str | int, ...]


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Announcement:
    """A key that is understood but not acted on: said at start, never ignored silently."""

    file: str
    line: int
    column: int
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.key}: {self.text}"


def fields(model: BaseModel, path: Path = ()) -> Iterator[tuple[BaseModel, str, FieldInfo, Path]]:
    """All fields that were set in a model and in those below it, with their paths as the user wrote them."""
    for name, info in type(model).model_fields.items():
        if name not in model.model_fields_set:
            continue
        here = (*path, info.alias or name)
        yield model, name, info, here
        for inner, below in models(getattr(model, name), here):
            yield from fields(inner, below)


def models(value: Any, path: Path) -> Iterator[tuple[BaseModel, Path]]:
    """The models that a field's value consists of."""
    if isinstance(value, BaseModel):
        yield value, path
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from models(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from models(item, (*path, key))


def announcements(model: BaseModel, document: Document) -> list[Announcement]:
    """What is set in a document and not acted on; what stands below an announced key is not listed again."""
    found: list[Announcement] = []
    done: list[Path] = []
    for owner, name, info, path in fields(model):
        if any(path[: len(above)] == above for above in done):
            continue
        text = next((m.text for m in info.metadata if isinstance(m, Announced)), "")
        if text:
            found.append(_announcement(document, path, path, text))
            done.append(path)
            continue
        for inner, below in models(getattr(owner, name), path):
            if isinstance(inner, StrictModel) and inner.announced:
                found.append(_announcement(document, path, below, inner.announced))
                done.append(below)
    return found


def _announcement(document: Document, key: Path, at: Path, text: str) -> Announcement:
    line, column = document.find(at, key=True)
    names = ".".join(str(part) for part in key if isinstance(part, str))
    return Announcement(document.file, line, column, names, text)


def file_refs(model: BaseModel) -> list[tuple[str, Path]]:
    """Files that must exist, with the paths of the keys that name them; below announced models none are needed."""
    found: list[tuple[str, Path]] = []
    for owner, name, info, path in fields(model):
        if isinstance(owner, StrictModel) and owner.announced:
            continue
        values = getattr(owner, name)
        if any(isinstance(m, FileRef) for m in info.metadata):
            found.append((values, path))
        elif isinstance(values, tuple) and _lists_files(info.annotation):
            found.extend((value, (*path, index)) for index, value in enumerate(values))
    return [(value, path) for value, path in found if value]


def _lists_files(annotation: Any) -> bool:
    """Whether the elements of a tuple are marked as files."""
    return any(isinstance(mark, FileRef) for item in get_args(annotation) for mark in getattr(item, "__metadata__", ()))


def dump(model: BaseModel) -> str:
    """What is set in a model and differs from the defaults, as YAML text with secrets as ``<secret>``."""
    data = model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)
