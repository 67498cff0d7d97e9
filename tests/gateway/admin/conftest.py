"""What the tests of the admin API ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.admin import AdminDoor, an_admin_door
from tests.support.database import Database


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def door(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AdminDoor]:
    """One served gateway for the tests of a module: each names what it makes, and leaves what others made alone."""
    async with an_admin_door(module_database, tmp_path_factory.mktemp("served")) as made:
        yield made
