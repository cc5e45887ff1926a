"""YAML texts as trees that know where each value stands.

Built on the events of the C parser instead of PyYAML's composer: so nesting and alias expansion are bounded, duplicate
keys are refused, and the text of a plain scalar is kept (a label value ``1.0`` or ``yes`` is text where the key wants
text, as in Prometheus).
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

from hypercare.model.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_DEPTH: Final = 100
"""Levels of nesting; real configurations have about ten."""
MAX_ALIASED: Final = 200_000
"""Values that aliases of one file may expand to."""
MAX_BYTES: Final = 32 * 1024 * 1024

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT: Final = re.compile(r"[-+]?(0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*)", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_SPECIAL: Final = {".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}
_TAG: Final = "tag:yaml.org,2002:"
_Event: TypeAlias = Any
"""An event of PyYAML; its stubs do not tell which events have which attributes."""


class Plain(str):
    """The text of an unquoted scalar: what it means depends on what the key wants."""

    __slots__ = ()

    @property
    def resolved(self) -> str | int | float | bool:
        """The value where nothing is wanted in particular: a number, a truth value, or the text."""
        text = str(self)
        if text in _BOOLS:
            return _BOOLS[text]
        if _INT.fullmatch(text):
            digits = text.replace("_", "").lower()
            return int(digits, 0 if re.match(r"[-+]?0[xob]", digits) else 10) if len(digits) < 1000 else text
        if _FLOAT.fullmatch(text):
            return float(text.replace("_", ""))
        return _SPECIAL.get(text.lower(), text)


def settle(value: Any) -> Any:
    """The value with all plain scalars resolved, for keys that take anything."""
    if isinstance(value, Plain):
        return value.resolved
    if isinstance(value, dict):
        return {str(k): settle(v) for k, v in value.items()}
    if isinstance(value, list):
        return [settle(v) for v in value]
    return value


@dataclasses.dataclass(slots=True, eq=False)
class Node:
    """One value of a YAML text and its place.

    Attributes:
        line: from 1.
        column: from 1.
        index: offset of its first character in the text.
        scalar: text, or none for a null, a mapping or a sequence.
        items: of a mapping, by key; ``keys`` has the key's own line and column.
        elements: of a sequence.

    """

    line: int
    column: int
    index: int = 0
    scalar: str | None = None
    items: dict[str, Node] | None = None
    keys: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    elements: list[Node] | None = None

    def child(self, key: str | int) -> Node | None:
        """The value under a key or index, or none."""
        if isinstance(key, str):
            return (self.items or {}).get(key)
        found = self.elements or []
        return found[key] if 0 <= key < len(found) else None

    def at(self, *path: str | int) -> Node | None:
        """The value under a path, or none."""
        node: Node | None = self
        for key in path:
            node = node.child(key) if node is not None else None
        return node

    def each(self, *path: str | int) -> list[Node]:
        """The elements of the sequence under a path."""
        node = self.at(*path)
        return list(node.elements or []) if node is not None else []

    def data(self) -> Any:
        """As dicts, lists, ``Plain`` and ``str``."""
        if self.items is not None:
            return {key: node.data() for key, node in self.items.items()}
        if self.elements is not None:
            return [node.data() for node in self.elements]
        return self.scalar


@dataclasses.dataclass(slots=True)
class Document:
    """A read YAML text.

    Attributes:
        file: as the user named it.
        base: the folder that relative paths in it start from.
        later: places of further documents in the same text, which nobody reads.

    """

    file: str
    base: str
    text: str
    root: Node
    later: tuple[tuple[int, int], ...] = ()

    def problem(self, node: Node | None, message: str, hint: str = "") -> Problem:
        """A problem at a node (or at the file where there is none)."""
        line, column = (node.line, node.column) if node else (0, 0)
        return Problem(self.file, line, column, message, hint)

    def find(self, path: Sequence[str | int], *, key: bool = False) -> tuple[int, int]:
        """Line and column of the value under a path, as far as the path leads.

        Args:
            path: keys and indices; parts that lead nowhere (pydantic's names of union members) are passed over.
            key: the place of the last key instead of its value's.
        """
        node, place = self.root, (self.root.line, self.root.column)
        for part in path:
            inner = node.child(part)
            if inner is None:
                continue
            place = node.keys[part] if key and isinstance(part, str) else (inner.line, inner.column)
            node = inner
        return place

    def inside(self, node: Node, line: int, column: int) -> tuple[int, int]:
        """The place in the file of a place (from 1) in a scalar's value, whatever its quoting or folding."""
        value = node.scalar or ""
        lines = value.split("\n")
        offset = sum(len(text) + 1 for text in lines[: max(line - 1, 0)]) + max(column - 1, 0)
        at = _align(self.text, node.index, value, min(offset, len(value)))
        start = self.text.rfind("\n", 0, at) + 1
        return self.text.count("\n", 0, at) + 1, at - start + 1


def _align(text: str, index: int, value: str, offset: int) -> int:
    """The offset in a YAML text that corresponds to an offset in the value of the scalar at ``index``."""
    at, end = index, len(text)
    quote = text[at] if at < end else ""
    if quote in "|>" and quote:
        newline = text.find("\n", at)
        at = end if newline < 0 else newline + 1
    elif quote in "\"'" and quote:
        at += 1
    last = at
    for char in value[:offset]:
        if char.isspace():
            if at < end and text[at] == "\\":
                at += 2
            while at < end and text[at].isspace() and char != text[at] and char != "\n":
                at += 1
            at += int(at < end and text[at].isspace())
        else:
            while at < end and text[at].isspace():
                at += 1
            at += _escape_length(text, at, char, quote)
        last = at
    if offset < len(value) and not value[offset].isspace():
        while last < end and text[last].isspace():
            last += 1
    return min(last, end)


def _escape_length(text: str, at: int, char: str, quote: str) -> int:
    """How many characters of the YAML text stand for one of the value."""
    if quote == "'" and char == "'":
        return 2
    if quote == '"' and text[at : at + 1] == "\\":
        return {"x": 4, "u": 6, "U": 10}.get(text[at + 1 : at + 2], 2)
    return 1


class _Reader:
    """Composes the events of one text into nodes."""

    def __init__(self, file: str, events: Iterator[_Event]) -> None:
        self.file = file
        self.events = events
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}
        self.open: set[int] = set()
        self.sizes: dict[int, int] = {}
        self.aliased = 0

    def fail(self, mark: Any, message: str, hint: str = "") -> InputError:
        return InputError([Problem(self.file, mark.line + 1, mark.column + 1, message, hint)])

    def compose(self, event: _Event, depth: int) -> Node:
        mark = event.start_mark
        if isinstance(event, yaml.events.AliasEvent):
            return self.alias(event)
        if depth > MAX_DEPTH:
            raise self.fail(mark, f"nested deeper than {MAX_DEPTH} levels")
        node = Node(mark.line + 1, mark.column + 1, mark.index)
        anchor = event.anchor
        if anchor is not None:
            self.anchors[anchor] = node
        self.open.add(id(node))
        if isinstance(event, yaml.events.ScalarEvent):
            node.scalar = self.scalar(event)
        elif isinstance(event, yaml.events.SequenceStartEvent):
            node.elements = []
            for inner in iter(self.next_inner, None):
                node.elements.append(self.compose(inner, depth + 1))
        else:
            self.mapping(node, depth)
        self.open.discard(id(node))
        children = [*(node.elements or []), *(node.items or {}).values()]
        self.sizes[id(node)] = 1 + sum(self.sizes[id(child)] for child in children)
        return node

    def next_inner(self) -> _Event | None:
        event = next(self.events)
        return None if isinstance(event, (yaml.events.SequenceEndEvent, yaml.events.MappingEndEvent)) else event

    def alias(self, event: _Event) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            raise self.fail(event.start_mark, f"alias *{event.anchor} has no anchor before it")
        if id(node) in self.open:
            raise self.fail(event.start_mark, f"alias *{event.anchor} stands within its own anchor")
        self.aliased += self.sizes[id(node)]
        if self.aliased > MAX_ALIASED:
            raise self.fail(event.start_mark, f"aliases expand to more than {MAX_ALIASED} values")
        return node

    def scalar(self, event: _Event) -> str | None:
        text, tag, mark = event.value, event.tag, event.start_mark
        if tag is None or tag == "!" or not tag.startswith(_TAG):
            if tag not in {None, "!"}:
                self.problems += self.fail(mark, f"unknown YAML tag {tag}").problems
            if event.style or tag == "!":
                return str(text)
            return None if text in _NULLS else Plain(text)
        kind = tag.removeprefix(_TAG)
        if kind == "null":
            return None
        if kind == "binary":
            try:
                return base64.b64decode(text, validate=True).decode()
            except (binascii.Error, ValueError):
                self.problems += self.fail(mark, "a !!binary value must be base64 of UTF-8 text").problems
                return ""
        return Plain(text) if kind in {"int", "float", "bool", "timestamp"} else str(text)

    def mapping(self, node: Node, depth: int) -> None:
        node.items = {}
        merges: list[tuple[Any, Node]] = []
        for event in iter(self.next_inner, None):
            mark = event.start_mark
            merge = isinstance(event, yaml.events.ScalarEvent) and event.value == "<<" and not event.style
            name = self.compose(event, depth + 1)
            value = self.compose(next(self.events), depth + 1)
            if name.items is not None or name.elements is not None:
                self.problems += self.fail(mark, "a key must be a word, not a list or a mapping").problems
            elif merge:
                merges.append((mark, value))
            else:
                self.put(node, "" if name.scalar is None else str(name.scalar), value, mark)
        for mark, value in merges:
            self.merge(node, mark, value)

    def put(self, node: Node, name: str, value: Node, mark: Any) -> None:
        items = node.items if node.items is not None else {}
        if name in items:
            first = node.keys[name][0]
            self.problems += self.fail(
                mark, f"key {name!r} stands here a second time", f"the first is in line {first}; remove one of them"
            ).problems
            return
        items[name] = value
        node.keys[name] = (mark.line + 1, mark.column + 1)

    def merge(self, node: Node, mark: Any, value: Node) -> None:
        """Take over the keys of ``<<`` that the mapping lacks."""
        for source in value.elements if value.elements is not None else [value]:
            if source.items is None:
                self.problems += self.fail(mark, "<< takes a mapping or a list of mappings").problems
                continue
            for name, inner in source.items.items():
                if node.items is not None and name not in node.items:
                    node.items[name] = inner
                    node.keys[name] = source.keys[name]


def read_yaml(data: bytes, file: str, base: str = "") -> Document:
    """Read a YAML text.

    Args:
        data: UTF-8, with or without a byte order mark.
        file: its name in problems.
        base: the folder its relative paths start from.

    Raises:
        InputError: not UTF-8, not YAML, a key twice in one mapping, too deep, too many aliases.
    """
    text = _decode(data, file)
    try:
        return _read(text, file, base)
    except yaml.MarkedYAMLError as err:
        raise InputError([_syntax_problem(err, file, text)]) from err
    except yaml.reader.ReaderError as err:
        line, column = _place(text, err.position if isinstance(err.position, int) else 0)
        message = f"a character that YAML does not allow: {err.reason}"
        raise InputError([Problem(file, line, column, message, "is this a text file?")]) from err


def _read(text: str, file: str, base: str) -> Document:
    events: Iterator[_Event] = iter(yaml.parse(text, Loader=yaml.CSafeLoader))
    reader = _Reader(file, events)
    root = Node(1, 1)
    later: list[tuple[int, int]] = []
    first = True
    for event in events:
        if not isinstance(event, yaml.events.DocumentStartEvent):
            continue
        if first:
            root, first = reader.compose(next(events), 0), False
        else:
            mark: Any = event.start_mark
            later.append((mark.line + 1, mark.column + 1))
    if reader.problems:
        raise InputError(sorted(reader.problems))
    return Document(file, base, text, root, tuple(later))


def _decode(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        raise InputError([Problem(file, 0, 0, f"larger than {MAX_BYTES // 1024 // 1024} MB")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line, column = _place(data[: err.start].decode("utf-8", "replace"), err.start)
        message = f"not UTF-8 text: byte 0x{data[err.start]:02x}"
        raise InputError([Problem(file, line, column, message, "save the file as UTF-8; is it a text file?")]) from err
    bad = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    if bad:
        line, column = _place(text, bad.start())
        message = f"a control character (U+{ord(bad[0]):04X}), which YAML does not allow"
        raise InputError([Problem(file, line, column, message, "is this a text file?")])
    return text


def _place(text: str, index: int) -> tuple[int, int]:
    before = text[:index]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _syntax_problem(err: yaml.MarkedYAMLError, file: str, text: str) -> Problem:
    mark: Any = err.problem_mark or err.context_mark
    if err.context_mark is not None and "quoted scalar" in (err.context or ""):
        mark = err.context_mark  # where the quote began tells more than where the text ended
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    reason = err.problem or err.context or "syntax error"
    hint = "check the indentation and the quotes of this line and the one before"
    lines = text.split("\n")
    if "\t" in reason or (0 < line <= len(lines) and "\t" in lines[line - 1][: max(column, 1)]):
        hint = "indent with spaces: YAML does not allow tabs here"
    elif "mapping values are not allowed" in reason:
        hint = "a text with ': ' in it needs quotes; else check the indentation"
    return Problem(file, line, column, f"not valid YAML: {reason}", hint)
