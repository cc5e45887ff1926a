"""uvicorn, at rest when nobody asks."""

from __future__ import annotations

import asyncio
from typing import Final

import uvicorn

_LOOK_EVERY: Final = 0.5


class QuietServer(uvicorn.Server):
    """Looks twice a second whether it is to end.

    uvicorn's own loop looks ten times: on an idle machine that costs as much as scraping ten thousand samples a second.
    """

    async def main_loop(self) -> None:
        """Wait for the end."""
        # Every tenth tick renews the Date header; ours all do.
        while not await self.on_tick(0):  # noqa: ASYNC110 - what ends us is an attribute, set by signal handlers
            await asyncio.sleep(_LOOK_EVERY)
