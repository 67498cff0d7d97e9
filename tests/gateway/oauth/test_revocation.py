"""The revocation endpoint (RFC 7009): a client ends its own tokens, in all workers at once."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.oauth import World, a_client, segment


async def test_revoked_token_is_marked_for_every_worker(world: World) -> None:
    """DESIGN 1: the gate's statement reads this row, so the very next query in any worker sees it."""
    party = await a_client(world.owner, world.settings)
    token = (await world.token(party))["access_token"]

    answer = await world.workers[1].http.post("/oauth/revoke", data={**party.form(), "token": token})

    assert answer.status_code == 200
    assert await world.owner.fetchval("select revoked_at <= clock_timestamp() from gateway.access_token")


async def test_second_revocation_changes_nothing(world: World) -> None:
    """RFC 7009 2.2: it succeeds, and the first instant stays."""
    party = await a_client(world.owner, world.settings)
    token = (await world.token(party))["access_token"]
    instants = []
    for _ in range(2):
        answer = await world.http.post("/oauth/revoke", data={**party.form(), "token": token})
        assert answer.status_code == 200
        instants.append(await world.owner.fetchval("select revoked_at from gateway.access_token"))

    assert instants[0] == instants[1]


@pytest.mark.parametrize("token", ["unknown", "a.b.c", "é", "x" * 9000])
async def test_unknown_token_is_revoked_already(world: World, token: str) -> None:
    """RFC 7009 2.2: 200, for the client can do nothing about it; a hint that means nothing to us is ignored."""
    party = await a_client(world.owner, world.settings)

    answer = await world.http.post("/oauth/revoke", data={**party.form(), "token": token, "token_type_hint": "pigeon"})

    assert answer.status_code == 200


async def test_forged_token_revokes_nothing(world: World) -> None:
    """Another key's signature over a real token's claims is not that token."""
    party = await a_client(world.owner, world.settings)
    token = (await world.token(party))["access_token"]
    forged = token[:-8] + ("A" * 8 if token[-8:] != "A" * 8 else "B" * 8)

    answer = await world.http.post("/oauth/revoke", data={**party.form(), "token": forged})

    assert answer.status_code == 200
    assert await world.owner.fetchval("select revoked_at from gateway.access_token") is None


async def test_token_of_another_client_stays(world: World) -> None:
    """RFC 7009 2.1: issued to whoever asks, or refused."""
    party, other = await a_client(world.owner, world.settings), await a_client(world.owner, world.settings)
    token = (await world.token(party))["access_token"]

    answer = await world.http.post("/oauth/revoke", data={**other.form(), "token": token})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert await world.owner.fetchval("select revoked_at from gateway.access_token") is None


async def test_revocation_without_a_token_or_a_client_is_refused(world: World) -> None:
    """RFC 7009 2.1."""
    party = await a_client(world.owner, world.settings)
    token = (await world.token(party))["access_token"]

    no_token = await world.http.post("/oauth/revoke", data=party.form())
    no_client = await world.http.post("/oauth/revoke", data={"token": token})

    assert (no_token.status_code, no_token.json()["error"]) == (400, "invalid_request")
    assert (no_client.status_code, no_client.json()["error"]) == (401, "invalid_client")
    assert await world.owner.fetchval("select revoked_at from gateway.access_token") is None


async def test_many_revocations_at_once_share_a_small_pool(world: World) -> None:
    """Reading keys uses the connection that the request already holds: a full pool never waits for itself."""
    party = await a_client(world.owner, world.settings)
    token = (await world.token(party))["access_token"]
    header = '{"alg":"ES256","typ":"at+jwt","kid":"unknown-%d"}'
    texts = [f"{segment((header % n).encode())}.{token.partition('.')[2]}" for n in range(40)]

    answers = await asyncio.gather(*(world.http.post("/oauth/revoke", data={**party.form(), "token": text}) for text in texts))

    assert {answer.status_code for answer in answers} == {200}
