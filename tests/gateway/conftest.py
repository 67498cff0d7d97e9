"""What the tests of the gateway's rooms ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.database import Database
from tests.support.world import World, a_world


@pytest_asyncio.fixture(loop_scope="session")
async def small_world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    """An empty world of this test's own, with the policy in force and a ready gate."""
    async with a_world(database, tmp_path) as world:
        yield world
