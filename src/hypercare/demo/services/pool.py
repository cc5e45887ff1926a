"""A small pool of PostgreSQL connections that survives the database's restarts."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

Row = tuple[Any, ...]


class Pool:
    """At most ``size`` connections, opened when needed, thrown away after any failure of the database."""

    def __init__(self, url: str, size: int = 4) -> None:
        self._url = url
        self._slots = asyncio.Semaphore(size)
        self._idle: list[psycopg.AsyncConnection[Row]] = []

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Row]]:
        """One connection in autocommit mode.

        Raises:
            psycopg.Error: the database failed, or cannot be reached within two seconds.
        """
        async with self._slots:
            connection = self._idle.pop() if self._idle else await self._connect()
            try:
                yield connection
            except psycopg.OperationalError:
                # The server went away: what lies idle is dead too.
                await connection.close()
                await self.close()
                raise
            except BaseException:
                await connection.close()
                raise
            self._idle.append(connection)

    async def fetch(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """All rows of a query.

        Raises:
            psycopg.Error: as ``connection``.
        """
        async with self.connection() as connection:
            cursor = await connection.execute(query.encode(), values)
            return await cursor.fetchall() if cursor.description else []

    async def close(self) -> None:
        """Close what lies idle."""
        while self._idle:
            await self._idle.pop().close()

    async def _connect(self) -> psycopg.AsyncConnection[Row]:
        return await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=2, options="-c statement_timeout=3000"
        )
