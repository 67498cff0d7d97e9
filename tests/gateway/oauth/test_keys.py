"""Signing keys: sealed at rest, published before they sign, rotated while tokens are being issued."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey
from pydantic import SecretStr

from gateway.oauth.keys import PUBLISHED_AHEAD, KeyStore, NoSigningKey, SealBroken
from gateway.request.authenticate import Authenticator
from gateway.settings import Settings
from tests.support.oauth import World, a_client


async def take_over(world: World) -> None:
    """Let the time pass after which the newest key signs."""
    await world.owner.execute(
        "update gateway.signing_key set active_from = active_from - $1::interval where active_from > now()", PUBLISHED_AHEAD
    )


def kid_of(token: str) -> str:
    """The key that a token names."""
    kid = jws.extract_compact(token.encode()).headers()["kid"]
    assert isinstance(kid, str)
    return kid


async def published(world: World, worker: int = 0) -> dict[str, dict[str, Any]]:
    """The key set as this worker serves it, read anew."""
    keys = world.workers[worker].keys
    await keys.refresh(world.owner)
    return {key["kid"]: key for key in (await world.workers[worker].http.get("/oauth/jwks")).json()["keys"]}


async def test_key_set_shows_public_halves_under_their_thumbprints(world: World) -> None:
    """RFC 7517, RFC 7638: what verifies and nothing else, to be kept for a few minutes."""
    answer = await world.http.get("/oauth/jwks")

    (key,) = answer.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key["use"], key["alg"], key["crv"]) == ("sig", "ES256", "P-256")
    assert key["kid"] == ECKey.import_key({name: key[name] for name in ("kty", "crv", "x", "y")}).thumbprint()
    assert answer.headers["cache-control"] == "public, max-age=300"


async def test_private_key_is_nowhere_in_the_database_in_clear(world: World) -> None:
    """policy 9.2: sealed under a key that the database does not hold."""
    row = await world.owner.fetchrow("select * from gateway.signing_key")
    assert row is not None
    private = (await world.workers[0].keys.signer(world.owner, row["kid"])).private.as_dict(private=True)["d"]
    assert isinstance(private, str)

    assert private.encode() not in row["private_sealed"]
    assert b'"d"' not in row["private_sealed"]
    assert "d" not in json.loads(row["public_jwk"])


async def test_another_master_key_opens_nothing(world: World) -> None:
    """A wrong master key stops the start; it never signs with something else."""
    elsewhere = Settings(master_key=SecretStr(base64.b64encode(b"\x01" * 32).decode()))

    with pytest.raises(SealBroken):
        await KeyStore(elsewhere).ensure(world.owner)


async def test_sealed_key_under_another_name_does_not_open(world: World) -> None:
    """Writing one row's sealed key into another row is noticed: the seal names its key id."""
    await world.workers[0].keys.rotate(world.owner)
    await world.owner.execute(
        "update gateway.signing_key a set private_sealed = b.private_sealed from gateway.signing_key b where a.kid <> b.kid"
    )

    with pytest.raises(SealBroken):
        await KeyStore(world.settings).refresh(world.owner)


async def test_workers_that_start_together_make_one_first_key(database_url: str, settings: Settings) -> None:
    """`ensure` may run in any number of workers at once."""
    conns = [await asyncpg.connect(database_url) for _ in range(4)]
    await asyncio.gather(*(KeyStore(settings).ensure(conn) for conn in conns))

    assert await conns[0].fetchval("select count(*) from gateway.signing_key") == 1
    for conn in conns:
        await conn.close()


async def test_new_key_is_published_before_it_signs(pair: World) -> None:
    """Caches of the key set are renewed before the first token needs the new key."""
    party = await a_client(pair.owner, pair.settings)
    old = kid_of((await pair.token(party))["access_token"])

    rotation = await pair.workers[0].keys.rotate(pair.owner)

    assert set(await published(pair, 1)) == {old, rotation.kid}
    assert rotation.retired == (old,)
    assert kid_of((await pair.token(party))["access_token"]) == old
    ahead = rotation.signs_at - await pair.owner.fetchval("select clock_timestamp()")
    assert timedelta(minutes=9) < ahead <= PUBLISHED_AHEAD

    await take_over(pair)
    answer = await pair.workers[1].http.post("/oauth/token", data=party.form())
    assert kid_of(answer.json()["access_token"]) == rotation.kid


async def test_retired_key_stays_published_until_its_last_token_has_expired(world: World) -> None:
    """No token that was issued becomes unreadable before its time."""
    party = await a_client(world.owner, world.settings)
    await world.token(party)
    await world.owner.execute("update gateway.access_token set expires_at = now() + interval '3 days'")

    rotation = await world.workers[0].keys.rotate(world.owner)
    again = await world.workers[0].keys.rotate(world.owner)

    last = await world.owner.fetchval("select max(expires_at) from gateway.access_token")
    ends = await world.owner.fetch("select retired_at from gateway.signing_key where kid <> $1", again.kid)
    assert [row["retired_at"] > last for row in ends] == [True, True]
    assert again.retired == (rotation.kid,)
    await world.owner.execute("update gateway.signing_key set retired_at = now() where retired_at is not null")
    assert set(await published(world)) == {again.kid}


async def test_token_never_outlives_the_publication_of_its_key(world: World) -> None:
    """Even where a retired key still has to sign for a while."""
    party = await a_client(world.owner, world.settings)
    await world.owner.execute("update gateway.signing_key set retired_at = now() + interval '2 minutes'")

    assert 0 < (await world.token(party))["expires_in"] <= 120


async def test_rotation_under_load_refuses_nobody(pair: World) -> None:
    """Tokens are issued by two workers and verified by two more while keys change under them, algorithm included."""
    party = await a_client(pair.owner, pair.settings)
    readers = [Authenticator(pair.settings, worker.keys) for worker in pair.workers]
    kids: set[str] = set()

    async def ask(n: int) -> None:
        answer = await pair.workers[n % 2].http.post("/oauth/token", data=party.form())
        text = answer.json()["access_token"]
        kids.add(kid_of(text))
        for reader in readers:
            assert (await reader.authenticate("Bearer " + text)).client_id == party.client_id

    async def rotate() -> None:
        for algorithm in ("Ed25519", "ES256"):
            await KeyStore(pair.settings).rotate(pair.owner, algorithm=algorithm)
            for worker in pair.workers:  # what each does by itself, at the latest STALE_AFTER_S later
                await worker.keys.refresh(pair.owner)
            await take_over(pair)

    await ask(0)
    await asyncio.gather(rotate(), *(ask(n) for n in range(30)))
    await ask(1)

    assert len(kids) > 1


async def test_worker_learns_of_a_key_that_another_made(pair: World) -> None:
    """An unknown key id is looked up before a token is refused."""
    clock = iter(float(n) for n in range(1000))
    reader = Authenticator(pair.settings, KeyStore(pair.settings, pair.workers[1].pool.acquire, clock=lambda: next(clock)))
    party = await a_client(pair.owner, pair.settings)

    caller = await reader.authenticate("Bearer " + (await pair.token(party))["access_token"])

    assert caller.client_id == party.client_id


async def test_unknown_key_ids_do_not_become_queries(world: World) -> None:
    """A flood of invented key ids costs one look a second, however many come at once."""
    reads = 0
    now = 0.0

    @contextlib.asynccontextmanager
    async def counted() -> AsyncIterator[Any]:
        nonlocal reads
        reads += 1
        async with world.workers[0].pool.acquire() as conn:
            yield conn

    keys = KeyStore(world.settings, counted, clock=lambda: now)
    assert await asyncio.gather(*(keys.find(f"unknown-{n}") for n in range(200))) == [None] * 200
    first = reads
    now = 1.5
    await asyncio.gather(*(keys.find(f"unknown-{n}") for n in range(200)))

    assert (first, reads) == (1, 2)


async def test_gateway_signs_with_ed25519_as_well(world: World) -> None:
    """RFC 9864: the algorithm's name is Ed25519."""
    party = await a_client(world.owner, world.settings)
    rotation = await world.workers[0].keys.rotate(world.owner, algorithm="Ed25519")
    await take_over(world)

    text = (await world.token(party))["access_token"]

    key = OKPKey.import_key((await published(world))[rotation.kid])
    assert jws.deserialize_compact(text, key, algorithms=["Ed25519"]).headers()["alg"] == "Ed25519"


async def test_nothing_is_signed_without_a_key(world: World) -> None:
    """A database without keys issues nothing, and says so to its caller."""
    await world.owner.execute("delete from gateway.signing_key")

    with pytest.raises(NoSigningKey):
        await KeyStore(world.settings).signer(world.owner, "gone")


async def test_gateway_signs_with_no_other_algorithm(world: World) -> None:
    """RS256 is absent on purpose (FAPI 2.0)."""
    with pytest.raises(ValueError, match="ES256 or Ed25519"):
        await world.workers[0].keys.rotate(world.owner, algorithm="RS256")
    assert await world.owner.fetchval("select count(*) from gateway.signing_key") == 1
