"""Where in an HTML text one stands: what an interpolation must be escaped for depends on it."""

from __future__ import annotations

import dataclasses
import enum
import re
from typing import Final


class State(enum.Enum):
    """The parts of HTML that need different escaping."""

    TEXT = "text"
    TAG = "tag"
    NAME = "attribute name"
    AFTER_NAME = "after an attribute name"
    BEFORE_VALUE = "before an attribute value"
    VALUE = "attribute value"
    COMMENT = "comment"
    RCDATA = "title or textarea"
    SCRIPT = "script"
    STYLE = "style"


class Url(enum.Enum):
    """The part of an address."""

    START = "start"
    PATH = "path"
    QUERY = "query"


@dataclasses.dataclass(frozen=True, slots=True)
class Html:
    """A place in HTML.

    Attributes:
        element: the element whose tag or content one is in.
        attribute: the attribute's name, in lower case.
        delimiter: around the attribute's value; a space: none.
        url: where the value is an address.
        quote: of the JavaScript string one is in, or empty.

    """

    state: State = State.TEXT
    element: str = ""
    attribute: str = ""
    delimiter: str = ""
    url: Url = Url.START
    quote: str = ""

    def is_url(self) -> bool:
        """Whether the attribute holds an address."""
        return self.attribute in _URLS

    def is_script(self) -> bool:
        """Whether one is within JavaScript."""
        return self.state is State.SCRIPT or (self.state is State.VALUE and self.attribute.startswith("on"))

    def is_style(self) -> bool:
        """Whether one is within CSS."""
        return self.state is State.STYLE or (self.state is State.VALUE and self.attribute == "style")

    def after_value(self) -> Html:
        """The place behind an interpolation."""
        here = self
        if here.state is State.BEFORE_VALUE:
            here = dataclasses.replace(here, state=State.VALUE, delimiter=" ")
        if here.state is State.TAG:
            return dataclasses.replace(here, state=State.NAME)
        if here.state is State.VALUE and here.is_url() and here.url is Url.START:
            return dataclasses.replace(here, url=Url.PATH)
        return here


_URLS: Final = frozenset(
    ("action", "archive", "background", "cite", "codebase", "data", "formaction", "href", "icon")
) | {"longdesc", "manifest", "ping", "poster", "profile", "src", "srcset", "usemap", "xmlns"}
_RAW: Final = {"script": State.SCRIPT, "style": State.STYLE, "title": State.RCDATA, "textarea": State.RCDATA}
_TAG = re.compile(r"</?([A-Za-z][^\s/>]*)")
_NAME = re.compile(r"[^\s=>/]+")
_SPACES = re.compile(r"[\s/]*")
_UNQUOTED_END = re.compile(r"[\s>]")
_QUOTES = re.compile(r"\\.|[\"'`]", re.DOTALL)


def advance(place: Html, text: str) -> tuple[Html, str]:
    """Go through literal text: the place behind it, and the text without its comments."""
    out: list[str] = []
    pos = 0
    while pos < len(text):
        place, end, shown = _STEPS[place.state](place, text, pos)
        out.append(shown)
        pos = end
    return place, "".join(out)


def _in_text(place: Html, text: str, pos: int) -> tuple[Html, int, str]:
    start = text.find("<", pos)
    if start < 0:
        return place, len(text), text[pos:]
    if text.startswith("<!--", start):
        return Html(State.COMMENT), start + 4, text[pos:start]
    tag = _TAG.match(text, start)
    if tag is not None:
        closing = text.startswith("</", start)
        return Html(State.TAG, "" if closing else tag.group(1).lower()), tag.end(), text[pos : tag.end()]
    if text[start : start + 9].lower() == "<!doctype":
        return place, start + 1, text[pos : start + 1]
    return place, start + 1, text[pos:start] + "&lt;"


def _in_comment(place: Html, text: str, pos: int) -> tuple[Html, int, str]:
    end = text.find("-->", pos)
    return (place, len(text), "") if end < 0 else (Html(), end + 3, "")


def _in_tag(place: Html, text: str, pos: int) -> tuple[Html, int, str]:
    spaces = _SPACES.match(text, pos)
    end = spaces.end() if spaces else pos
    if end == len(text):
        return place, end, text[pos:]
    if text[end] == ">":
        raw = _RAW.get(place.element)
        inside = Html(raw, place.element) if raw else Html()
        return inside, end + 1, text[pos : end + 1]
    name = _NAME.match(text, end)
    if name is None:
        return Html(State.BEFORE_VALUE, place.element), end + 1, text[pos : end + 1]
    here = Html(State.NAME, place.element, name.group().lower().removeprefix("data-").removeprefix("xlink:"))
    return here, name.end(), text[pos : name.end()]


def _in_name(place: Html, text: str, pos: int) -> tuple[Html, int, str]:
    name = _NAME.match(text, pos)
    end = name.end() if name else pos
    attribute = place.attribute + (name.group().lower() if name else "")
    return Html(State.AFTER_NAME, place.element, attribute), end, text[pos:end]


def _after_name(place: Html, text: str, pos: int) -> tuple[Html, int, str]:
    end = pos
    while end < len(text) and text[end].isspace():
        end += 1
    if end == len(text):
        return place, end, text[pos:]
    if text[end] == "=":
        return dataclasses.replace(place, state=State.BEFORE_VALUE), end + 1, text[pos : end + 1]
    return Html(State.TAG, place.element), end, text[pos:end]


def _before_value(place: Html, text: str, pos: int) -> tuple[Html, int, str]:
    end = pos
    while end < len(text) and text[end].isspace():
        end += 1
    if end == len(text):
        return place, end, text[pos:]
    if text[end] == ">":
        return Html(State.TAG, place.element), end, text[pos:end]
    if text[end] in "\"'":
        here = dataclasses.replace(place, state=State.VALUE, delimiter=text[end])
        return here, end + 1, text[pos : end + 1]
    return dataclasses.replace(place, state=State.VALUE, delimiter=" "), end, text[pos:end]


def _in_value(place: Html, text: str, pos: int) -> tuple[Html, int, str]:
    if place.delimiter == " ":
        found = _UNQUOTED_END.search(text, pos)
        end = found.start() if found else -1
        close = end
    else:
        end = text.find(place.delimiter, pos)
        close = end + 1
    if end >= 0:
        return Html(State.TAG, place.element), close, text[pos:close]
    piece = text[pos:]
    if place.is_url():
        part = Url.QUERY if "?" in piece or "#" in piece else Url.PATH if piece.strip() else place.url
        place = dataclasses.replace(place, url=Url.QUERY if place.url is Url.QUERY else part)
    elif place.is_script():
        place = dataclasses.replace(place, quote=_quote_after(place.quote, piece))
    return place, len(text), piece


def _in_element(place: Html, text: str, pos: int) -> tuple[Html, int, str]:
    """In an element whose content is not HTML: up to its own closing tag."""
    end = text.lower().find(f"</{place.element}", pos)
    if end < 0:
        quote = _quote_after(place.quote, text[pos:]) if place.state is State.SCRIPT else ""
        return dataclasses.replace(place, quote=quote), len(text), text[pos:]
    close = end + 2 + len(place.element)
    return Html(State.TAG), close, text[pos:close]


def _quote_after(quote: str, script: str) -> str:
    """The quote of the JavaScript string one is in after some script."""
    for found in _QUOTES.finditer(script):
        char = found.group()
        if char == quote:
            quote = ""
        elif not quote and len(char) == 1:
            quote = char
    return quote


_STEPS: Final = {
    State.TEXT: _in_text,
    State.TAG: _in_tag,
    State.NAME: _in_name,
    State.AFTER_NAME: _after_name,
    State.BEFORE_VALUE: _before_value,
    State.VALUE: _in_value,
    State.COMMENT: _in_comment,
    State.RCDATA: _in_element,
    State.SCRIPT: _in_element,
    State.STYLE: _in_element,
}
