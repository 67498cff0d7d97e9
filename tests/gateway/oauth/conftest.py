"""A world with one worker of the authorization server, and one with two."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pydantic import SecretStr

from gateway.settings import Settings
from tests.support.oauth import World, a_world


@pytest.fixture
def settings() -> Settings:
    """The defaults, with a body timeout that a test can wait for and a master key that no file keeps."""
    return Settings(body_timeout_s=1, master_key=SecretStr(base64.b64encode(bytes(32)).decode()))


@pytest_asyncio.fixture
async def world(database_url: str, settings: Settings) -> AsyncIterator[World]:
    """One worker."""
    async with a_world(database_url, settings) as world:
        yield world


@pytest_asyncio.fixture
async def pair(database_url: str, settings: Settings) -> AsyncIterator[World]:
    """Two workers over one database."""
    async with a_world(database_url, settings, workers=2) as world:
        yield world
