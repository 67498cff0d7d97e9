"""`gateway keys rotate`: the same rotation, from the command line."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from typer.testing import CliRunner

from gateway.oauth.cli import app
from tests.support.oauth import World


@pytest.fixture
def environment(fresh: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's own settings name the world's database and master key."""
    monkeypatch.setenv("DATABASE_URL", fresh.database_url)
    monkeypatch.setenv("GATEWAY_MASTER_KEY", base64.b64encode(bytes(32)).decode())


@pytest.mark.usefixtures("environment")
async def test_rotation_prints_what_it_did(fresh: World) -> None:
    """`--json` on all that print; exit 0."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ["rotate", "--algorithm", "Ed25519", "--json"])

    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["kid"] == await fresh.owner.fetchval("select kid from gateway.signing_key where algorithm = 'Ed25519'")
    assert len(printed["retired"]) == 1


@pytest.mark.usefixtures("environment")
async def test_unknown_algorithm_is_a_usage_error(fresh: World) -> None:
    """Exit 2, and nothing is stored."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ["rotate", "--algorithm", "RS256"])

    assert result.exit_code == 2
    assert await fresh.owner.fetchval("select count(*) from gateway.signing_key") == 1


@pytest.mark.usefixtures("environment")
async def test_wrong_master_key_is_told_apart_from_an_unreachable_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 1: it does not hold; exit 3: nobody answers."""
    monkeypatch.setenv("GATEWAY_MASTER_KEY", base64.b64encode(b"\x01" * 32).decode())
    wrong = await asyncio.to_thread(CliRunner().invoke, app, ["rotate"])
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    gone = await asyncio.to_thread(CliRunner().invoke, app, ["rotate"])

    assert (wrong.exit_code, gone.exit_code) == (1, 3)
