"""Durable before visible: whatever answer a client received has its record, though the database is killed again and again.

`make kills` kills it 20 times; the ordinary run three times.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from gateway.oauth.keys import KeyStore
from gateway.settings import Settings
from gateway.store.embedded import Embedded
from gateway.store.migrate import migrate
from tests.support.database import PLATFORM, Database, a_folder
from tests.support.races import DOCUMENT, Lane, a_lane, shows
from tests.support.served import PartnerConnection, served

KILLS = int(os.environ.get("KILLS", "3"))
READERS = 4
ANSWERS_BETWEEN = 50


async def _prepared(owner_url: str, settings: Settings) -> Lane:
    await migrate(owner_url)
    owner = await asyncpg.connect(owner_url)
    await owner.execute(PLATFORM.read_text())
    await owner.execute(
        "insert into gateway.policy_version (policy_version, effective_at, text_sha256) values ('race', '2020-01-01', '')"
    )
    store = KeyStore(settings)
    await store.ensure(owner)
    lane = await a_lane(owner, settings, store)
    await owner.close()
    return lane


class Reader:
    """Asks until told to stop, over whatever breaks, and keeps the id of every disclosure it was told of."""

    def __init__(self, lane: Lane, port: int) -> None:
        self.received: list[UUID] = []
        self._more, self._stopped = asyncio.Event(), False
        self._task = asyncio.create_task(self._ask(lane, port))

    async def _ask(self, lane: Lane, port: int) -> None:
        connection = PartnerConnection(port)
        try:
            while not self._stopped:
                try:
                    reply = await connection.ask(lane.token, DOCUMENT, {"id": lane.id})
                except (OSError, asyncio.IncompleteReadError):
                    continue
                if shows(reply):
                    self.received.append(UUID(reply.disclosure_id))
                    self._more.set()
                else:
                    assert reply.code == "UNAVAILABLE", reply
        finally:
            connection.close()

    async def answers(self, more: int) -> None:
        wanted = len(self.received) + more
        while len(self.received) < wanted:
            self._more.clear()
            waiting = asyncio.ensure_future(self._more.wait())
            await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if self._task.done():
                waiting.cancel()
                self._task.result()

    async def stop(self) -> None:
        self._stopped = True
        await self._task


@pytest.mark.kills
async def test_every_answer_that_a_client_received_has_its_record(tmp_path: Path) -> None:
    """policy 6, DESIGN section 1: committed and flushed before the first byte leaves."""
    with a_folder() as folder, Embedded(folder) as embedded:
        settings = Settings(data=tmp_path, base_url="http://localhost:1")
        lane = await _prepared(embedded.owner_url, settings)
        async with served(embedded.owner_url, tmp_path, workers=1, issuer="http://localhost:1") as port:
            await _ask_for_token_of(lane, embedded.owner_url, tmp_path, port)
            readers = [Reader(lane, port) for _ in range(READERS)]
            for _ in range(KILLS):
                async with asyncio.timeout(60):
                    await asyncio.gather(*(reader.answers(ANSWERS_BETWEEN) for reader in readers))
                postmaster = embedded.cluster.postmaster()
                assert postmaster is not None
                os.kill(postmaster[0], signal.SIGKILL)
            async with asyncio.timeout(60):
                await asyncio.gather(*(reader.answers(ANSWERS_BETWEEN) for reader in readers))
            await asyncio.gather(*(reader.stop() for reader in readers))

        received = [disclosure_id for reader in readers for disclosure_id in reader.received]
        owner = await Database(embedded.owner_url).owner()
        recorded = await owner.fetchval("select count(*) from gateway.disclosure where disclosure_id = any($1)", received)
        subjects = await owner.fetchval("select count(*) from gateway.disclosure_subject where disclosure_id = any($1)", received)
        await owner.close()
        assert len(received) == len(set(received)) >= READERS * ANSWERS_BETWEEN * (KILLS + 1)
        assert (recorded, subjects) == (len(received), len(received))


async def _ask_for_token_of(lane: Lane, owner_url: str, data: Path, port: int) -> None:
    """A token for the address that the server turned out to have."""
    lane.conn = await asyncpg.connect(owner_url)
    lane.settings = Settings(data=data, base_url=f"http://localhost:{port}", issuer="http://localhost:1")
    await lane.renew_token()
    await lane.conn.close()
