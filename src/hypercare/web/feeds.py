"""The status page as feeds: what is new, for readers of feeds. Loaded when one is asked for."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from hypercare.model.time import format_rfc3339, to_datetime

if TYPE_CHECKING:
    from hypercare.incidents.statusview import StatusView
    from hypercare.model.time import Ms

_ATOM: Final = "http://www.w3.org/2005/Atom"


def atom(view: StatusView, base: str) -> bytes:
    """The posts as an Atom feed (RFC 4287), newest first."""
    feed = ET.Element("feed", xmlns=_ATOM)
    _add(feed, "title", f"{view.title} status")
    _add(feed, "id", f"{base or 'urn:status'}/feed.atom")
    _add(feed, "updated", format_rfc3339(view.updated_at))
    author = ET.SubElement(feed, "author")
    _add(author, "name", view.title)
    if base:
        ET.SubElement(feed, "link", href=f"{base}/")
        ET.SubElement(feed, "link", rel="self", href=f"{base}/feed.atom")
    for key, title, at, text in _items(view):
        entry = ET.SubElement(feed, "entry")
        _add(entry, "title", title)
        _add(entry, "id", f"{base or 'urn:status'}/#{key}")
        _add(entry, "updated", format_rfc3339(at))
        _add(entry, "content", text)
        if base:
            ET.SubElement(entry, "link", href=f"{base}/#{key.partition('-')[0]}")
    return _xml(feed)


def rss(view: StatusView, base: str) -> bytes:
    """The posts as an RSS 2.0 feed, newest first."""
    root = ET.Element("rss", version="2.0")
    channel = ET.SubElement(root, "channel")
    _add(channel, "title", f"{view.title} status")
    _add(channel, "link", f"{base}/")
    _add(channel, "description", f"{view.title}: problems and maintenance")
    for key, title, at, text in _items(view):
        item = ET.SubElement(channel, "item")
        _add(item, "title", title)
        _add(item, "guid", key).set("isPermaLink", "false")
        _add(item, "pubDate", format_datetime(to_datetime(at)))
        _add(item, "description", text)
        if base:
            _add(item, "link", f"{base}/#{key.partition('-')[0]}")
    return _xml(root)


def _items(view: StatusView) -> list[tuple[str, str, Ms, str]]:
    """Key, title, time and text of each post and of each maintenance."""
    found = [
        (f"{i.id}-{len(i.posts) - n}", f"{i.title}: {p.state}", p.at, p.text)
        for i in (*view.incidents, *view.past)
        for n, p in enumerate(i.posts)
    ]
    found += [
        (f"{m.id}-{m.state}", f"Maintenance: {m.title} ({m.state})", m.start_at, m.text) for m in view.maintenance
    ]
    return sorted(found, key=lambda item: (-item[2], item[0]))[:100]


def _add(parent: ET.Element, name: str, text: str) -> ET.Element:
    child = ET.SubElement(parent, name)
    # What XML has no place for (control characters of a pasted text) would make the feed unreadable.
    child.text = "".join(c for c in text if c in "\n\t" or (c >= " " and not "\ud800" <= c <= "\udfff"))
    return child


def _xml(root: ET.Element) -> bytes:
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written
