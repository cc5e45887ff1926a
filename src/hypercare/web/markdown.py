"""Markdown of runbooks and post-mortems as HTML: no HTML of its own, no links but to the web, no images."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore

_PROCEDURE: Final = re.compile(r"\[([^\]\n]{1,500})\]\(procedure:([\w.-]+)\)")
_BOX: Final = re.compile(r"^(\s*(?:[-*+]|\d+[.)])\s+)\[([ xX])\]\s+", re.MULTILINE)
_EMPTY: Final = "\N{BALLOT BOX}"
_TICKED: Final = "\N{BALLOT BOX WITH CHECK}"
_SAFE: Final = ("http://", "https://", "mailto:", "/", "#")


@functools.cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - 1 MB, once somebody reads a document

    reader = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
    reader.disable("image")
    reader.core.ruler.push("lower", _lower)
    # The reader's own check lets any scheme through that is not known to be harmful.
    reader.validateLink = _is_safe  # type: ignore[method-assign]
    return reader


def _lower(state: StateCore) -> None:
    """Documents stand in pages, which have a heading of the first level already."""
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"


def _is_safe(url: str) -> bool:
    return url.startswith(_SAFE) and not url.startswith(("//", "/\\"))


def render(text: str) -> Markup:
    """A document."""
    return Markup(_reader().render(_readable(text)))  # noqa: S704 - HTML in the text is escaped


def render_line(text: str) -> Markup:
    """A line, without a paragraph around it."""
    return Markup(_reader().renderInline(_readable(text)))  # noqa: S704 - HTML in the text is escaped


def _readable(text: str) -> str:
    """``[Restart](procedure:x)`` as Restart (`x`), as procedures cannot be run from here; task lists with boxes."""
    boxes = _BOX.sub(lambda found: f"{found[1]}{_EMPTY if found[2] == ' ' else _TICKED} ", text)
    return _PROCEDURE.sub(r"\1 (`\2`)", boxes)
