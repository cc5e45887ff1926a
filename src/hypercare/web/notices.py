"""One line that the next page shows, once."""

from __future__ import annotations

from typing import Final

MESSAGE: Final = "hypercare_message"
"""The cookie: not in the address, where a link from elsewhere could put words into our mouth."""
