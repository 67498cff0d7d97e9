"""Makers for the authorization server's tests: clients with keys, assertions true and false, a server on loopback."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import uvicorn
from joserfc import jws, jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from starlette.applications import Starlette
from starlette.types import ASGIApp

from gateway.catalogue.weidandan import CATALOGUE
from gateway.oauth.keys import KeyStore
from gateway.oauth.routes import routes
from gateway.settings import Settings
from gateway.stewardship.effect import Ground
from gateway.stewardship.initial_tokens import register
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import plain_pool
from gateway.subject.page import Pages
from gateway.subject.routes import subject_routes
from gateway.watch.guard import Guard

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_RSA = RSAKey.generate_key(2048)  # one for the whole run: making one takes longer than a test


def segment(value: object) -> str:
    """One part of a compact token, from JSON or from bytes."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def a_key(algorithm: str = "ES256") -> Key:
    """A private key that signs with this algorithm."""
    if algorithm == "ES256":
        return ECKey.generate_key("P-256")
    return OKPKey.generate_key("Ed25519") if algorithm == "Ed25519" else _RSA


@dataclass(frozen=True)
class Party:
    """A client as its owner knows it."""

    client_id: str
    partner_id: UUID
    algorithm: str
    key: Key
    issuer: str

    def claims(self, **changed: object) -> dict[str, object]:
        """Good claims, with some changed; None leaves a claim out."""
        now = int(time.time())
        good: dict[str, object] = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.issuer,
            "iat": now,
            "exp": now + 60,
            "jti": str(uuid4()),
        }
        return {name: value for name, value in (good | changed).items() if value is not None}

    def assertion(self, *, key: Key | None = None, header: Mapping[str, object] | None = None, **changed: object) -> str:
        """A signed assertion: good, but for what is changed."""
        head = {"alg": self.algorithm, **(header or {})}
        registry = jws.JWSRegistry(algorithms=[str(head["alg"])], strict_check_header=False)
        return jwt.encode(head, self.claims(**changed), key or self.key, registry=registry)

    def form(self, assertion: str | None = None, **more: str) -> dict[str, str]:
        """The parameters of a token request."""
        return {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(),
            **more,
        }


def a_metadata(client_id: str = "adlens-1", *, key: Key | None = None, **changed: object) -> dict[str, object]:
    """RFC 7591 metadata that holds, with some members changed; None leaves one out."""
    public = (key or a_key()).as_dict(private=False)
    good: dict[str, object] = {"client_id": client_id, "jwks": {"keys": [public]}, "grant_types": ["client_credentials"]}
    return {name: value for name, value in (good | changed).items() if value is not None}


async def a_partner(
    owner: asyncpg.Connection[Any], *, scopes: Sequence[str] = ("ads.reach", "ads.results"), ended: Sequence[str] = ()
) -> UUID:
    """A partner under an agreement in force, with live grants for `scopes` and ended ones for `ended`."""
    partner_id = uuid4()
    await owner.execute(
        """insert into gateway.partner (partner_id, name, legal_name, contact, role, kind, processing_location,
                                        agreement_starts_at, agreement_ends_at)
           values ($1, $2, 'Partner Ltd', 'privacy@partner.example', 'recipient', 'advertising_partner', 'CN',
                   now() - interval '1 day', now() + interval '1 year')""",
        partner_id,
        f"p{partner_id.hex[:12]}",
    )
    for scope, ends in [*((scope, timedelta(days=30)) for scope in scopes), *((scope, timedelta(days=-1)) for scope in ended)]:
        await owner.execute(
            """insert into gateway.partner_grant (grant_id, partner_id, scope, starts_at, ends_at, retention)
               values ($1, $2, $3, now() - interval '2 days', now() + $4::interval, '30 days')""",
            uuid4(),
            partner_id,
            scope,
            ends,
        )
    return partner_id


async def a_client(
    owner: asyncpg.Connection[Any],
    settings: Settings,
    *,
    partner_id: UUID | None = None,
    algorithm: str = "ES256",
    is_contract_runner: bool = False,
    **changed: object,
) -> Party:
    """A registered client and its key; `changed` changes its metadata."""
    client_id, key = f"client-{uuid4().hex[:12]}", a_key(algorithm)
    partner = partner_id or await a_partner(owner)
    await owner.execute(
        "insert into gateway.client (client_id, partner_id, metadata, is_contract_runner) values ($1, $2, $3::text::jsonb, $4)",
        client_id,
        partner,
        json.dumps(a_metadata(client_id, key=key, **changed)),
        is_contract_runner,
    )
    return Party(client_id, partner, algorithm, key, settings.issuer)


@dataclass
class Worker:
    """One serving process's share of the authorization server, on a port of its own."""

    http: httpx2.AsyncClient
    keys: KeyStore
    pool: asyncpg.Pool[Any]
    url: str


@dataclass
class World:
    """A database, and workers over it. All workers share one issuer; tests talk to each by its own address."""

    owner: asyncpg.Connection[Any]
    database_url: str
    settings: Settings
    workers: list[Worker] = field(default_factory=list)

    @property
    def http(self) -> httpx2.AsyncClient:
        """A client of the first worker."""
        return self.workers[0].http

    async def token(self, party: Party, **more: str) -> dict[str, Any]:
        """A token response that must succeed."""
        response = await self.http.post("/oauth/token", data=party.form(**more))
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    async def refused(self, party: Party, assertion: str | None = None, **more: str) -> httpx2.Response:
        """A token request that must fail as client authentication does; no token row may come of it."""
        response = await self.http.post("/oauth/token", data=party.form(assertion, **more))
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client"), response.text
        assert await self.issued_count() == 0
        return response

    async def issued_count(self) -> int:
        """How many tokens were ever issued."""
        count: int = await self.owner.fetchval("select count(*) from gateway.access_token")
        return count


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """A real uvicorn with this application on a loopback port; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@asynccontextmanager
async def a_worker(database_url: str, settings: Settings) -> AsyncIterator[Worker]:
    """A worker of the authorization server, with its own pool and its own copy of the keys."""
    pool = await plain_pool(database_url, settings)
    keys = KeyStore(settings, pool.acquire)
    async with pool.acquire() as conn:
        await keys.ensure(conn)
    pseudonyms = PseudonymKeys(settings.key("pseudonym"))
    pages = subject_routes(settings, pool, pseudonyms, keys, CATALOGUE, Pages(settings))
    app = Guard(
        Starlette(routes=[*routes(settings, pool, keys, partial(register, Ground(CATALOGUE.fields, pseudonyms))), *pages])
    )
    try:
        async with serving(app) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as http:
            yield Worker(http, keys, pool, url)
    finally:
        await pool.close()


@asynccontextmanager
async def a_world(database_url: str, settings: Settings, *, workers: int = 2) -> AsyncIterator[World]:
    """Workers of the authorization server over one database."""
    owner = await asyncpg.connect(database_url)
    world = World(owner, database_url, settings)
    try:
        async with AsyncExitStack() as stack:
            for _ in range(workers):
                world.workers.append(await stack.enter_async_context(a_worker(database_url, settings)))
            yield world
    finally:
        await owner.close()
