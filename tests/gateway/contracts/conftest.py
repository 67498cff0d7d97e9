"""The demo's partners in a database of their own, and a gateway that serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.catalogue.weidandan import CATALOGUE
from gateway.demo.load import connected
from gateway.demo.register import register_partners
from gateway.settings import Settings
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Connection
from tests.support.database import Database
from tests.support.served import served
from tests.support.world import POLICY

ANNOUNCE = "insert into gateway.policy_version (policy_version, effective_at, text_sha256) values ($1, '2024-11-26', '')"


GENEROUS = {"rate_maximum": "100000000", "rate_restore_per_s": "10000000"}


@dataclass(frozen=True)
class Place:
    """conn: the owner's. data: the folder of the master key."""

    conn: Connection
    settings: Settings
    url: str
    data: Path

    def environment(self, **more: str) -> dict[str, str]:
        """What a command has to be told."""
        return {"DATABASE_URL": self.url, "GATEWAY_DATA": str(self.data), **more}


@dataclass(frozen=True)
class ServedPlace:
    place: Place
    gateway_url: str


async def _place(url: str, data: Path) -> AsyncIterator[Place]:
    settings = Settings(data=data)
    async with connected(url) as conn:
        await conn.execute(ANNOUNCE, POLICY)
        await register_partners(conn, PseudonymKeys(settings.key("pseudonym")), CATALOGUE.fields)
        yield Place(conn, settings, url, data)


@pytest_asyncio.fixture(loop_scope="session")
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    """A place of this test's own."""
    async for place in _place(database_url, tmp_path):
        yield place


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served_place(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedPlace]:
    """One that the tests of a module share, with a gateway that serves it."""
    async for place in _place(module_database.owner_url, tmp_path_factory.mktemp("place")):
        async with served(
            place.url, place.data, rate_maximum=GENEROUS["rate_maximum"], rate_restore_per_s=GENEROUS["rate_restore_per_s"]
        ) as port:
            yield ServedPlace(place, f"http://localhost:{port}")
