"""Client authentication by a secret that the gateway made (RFC 6749 2.3.1), for clients that cannot hold a key of their own.

A secret is 256 random bits and stands in the database as an argon2id hash. Guessing is slowed down where it comes from, by client
and address and by address alone, so that nobody can lock a client out from elsewhere. One that a worker has seen to be right, it
knows again without hashing: a busy client costs no hash for each request, and gets in even while its neighbours guess.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final
from urllib.parse import unquote_plus
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.oauth.bridge import wait
from gateway.oauth.client import Client
from gateway.oauth.form import Form
from gateway.oauth.keys import AnyConnection
from gateway.oauth.refusal import InvalidClient, SlowDown
from gateway.oauth.registration import SECRET_BASIC, is_client_id
from gateway.settings import Settings

SECRET_MAX: Final = 512  # characters: what is longer was never ours, and is not worth hashing
SECRETS_MAX: Final = 4
"""Secrets that one client may have at a time: enough to change over, and each is one more hash for a wrong guess."""
HASHING_AT_ONCE: Final = 2
KNOWN_MAX: Final = 1_024

EACH: Final = (timedelta(seconds=30), timedelta(seconds=2))
"""What one wrong secret costs: held against this client from this address, and against the address."""
PATIENCE: Final = (4 * EACH[0], 29 * EACH[1])
"""What may be held against them before they wait: five wrong ones in a row for one client, thirty for all, then one each EACH."""
LONGEST: Final = timedelta(minutes=15)

_LABEL = "client-secret-throttle"
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's least for argon2id: some 20 ms

# in: client_id text, how many int; row: secret_id uuid, secret_hash text; client_secret_by_client
_SECRETS = """
select secret_id, secret_hash from gateway.client_secret
 where client_id = $1 and ended_at is null order by created_at desc, secret_id limit $2"""

# in: throttle keys bytea[], patience of each interval[]; row: interval (null: go on); primary key of sign_in_throttle
_WAITING = """
select max(t.full_at - clock_timestamp() - k.patience)
  from unnest($1::bytea[], $2::interval[]) k (throttle_key, patience) join gateway.sign_in_throttle t using (throttle_key)
 where t.full_at > clock_timestamp() + k.patience"""

# In order of the keys, so that two at once do not wait for each other; places that nothing is held against go, a few at a time.
# in: throttle keys bytea[], cost of each interval[], longest interval; primary key of sign_in_throttle
_FAILED = """
with gone as (
    delete from gateway.sign_in_throttle where throttle_key in (
        select throttle_key from gateway.sign_in_throttle
         where full_at < statement_timestamp() and throttle_key <> all($1) limit 8 for update skip locked)
)
insert into gateway.sign_in_throttle as t (throttle_key, full_at)
select throttle_key, statement_timestamp() + cost from unnest($1::bytea[], $2::interval[]) k (throttle_key, cost)
 order by throttle_key
on conflict (throttle_key) do update
   set full_at = least(greatest(t.full_at, statement_timestamp()) + (excluded.full_at - statement_timestamp()),
                       statement_timestamp() + $3::interval)"""

# in: secret_id uuid, client_id text, secret_hash text, how many int
# row: uuid; none: no client of this id proves itself by a secret, or it has as many as it may
_ADD = """
insert into gateway.client_secret (secret_id, client_id, secret_hash)
select $1, c.client_id, $3 from gateway.client c
 where c.client_id = $2 and c.metadata ->> 'token_endpoint_auth_method' in ('client_secret_basic', 'client_secret_post')
   and (select count(*) from gateway.client_secret s where s.client_id = c.client_id and s.ended_at is null) < $4
returning secret_id"""

# in: client_id text, secret_id uuid; row: uuid; none: it is not this client's, or has ended
_END = """
update gateway.client_secret set ended_at = clock_timestamp()
 where client_id = $1 and secret_id = $2 and ended_at is null returning secret_id"""


@dataclass(frozen=True, slots=True, repr=False)
class NewSecret:
    """A secret just made. `text` is the credential itself, shown once: it has no repr."""

    secret_id: UUID
    text: str


class ClientSecrets:
    """One for each worker: hashes off the event loop, a few at a time, and remembers digests of what was right."""

    def __init__(self, settings: Settings) -> None:
        self._key = settings.key(_LABEL)
        self._decoy = _HASHER.hash(secrets.token_urlsafe())
        self._hashing = asyncio.Semaphore(HASHING_AT_ONCE)
        self._known: dict[bytes, None] = {}

    async def check(self, conn: AnyConnection, client: Client | None, client_id: str, text: str, address: str) -> None:
        """Hold a secret against those of a client. None for a client that has none: it costs a hash like any other.

        address: where the request comes from. Raises InvalidClient, SlowDown.
        """
        rows = [] if client is None else await conn.fetch(_SECRETS, client.client_id, SECRETS_MAX)
        if any(self._digest(row["secret_hash"], text) in self._known for row in rows):
            return
        keys = self._throttle_keys(client_id, address)
        waiting = await conn.fetchval(_WAITING, keys, PATIENCE)
        if waiting is not None:
            raise SlowDown(waiting)
        for hashed in [row["secret_hash"] for row in rows] or [self._decoy]:
            if len(text) <= SECRET_MAX and await self._is_right(hashed, text) and rows:
                self._remember(self._digest(hashed, text))
                return
        await conn.execute(_FAILED, keys, EACH, LONGEST)
        raise InvalidClient

    async def _is_right(self, hashed: str, text: str) -> bool:
        async with self._hashing:
            return await asyncio.to_thread(_verify, hashed, text)

    def _digest(self, hashed: str, text: str) -> bytes:
        return hmac.digest(self._key, f"{hashed} {text}".encode("utf-8", "surrogatepass"), "sha256")

    def _remember(self, digest: bytes) -> None:
        while len(self._known) >= KNOWN_MAX:
            del self._known[next(iter(self._known))]
        self._known[digest] = None

    def _throttle_keys(self, client_id: str, address: str) -> list[bytes]:
        place = _place(address)
        return [hmac.digest(self._key, text.encode(), "sha256") for text in (f"{place} {client_id}", place)]


class SecretAuthentication:
    """Authlib's hook for `client_secret_basic` or `client_secret_post`; one for each request and method."""

    def __init__(self, method: str, conn: AnyConnection, known: ClientSecrets, form: Form) -> None:
        self._method, self._conn, self._secrets, self._form = method, conn, known, form

    def __call__(self, query_client: Callable[[str], Client | None], request: Any) -> Client | None:
        """The client that the request's secret proves; None where it carries none in this place. Raises InvalidClient, SlowDown.

        An unknown client, one of another method and a wrong secret cost the same and get the same answer.
        """
        del request  # the form is what it was made from
        found = _basic(self._form.authorization) if self._method == SECRET_BASIC else _posted(self._form.single)
        if found is None:
            return None
        client_id, text = found
        if not is_client_id(client_id) or self._form.single.get("client_id", client_id) != client_id:
            raise InvalidClient
        client = query_client(client_id)
        if client is not None and not client.check_endpoint_auth_method(self._method, "token"):
            client = None
        wait(self._secrets.check(self._conn, client, client_id, text, self._form.address))
        return client


async def add_secret(conn: AnyConnection, client_id: str) -> NewSecret | None:
    """A new secret of a client; None where no such client proves itself by one, or it has SECRETS_MAX already."""
    text, secret_id = secrets.token_urlsafe(32), uuid4()
    hashed = await asyncio.to_thread(_HASHER.hash, text)
    added = await conn.fetchval(_ADD, secret_id, client_id, hashed, SECRETS_MAX)
    return None if added is None else NewSecret(secret_id, text)


async def end_secret(conn: AnyConnection, client_id: str, secret_id: UUID) -> bool:
    """Whether this secret of this client was there to be ended. It counts no longer, in any worker."""
    return await conn.fetchval(_END, client_id, secret_id) is not None


def _basic(authorization: str | None) -> tuple[str, str] | None:
    """Name and secret of HTTP Basic, each a form value of its own (RFC 6749 2.3.1). Raises InvalidClient where it has not that
    shape."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, text = b64decode(encoded.strip(" "), validate=True).decode().partition(":")
        found = unquote_plus(name, errors="strict"), unquote_plus(text, errors="strict")
    except ValueError:
        raise InvalidClient from None
    if not colon:
        raise InvalidClient
    return found


def _posted(form: Mapping[str, str]) -> tuple[str, str] | None:
    if "client_secret" not in form:
        return None
    return form.get("client_id", ""), form["client_secret"]


def _verify(hashed: str, text: str) -> bool:
    try:
        return _HASHER.verify(hashed, text.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False


def _place(address: str) -> str:
    """The address, or the network that one IPv6 customer has (RFC 6177: a /64 at the least), as text."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return str(found)
