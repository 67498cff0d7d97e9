"""`gateway keys rotate` and `gateway clients`: what the room does, from the command line."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from typer.testing import CliRunner

from gateway.cli import app as gateway
from tests.support.oauth import World, a_client


@pytest.fixture
def environment(fresh: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's own settings name the world's database and master key."""
    monkeypatch.setenv("DATABASE_URL", fresh.database_url)
    monkeypatch.setenv("GATEWAY_MASTER_KEY", base64.b64encode(bytes(32)).decode())


@pytest.mark.usefixtures("environment")
async def test_rotation_prints_what_it_did(fresh: World) -> None:
    """`--json` on all that print; exit 0."""
    result = await asyncio.to_thread(CliRunner().invoke, gateway, ["keys", "rotate", "--algorithm", "Ed25519", "--json"])

    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["kid"] == await fresh.owner.fetchval("select kid from gateway.signing_key where algorithm = 'Ed25519'")
    assert len(printed["retired"]) == 1


@pytest.mark.usefixtures("environment")
async def test_unknown_algorithm_is_a_usage_error(fresh: World) -> None:
    """Exit 2, and nothing is stored."""
    result = await asyncio.to_thread(CliRunner().invoke, gateway, ["keys", "rotate", "--algorithm", "RS256"])

    assert result.exit_code == 2
    assert await fresh.owner.fetchval("select count(*) from gateway.signing_key") == 1


@pytest.mark.usefixtures("environment")
async def test_wrong_master_key_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 1: it does not hold."""
    monkeypatch.setenv("GATEWAY_MASTER_KEY", base64.b64encode(b"\x01" * 32).decode())
    wrong = await asyncio.to_thread(CliRunner().invoke, gateway, ["keys", "rotate"])

    assert (wrong.exit_code, "does not open" in wrong.stderr) == (1, True)


@pytest.mark.usefixtures("environment")
async def test_secret_is_printed_once_opens_and_ends(fresh: World) -> None:
    """The command line never holds it, the database a hash of it alone."""
    party = await a_client(fresh.owner, fresh.settings, token_endpoint_auth_method="client_secret_post", jwks=None)
    made = await asyncio.to_thread(CliRunner().invoke, gateway, ["clients", "add-secret", party.client_id, "--json"])
    printed = json.loads(made.stdout)
    form = {"grant_type": "client_credentials", "client_id": party.client_id, "client_secret": printed["client_secret"]}

    before = await fresh.http.post("/oauth/token", data=form)
    end = ["clients", "end-secret", party.client_id, printed["secret_id"]]
    ended = [await asyncio.to_thread(CliRunner().invoke, gateway, end) for _ in range(2)]
    after = await fresh.http.post("/oauth/token", data=form)

    assert (before.status_code, after.status_code) == (200, 401)
    assert (made.exit_code, [result.exit_code for result in ended]) == (0, [0, 1])


@pytest.mark.usefixtures("environment")
async def test_secret_of_a_client_that_signs_is_refused() -> None:
    """Exit 1: it would be the weaker way in."""
    result = await asyncio.to_thread(CliRunner().invoke, gateway, ["clients", "add-secret", "nobody"])

    assert (result.exit_code, result.stdout) == (1, "")
