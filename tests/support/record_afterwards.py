"""A gateway made weaker on purpose: it answers first and commits the record afterwards."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg

from gateway.cli import main
from gateway.store.pool import SESSION, GatePool

_pending: set[asyncio.Task[None]] = set()


async def _commit_later(connection: Any, transaction: Any) -> None:
    await asyncio.sleep(0.02)
    await transaction.commit()
    await connection.close()


async def _run(self: GatePool, text: str, arguments: Sequence[object]) -> asyncpg.Record:
    connection = await asyncpg.connect(self._url, server_settings=SESSION)
    transaction = connection.transaction()
    await transaction.start()
    row = await connection.fetchrow(text, *arguments)
    task = asyncio.create_task(_commit_later(connection, transaction))
    _pending.add(task)
    task.add_done_callback(_pending.discard)
    assert row is not None
    return row


GatePool.run = _run  # type: ignore[method-assign]  # that is the weakness

if __name__ == "__main__":
    main()
