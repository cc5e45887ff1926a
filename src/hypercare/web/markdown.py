"""Markdown of runbooks and post-mortems as HTML: no HTML of its own, no links but to the web, no images."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

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
    # The reader's own check lets any scheme through that is not known to be harmful.
    reader.validateLink = _is_safe  # type: ignore[method-assign]
    return reader


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
