"""The gateway's own signing keys (RFC 7517): made, sealed at rest, rotated without an outage, published.

A key is published from the moment it is stored and signs from `active_from`, PUBLISHED_AHEAD later, when every cache of the key
set has been renewed. Which key signs is the database's decision at each issue, so workers never disagree. A retired key stays
published until the last token signed with it has expired.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey

from gateway.oauth.jose import PublicKey
from gateway.settings import Settings

AnyConnection: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"
Source: TypeAlias = Callable[[], AbstractAsyncContextManager[AnyConnection]]
"""Where a connection can be had for a moment: `pool.acquire`."""

SIGNING_ALGORITHMS: Final = ("ES256", "Ed25519")
JWKS_MAX_AGE: Final = timedelta(minutes=5)
PUBLISHED_AHEAD: Final = 2 * JWKS_MAX_AGE
STALE_AFTER_S: Final = 60.0
"""A worker reads the keys again after this long, many times within PUBLISHED_AHEAD: it knows a key before that signs."""
UNKNOWN_KID_EVERY_S: Final = 1.0
"""Strangers can invent key ids as fast as they like; they make a worker read the keys at most this often."""

_SEAL_LABEL = "signing-key-seal"
_NONCE_BYTES = 12

# One writer at a time, so that two starting workers make one first key and two rotations come one after another
_LOCK = "select pg_advisory_xact_lock(hashtextextended('gateway.signing_key', 0))"

# in: -; row: kid text, algorithm text, private_sealed bytea
_PUBLISHED = """
select kid, algorithm, private_sealed from gateway.signing_key
 where retired_at is null or retired_at > statement_timestamp() order by active_from, kid"""

# in: -; row: bool
_HAS_ACTIVE = """
select exists (select from gateway.signing_key where active_from <= statement_timestamp()
                  and (retired_at is null or retired_at > statement_timestamp()))"""

# in: kid text, algorithm text, public_jwk text, private_sealed bytea, delay interval; row: active_from timestamptz
_STORE = """
insert into gateway.signing_key (kid, algorithm, public_jwk, private_sealed, active_from)
values ($1, $2, $3::text::jsonb, $4, statement_timestamp() + $5::interval) returning active_from"""

# Published until the last token of theirs has expired: those already issued, and those until the new key takes over.
# in: kid text (the new one), active_from timestamptz (of the new one), token lifetime interval; row: kid text
# access_token_by_expiry
_RETIRE = """
update gateway.signing_key
   set retired_at = interval '1 minute'
                  + greatest($2::timestamptz + $3::interval, (select max(expires_at) from gateway.access_token))
 where kid <> $1 and retired_at is null returning kid"""


class SealBroken(Exception):
    """A stored private key does not open under this master key: the wrong master key, or a changed row. Names the key id only."""

    def __init__(self, kid: str) -> None:
        super().__init__(kid)
        self.kid = kid


class NoSigningKey(Exception):
    """No key may sign now (`ensure` was not run), or the client that a token was to be for does not exist."""


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A published key with its private half."""

    kid: str
    algorithm: str
    private: Key

    @property
    def public(self) -> PublicKey:
        """What verifies this key's signatures."""
        return PublicKey(self.kid, self.algorithm, self.private)

    def jwk(self) -> dict[str, object]:
        """The public half as the key set shows it (RFC 7517 4)."""
        return {**self.private.as_dict(private=False), "kid": self.kid, "use": "sig", "alg": self.algorithm}


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did: the new key signs from `signs_at`, the retired ones until then."""

    kid: str
    algorithm: str
    signs_at: datetime
    retired: tuple[str, ...]


class KeyStore:
    """One worker's opened copy of gateway.signing_key."""

    def __init__(self, settings: Settings, source: Source | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """source: where to read keys again on the worker's own account; without it only methods that are given a connection do.

        clock: seconds that never go back.
        """
        self._seal = settings.key(_SEAL_LABEL)
        self._token_for = timedelta(seconds=settings.access_token_lifetime_s)
        self._source, self._clock = source, clock
        self._keys: dict[str, SigningKey] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def ensure(self, conn: AnyConnection, *, algorithm: str = "ES256") -> None:
        """Make the first key, signing at once, unless one signs already; then read all. Any number of workers may call it at
        once.

        Raises SealBroken where stored keys do not open under this master key.
        """
        async with conn.transaction():
            await conn.execute(_LOCK)
            if not await conn.fetchval(_HAS_ACTIVE):
                await self._store(conn, algorithm, timedelta(0))
        await self.refresh(conn)

    async def rotate(self, conn: AnyConnection, *, algorithm: str = "ES256") -> Rotation:
        """Store a new key that signs from PUBLISHED_AHEAD on, and set the day on which the others are no longer published.

        Where no key signs (a fresh database), the new one does at once. Raises ValueError for an algorithm we do not sign with.
        """
        async with conn.transaction():
            await conn.execute(_LOCK)
            delay = PUBLISHED_AHEAD if await conn.fetchval(_HAS_ACTIVE) else timedelta(0)
            kid, signs_at = await self._store(conn, algorithm, delay)
            retired = await conn.fetch(_RETIRE, kid, signs_at, self._token_for)
        await self.refresh(conn)
        return Rotation(kid, algorithm, signs_at, tuple(row["kid"] for row in retired))

    async def refresh(self, conn: AnyConnection) -> None:
        """Read and open every published key. Raises SealBroken."""
        rows = await conn.fetch(_PUBLISHED)
        self._keys = {row["kid"]: self._opened(row) for row in rows}
        self._read_at = self._clock()

    async def signer(self, conn: AnyConnection, kid: str) -> SigningKey:
        """The key that the database chose, read anew if this worker has not met it yet. Raises NoSigningKey, SealBroken."""
        if kid not in self._keys:
            await self.refresh(conn)
        if kid not in self._keys:
            raise NoSigningKey
        return self._keys[kid]

    async def find(self, kid: str, conn: AnyConnection | None = None) -> PublicKey | None:
        """The published key of this id. An unknown id makes the worker look again, at most every UNKNOWN_KID_EVERY_S.

        conn: the one to read with. Whoever holds a connection gives it, or a full pool would wait for itself.
        """
        key = self._keys.get(kid)
        await self._renew(STALE_AFTER_S if key is not None else UNKNOWN_KID_EVERY_S, conn)
        key = self._keys.get(kid)
        return None if key is None else key.public

    async def published(self) -> list[dict[str, object]]:
        """The key set's keys, those to come included; at most STALE_AFTER_S old, which PUBLISHED_AHEAD allows for."""
        await self._renew(STALE_AFTER_S)
        return [key.jwk() for key in self._keys.values()]

    async def _renew(self, age_s: float, conn: AnyConnection | None = None) -> None:
        if self._clock() - self._read_at < age_s:
            return
        if conn is not None:
            await self.refresh(conn)
            return
        if self._source is None:
            return
        async with self._reading:
            if self._clock() - self._read_at < age_s:  # somebody else read while this one waited
                return
            self._read_at = self._clock()  # before reading: a database in trouble is not asked any faster
            async with self._source() as own:
                await self.refresh(own)

    async def _store(self, conn: AnyConnection, algorithm: str, delay: timedelta) -> tuple[str, datetime]:
        key = _generate(algorithm)
        kid = key.thumbprint()  # RFC 7638
        private = json.dumps(key.as_dict(private=True)).encode()
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + AESGCM(self._seal).encrypt(nonce, private, _bound_to(kid, algorithm))
        public = json.dumps(key.as_dict(private=False))
        return kid, await conn.fetchval(_STORE, kid, algorithm, public, sealed, delay)

    def _opened(self, row: asyncpg.Record) -> SigningKey:
        kid, algorithm, sealed = row["kid"], row["algorithm"], row["private_sealed"]
        known = self._keys.get(kid)
        if known is not None:
            return known
        try:
            private = AESGCM(self._seal).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(kid, algorithm))
        except (InvalidTag, ValueError):
            raise SealBroken(kid) from None
        key = JWKRegistry.import_key(json.loads(private))
        if key.thumbprint() != kid:
            raise SealBroken(kid)
        return SigningKey(kid, algorithm, key)


def _generate(algorithm: str) -> Key:
    if algorithm == "ES256":
        return ECKey.generate_key("P-256")
    if algorithm == "Ed25519":
        return OKPKey.generate_key("Ed25519")
    raise ValueError("the gateway signs with ES256 or Ed25519")


def _bound_to(kid: str, algorithm: str) -> bytes:
    """Authenticated with the sealed key, so that nobody with write access can swap one row's key under another's name."""
    return f"gateway.signing_key:{algorithm}:{kid}".encode()
