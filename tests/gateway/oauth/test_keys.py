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


async def take_over(fresh: World) -> None:
    """Let the time pass after which the newest key signs."""
    await fresh.owner.execute(
        "update gateway.signing_key set active_from = active_from - $1::interval where active_from > now()", PUBLISHED_AHEAD
    )


def kid_of(token: str) -> str:
    """The key that a token names."""
    kid = jws.extract_compact(token.encode()).headers()["kid"]
    assert isinstance(kid, str)
    return kid


async def published(fresh: World, worker: int = 0) -> dict[str, dict[str, Any]]:
    """The key set as this worker serves it, read anew."""
    keys = fresh.workers[worker].keys
    await keys.refresh(fresh.owner)
    return {key["kid"]: key for key in (await fresh.workers[worker].http.get("/oauth/jwks")).json()["keys"]}


async def test_key_set_shows_public_halves_under_their_thumbprints(fresh: World) -> None:
    """RFC 7517, RFC 7638: what verifies and nothing else, to be kept for a few minutes."""
    answer = await fresh.http.get("/oauth/jwks")

    (key,) = answer.json()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key["use"], key["alg"], key["crv"]) == ("sig", "ES256", "P-256")
    assert key["kid"] == ECKey.import_key({name: key[name] for name in ("kty", "crv", "x", "y")}).thumbprint()
    assert answer.headers["cache-control"] == "public, max-age=300"


async def test_private_key_is_nowhere_in_the_database_in_clear(fresh: World) -> None:
    """policy 9.2: sealed under a key that the database does not hold."""
    row = await fresh.owner.fetchrow("select * from gateway.signing_key")
    assert row is not None
    private = (await fresh.workers[0].keys.signer(fresh.owner, row["kid"])).private.as_dict(private=True)["d"]
    assert isinstance(private, str)

    assert private.encode() not in row["private_sealed"]
    assert b'"d"' not in row["private_sealed"]
    assert "d" not in json.loads(row["public_jwk"])


async def test_another_master_key_opens_nothing(fresh: World) -> None:
    """A wrong master key stops the start; it never signs with something else."""
    elsewhere = Settings(master_key=SecretStr(base64.b64encode(b"\x01" * 32).decode()))

    with pytest.raises(SealBroken):
        await KeyStore(elsewhere).ensure(fresh.owner)


async def test_sealed_key_under_another_name_does_not_open(fresh: World) -> None:
    """Writing one row's sealed key into another row is noticed: the seal names its key id."""
    await fresh.workers[0].keys.rotate(fresh.owner)
    await fresh.owner.execute(
        "update gateway.signing_key a set private_sealed = b.private_sealed from gateway.signing_key b where a.kid <> b.kid"
    )

    with pytest.raises(SealBroken):
        await KeyStore(fresh.settings).refresh(fresh.owner)


async def test_workers_that_start_together_make_one_first_key(database_url: str, settings: Settings) -> None:
    """`ensure` may run in any number of workers at once."""
    conns = [await asyncpg.connect(database_url) for _ in range(4)]
    await asyncio.gather(*(KeyStore(settings).ensure(conn) for conn in conns))

    assert await conns[0].fetchval("select count(*) from gateway.signing_key") == 1
    for conn in conns:
        await conn.close()


async def test_new_key_is_published_before_it_signs(fresh: World) -> None:
    """Caches of the key set are renewed before the first token needs the new key."""
    party = await a_client(fresh.owner, fresh.settings)
    old = kid_of((await fresh.token(party))["access_token"])

    rotation = await fresh.workers[0].keys.rotate(fresh.owner)

    assert set(await published(fresh, 1)) == {old, rotation.kid}
    assert rotation.retired == (old,)
    assert kid_of((await fresh.token(party))["access_token"]) == old
    ahead = rotation.signs_at - await fresh.owner.fetchval("select clock_timestamp()")
    assert timedelta(minutes=9) < ahead <= PUBLISHED_AHEAD

    await take_over(fresh)
    answer = await fresh.workers[1].http.post("/oauth/token", data=party.form())
    assert kid_of(answer.json()["access_token"]) == rotation.kid


async def test_retired_key_stays_published_until_its_last_token_has_expired(fresh: World) -> None:
    """No token that was issued becomes unreadable before its time."""
    party = await a_client(fresh.owner, fresh.settings)
    await fresh.token(party)
    await fresh.owner.execute("update gateway.access_token set expires_at = now() + interval '3 days'")

    rotation = await fresh.workers[0].keys.rotate(fresh.owner)
    again = await fresh.workers[0].keys.rotate(fresh.owner)

    last = await fresh.owner.fetchval("select max(expires_at) from gateway.access_token")
    ends = await fresh.owner.fetch("select retired_at from gateway.signing_key where kid <> $1", again.kid)
    assert [row["retired_at"] > last for row in ends] == [True, True]
    assert again.retired == (rotation.kid,)
    await fresh.owner.execute("update gateway.signing_key set retired_at = now() where retired_at is not null")
    assert set(await published(fresh)) == {again.kid}


async def test_token_never_outlives_the_publication_of_its_key(fresh: World) -> None:
    """Even where a retired key still has to sign for a while."""
    party = await a_client(fresh.owner, fresh.settings)
    await fresh.owner.execute("update gateway.signing_key set retired_at = now() + interval '2 minutes'")

    assert 0 < (await fresh.token(party))["expires_in"] <= 120


async def test_rotation_under_load_refuses_nobody(fresh: World) -> None:
    """Tokens are issued by two workers and verified by two more while keys change under them, algorithm included."""
    party = await a_client(fresh.owner, fresh.settings)
    readers = [Authenticator(fresh.settings, worker.keys) for worker in fresh.workers]
    kids: set[str] = set()

    async def ask(n: int) -> None:
        answer = await fresh.workers[n % 2].http.post("/oauth/token", data=party.form())
        text = answer.json()["access_token"]
        kids.add(kid_of(text))
        for reader in readers:
            assert (await reader.authenticate("Bearer " + text)).client_id == party.client_id

    async def rotate() -> None:
        for algorithm in ("Ed25519", "ES256"):
            await KeyStore(fresh.settings).rotate(fresh.owner, algorithm=algorithm)
            for worker in fresh.workers:  # what each does by itself, at the latest STALE_AFTER_S later
                await worker.keys.refresh(fresh.owner)
            await take_over(fresh)

    await ask(0)
    await asyncio.gather(rotate(), *(ask(n) for n in range(30)))
    await ask(1)

    assert len(kids) > 1


async def test_worker_learns_of_a_key_that_another_made(fresh: World) -> None:
    """An unknown key id is looked up before a token is refused."""
    clock = iter(float(n) for n in range(1000))
    reader = Authenticator(fresh.settings, KeyStore(fresh.settings, fresh.workers[1].pool.acquire, clock=lambda: next(clock)))
    party = await a_client(fresh.owner, fresh.settings)

    caller = await reader.authenticate("Bearer " + (await fresh.token(party))["access_token"])

    assert caller.client_id == party.client_id


async def test_unknown_key_ids_do_not_become_queries(fresh: World) -> None:
    """A flood of invented key ids costs one look a second, however many come at once."""
    reads = 0
    now = 0.0

    @contextlib.asynccontextmanager
    async def counted() -> AsyncIterator[Any]:
        nonlocal reads
        reads += 1
        async with fresh.workers[0].pool.acquire() as conn:
            yield conn

    keys = KeyStore(fresh.settings, counted, clock=lambda: now)
    assert await asyncio.gather(*(keys.find(f"unknown-{n}") for n in range(200))) == [None] * 200
    first = reads
    now = 1.5
    await asyncio.gather(*(keys.find(f"unknown-{n}") for n in range(200)))

    assert (first, reads) == (1, 2)


async def test_gateway_signs_with_ed25519_as_well(fresh: World) -> None:
    """RFC 9864: the algorithm's name is Ed25519."""
    party = await a_client(fresh.owner, fresh.settings)
    rotation = await fresh.workers[0].keys.rotate(fresh.owner, algorithm="Ed25519")
    await take_over(fresh)

    text = (await fresh.token(party))["access_token"]

    key = OKPKey.import_key((await published(fresh))[rotation.kid])
    assert jws.deserialize_compact(text, key, algorithms=["Ed25519"]).headers()["alg"] == "Ed25519"


async def test_nothing_is_signed_without_a_key(fresh: World) -> None:
    """A database without keys issues nothing, and says so to its caller."""
    await fresh.owner.execute("delete from gateway.signing_key")

    with pytest.raises(NoSigningKey):
        await KeyStore(fresh.settings).signer(fresh.owner, "gone")


async def test_gateway_signs_with_no_other_algorithm(fresh: World) -> None:
    """RS256 is absent on purpose (FAPI 2.0)."""
    with pytest.raises(ValueError, match="ES256 or Ed25519"):
        await fresh.workers[0].keys.rotate(fresh.owner, algorithm="RS256")
    assert await fresh.owner.fetchval("select count(*) from gateway.signing_key") == 1
