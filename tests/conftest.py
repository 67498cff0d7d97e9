"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from tests.support.database import Database, Server, a_folder, a_server
from tests.support.demo import Demo, a_demo
from tests.support.leaks import require_no_mark


def pytest_configure() -> None:
    """What somebody's shell says about their own gateway says nothing about the tests'."""
    for name in [name for name in os.environ if name.startswith("GATEWAY_") or name == "DATABASE_URL"]:
        del os.environ[name]
    # A busy machine is no defect: what a test draws is held to what it does, not to how long that took
    settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("unhurried")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncIterator[Server]:
    """The run's PostgreSQL. The run fails where, at its end, the server's log holds a value that tests give to data subjects."""
    async with a_server() as server:
        yield server
        require_no_mark("the log of the run's PostgreSQL", server.log)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(server: Server) -> AsyncIterator[str]:
    """The name of a migrated database to make others from."""
    async with server.template() as template:
        yield template


@pytest_asyncio.fixture(loop_scope="session")
async def database(server: Server, template: str) -> AsyncIterator[Database]:
    """A migrated database of this test's own."""
    async with server.database(template) as database:
        yield database


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_database(server: Server, template: str) -> AsyncIterator[Database]:
    """A migrated database that the tests of one module share: for generated cases, which are many."""
    async with server.database(template) as database:
        yield database


@pytest_asyncio.fixture(loop_scope="session")
async def empty_database(server: Server) -> AsyncIterator[Database]:
    """A database of this test's own without anything in it."""
    async with server.database("template1") as database:
        yield database


@pytest_asyncio.fixture(loop_scope="session")
async def database_url(database: Database) -> str:
    """The owner's address of this test's own database."""
    return database.owner_url


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """A running `gateway demo`, for tests that ask it and leave it as it was."""
    with a_folder() as folder, a_demo(folder / "data") as demo:
        yield demo
        require_no_mark("the demo's log", demo.log + demo.database_log)
