"""One loading run: reads files through the port, keeps what was read, gathers problems and announcements."""

from __future__ import annotations

import hashlib
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

from hypercare.config.discovery import has_glob
from hypercare.config.problems import did_you_mean
from hypercare.config.source import read_yaml
from hypercare.config.walk import Announcement, announcements, file_refs
from hypercare.model.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from hypercare.config.source import Document, Node
    from hypercare.ports import Files


class Reading:
    """What one run of ``load`` has read and found so far.

    Attributes:
        problems: in no particular order; ``sorted_problems`` has them by file as read, line, column.
        opened: normalised paths of all files read, in order.

    """

    def __init__(self, files: Files, env: Mapping[str, str], *, check_files: bool) -> None:
        self.files = files
        self.env = env
        self.check_files = check_files
        self.problems: list[Problem] = []
        self.announcements: list[Announcement] = []
        self.opened: list[str] = []
        self.digest = hashlib.blake2b(digest_size=8)

    def sorted_problems(self) -> list[Problem]:
        """All problems: files in the order of reading, then by place."""
        return sorted(set(self.problems), key=self._order)

    def sorted_announcements(self) -> tuple[Announcement, ...]:
        """All announcements in the same order."""
        return tuple(sorted(set(self.announcements), key=self._order))

    def _order(self, item: Problem | Announcement) -> tuple[int, int, int, str]:
        file = posixpath.normpath(item.file)
        number = self.opened.index(file) if file in self.opened else len(self.opened)
        return number, item.line, item.column, str(item)

    def mix(self, *parts: str) -> None:
        """Let something other than a file's content count for the configuration's hash."""
        for part in parts:
            self.digest.update(part.encode("utf-8", "surrogatepass") + b"\0")

    def open(self, path: str, named_by: Document | None = None, node: Node | None = None) -> Document | None:
        """Read a YAML file; none where that failed, and the problem is noted at the key that names it."""
        normal = posixpath.normpath(path)
        if named_by is not None and normal in self.opened:
            hint = "a file cannot include itself or one that includes it; name each file once"
            self.problems.append(named_by.problem(node, f"{path} has been read already", hint))
            return None
        try:
            data = self.files.read(Path(path))
        except (OSError, ValueError) as err:
            self.problems.append(self.unreadable(path, err, _at(named_by, node)))
            return None
        self.opened.append(normal)
        # Not where the folder lies: a copy of it is the same configuration.
        self.mix(posixpath.relpath(normal, posixpath.dirname(self.opened[0]) or "."))
        self.digest.update(data)
        try:
            document = read_yaml(data, path, posixpath.dirname(path))
        except InputError as err:
            self.problems.extend(err.problems)
            return None
        text = "only the first document of a file is read"
        self.announcements.extend(Announcement(path, line, column, "---", text) for line, column in document.later)
        return document

    def include(self, pattern: str, named_by: Document, node: Node | None) -> list[Document]:
        """Read the files that a path or pattern names; a pattern may name none, a path must exist."""
        if not has_glob(pattern):
            document = self.open(pattern, named_by, node)
            return [document] if document else []
        found: list[Document] = []
        for path in self.files.glob(pattern):
            if posixpath.normpath(str(path)) in self.opened[1:]:
                continue  # named by another entry, too
            document = self.open(str(path), named_by, node)
            found += [document] if document else []
        if not found and self.check_files and not self.files.glob(pattern):
            line, column = (node.line, node.column) if node else (0, 0)
            self.announcements.append(Announcement(named_by.file, line, column, pattern, "no file fits this pattern"))
        return found

    def finish(self, model: BaseModel, document: Document) -> None:
        """Note a valid model's announcements and the files it names that cannot be read."""
        self.announcements.extend(announcements(model, document))
        if not self.check_files:
            return
        for path, keys in file_refs(model):
            self.require(path, document, keys)

    def require(self, path: str, document: Document, keys: Sequence[str | int]) -> None:
        """Note a problem where a file cannot be read that the key under ``keys`` names."""
        try:
            self.files.read(Path(path))
        except (OSError, ValueError) as err:
            line, column = document.find(keys)
            self.problems.append(self.unreadable(path, err, (document.file, line, column)))

    def unreadable(self, path: str, err: Exception, at: tuple[str, int, int] | None) -> Problem:
        """A file that cannot be read, as a problem at the key that names it."""
        reason = err.strerror if isinstance(err, OSError) and err.strerror else str(err)
        missing = isinstance(err, FileNotFoundError)
        message = f"no such file: {path}" if missing else f"cannot read {path}: {reason}"
        folder, name = posixpath.split(path)
        near = [other.name for other in self.files.glob(posixpath.join(folder, "*.*"))] if missing else []
        hint = did_you_mean(name, near)
        if at is None:
            ours = "name the file with --config, or write one: `prometheus: prometheus.yml` is enough"
            return Problem(path, 0, 0, message, ours if missing else "")
        if missing and not hint.startswith("did"):
            hint = "relative paths start from the folder of the file that names them"
        return Problem(*at, message, hint)


def _at(named_by: Document | None, node: Node | None) -> tuple[str, int, int] | None:
    if named_by is None:
        return None
    return (named_by.file, node.line, node.column) if node is not None else (named_by.file, 0, 0)
