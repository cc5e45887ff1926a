"""Giving commands to the kernel from a request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hypercare.app import App

_PATIENCE_SECONDS: Final = 30.0


async def call(app: App, command: object) -> Any:
    """Have a command carried out; the result is the kernel's.

    Raises:
        CommandError: it cannot be carried out.
        TimeoutError: the loop did not get to it in time.

    """
    answer = asyncio.wrap_future(app.kernel.call(command))
    # Shielded: the kernel answers into the future whether or not somebody still waits for it.
    return await asyncio.wait_for(asyncio.shield(answer), _PATIENCE_SECONDS)
