"""Two workers of the authorization server over one database: shared by a module's tests, or fresh for those that change keys."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pydantic import SecretStr

from gateway.settings import Settings
from tests.support.database import Database
from tests.support.oauth import World, a_world

# what tests write, and all that refers to it
LEFT = ("partner", "client", "staff", "subject", "assertion_replay", "proof_replay", "consent_event", "scope_version")


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The defaults, with a body timeout that a test can wait for and a master key that no file keeps."""
    return Settings(body_timeout_s=1, master_key=SecretStr(base64.b64encode(bytes(32)).decode()))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(module_database: Database, settings: Settings) -> AsyncIterator[World]:
    """Two workers that serve all tests of a module."""
    async with a_world(module_database.owner_url, settings) as world:
        yield world


@pytest_asyncio.fixture
async def world(shared: World) -> World:
    """The module's workers, without anything that an earlier test left."""
    await shared.owner.execute(f"truncate {', '.join(f'gateway.{table}' for table in LEFT)} cascade")
    return shared


@pytest_asyncio.fixture
async def fresh(database_url: str, settings: Settings) -> AsyncIterator[World]:
    """Two workers and a database of this test's own."""
    async with a_world(database_url, settings) as world:
        yield world
