"""The whole site on loopback, as a browser meets it, and people with passwords."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import uvicorn
from argon2 import PasswordHasher
from starlette.applications import Starlette

from gateway.catalogue.weidandan import CATALOGUE
from gateway.oauth.keys import KeyStore
from gateway.settings import Settings
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Pool, plain_pool
from gateway.subject.page import Pages
from gateway.subject.routes import subject_routes
from tests.support.database import Database

PASSWORD = "correct horse 电池 staple"
_CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass(frozen=True, slots=True)
class Account:
    subject_id: UUID
    login: str
    password: str = PASSWORD


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser without a screen; it keeps cookies and follows nothing by itself."""

    http: httpx2.AsyncClient

    async def token(self, path: str = "/sign-in") -> str:
        """The token of the form on this page."""
        return token_of((await self.http.get(path)).text)

    async def sign_in(self, login: str, password: str = PASSWORD, *, leads_to: str = "/me", **more: str) -> httpx2.Response:
        """Open the form and send it."""
        form = {"csrf": await self.token("/sign-in?step_up=1"), "login": login, "password": password, "next": leads_to, **more}
        return await self.http.post("/sign-in", data=form)


@dataclass(frozen=True, slots=True)
class House:
    """The pages under one origin."""

    owner: asyncpg.Connection[Any]
    pool: Pool
    settings: Settings
    url: str

    @asynccontextmanager
    async def a_visitor(self, *, language: str = "en", **headers: str) -> AsyncIterator[Visitor]:
        async with httpx2.AsyncClient(
            base_url=self.url, headers={"Accept-Language": language, **headers}, trust_env=False
        ) as http:
            yield Visitor(http)

    async def row(self, query: str) -> tuple[Any, ...]:
        """The one row that a question has for an answer."""
        (row,) = await self.owner.fetch(query)
        return tuple(row)

    async def an_account(self, login: str | None = None, *, password: str = PASSWORD, hasher: PasswordHasher = _CHEAP) -> Account:
        """Somebody with a local account, whose hash has other parameters than today's unless `hasher` says otherwise."""
        made = Account(uuid4(), login or f"visitor-{uuid4().hex[:8]}", password)
        await self.owner.execute("insert into gateway.subject (subject_id) values ($1)", made.subject_id)
        await self.owner.execute(
            "insert into gateway.account (login, subject_id, password_hash) values ($1, $2, $3)",
            made.login,
            made.subject_id,
            hasher.hash(password),
        )
        return made


@asynccontextmanager
async def a_house(
    database: Database, data: Path, *, host: str = "127.0.0.1", port: int = 0, base_url: str = "", **changed: Any
) -> AsyncIterator[House]:
    """A real uvicorn. base_url: what the settings say, where that is not where it listens."""
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://{host}:{listener.getsockname()[1]}"
    settings = Settings(data=data, base_url=base_url or url, **changed)
    pool, owner = await plain_pool(database.owner_url, settings), await database.owner()
    keys = PseudonymKeys(settings.key("pseudonym"))
    app = Starlette(routes=subject_routes(settings, pool, keys, KeyStore(settings, pool.acquire), CATALOGUE, Pages(settings)))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield House(owner, pool, settings, url)
    finally:
        server.should_exit = True
        await task
        await pool.close()
        await owner.close()
        listener.close()


def token_of(html: str) -> str:
    """The form token of a page."""
    found = re.search(r'name="csrf" value="([^"]*)"', html)
    assert found is not None, html
    return found[1]
