"""The consent pages on loopback, and a data subject's browser that answers them, without a screen."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import asyncpg
import httpx2
import uvicorn
from starlette.applications import Starlette

from gateway.settings import Settings
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import plain_pool
from gateway.subject import consent, me, page, receipts_page, session
from gateway.subject.desk import Desk
from tests.support.authorising import Person
from tests.support.consenting import CATALOGUE, REDIRECT, Asker
from tests.support.database import Database


@dataclass(frozen=True)
class Screen:
    """One answer of the gateway to a browser."""

    answer: httpx2.Response

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def text(self) -> str:
        return self.answer.text

    @property
    def location(self) -> str:
        """Where the browser is sent."""
        assert self.status == 303, (self.status, self.text)
        return str(self.answer.headers["location"])

    @property
    def told(self) -> dict[str, str]:
        """What the client is told: the query of the redirect to it."""
        assert self.location.startswith(REDIRECT), self.location
        return dict(parse_qsl(urlsplit(self.location).query))

    def hidden(self, name: str) -> str:
        """The value of a hidden field of the form."""
        found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)">', self.text)
        assert found is not None, self.text
        return found[1]

    def boxes(self) -> dict[str, bool]:
        """Each box by its value, or its name where the value says nothing: whether it is ticked already."""
        found = re.findall(r'<input type="checkbox" name="(\w+)" value="([\w.]+)"([^>]*)>', self.text)
        return {value if name == "category" else name: " checked" in rest for name, value, rest in found}


@dataclass(frozen=True)
class Browser:
    """A data subject's browser, signed in. session_id: of its session."""

    person: Person
    http: httpx2.AsyncClient

    async def open(self, asker: Asker, **changed: str | None) -> tuple[str, Screen]:
        """Follow the partner's link; the address of the question and what is there."""
        opened = Screen(await self.http.get(f"/oauth/authorize?{asker.query(**changed)}"))
        path = opened.location
        return path.partition("?")[0], Screen(await self.http.get(path))

    async def answer(
        self, path: str, screen: Screen, decision: str = "allow", *, ticked: Sequence[str] = (), **changed: str
    ) -> Screen:
        """Send the form. ticked: categories, cross_border, sign_in."""
        boxes = {name: "yes" for name in ("cross_border", "sign_in") if name in ticked}
        form: dict[str, str | list[str]] = {
            "csrf": screen.hidden("csrf"),
            "notice": screen.hidden("notice"),
            "decision": decision,
            "category": [name for name in ticked if name not in boxes],
            **boxes,
            **changed,
        }
        return Screen(await self.http.post(path, data=form))

    async def decide(self, asker: Asker, decision: str = "allow", *, ticked: Sequence[str] = (), **changed: str | None) -> Screen:
        """Follow the partner's link and answer what is asked."""
        path, screen = await self.open(asker, **changed)
        assert screen.status == 200, screen.text
        return await self.answer(path, screen, decision, ticked=ticked)


@dataclass(frozen=True)
class Pages:
    """The consent pages on loopback."""

    owner: asyncpg.Connection[Any]
    settings: Settings
    url: str

    @asynccontextmanager
    async def browser(self, person: Person | None, *, language: str = "en") -> AsyncIterator[Browser]:
        """A browser of this data subject; None: of nobody yet."""
        headers, known = {"Accept-Language": language}, person or Person(uuid4(), uuid4(), datetime.now(UTC))
        if person is not None:
            begun, cookie = await session.begin(self.owner, subject_id=person.subject_id, acr="pwd", settings=self.settings)
            known = replace(person, session_id=begun.session_id)
            headers["Cookie"] = f"session={cookie}"
        async with httpx2.AsyncClient(base_url=self.url, headers=headers, trust_env=False) as http:
            yield Browser(known, http)

    async def count(self, table: str) -> int:
        """How many rows one of the gateway's tables has."""
        count: int = await self.owner.fetchval(f"select count(*) from gateway.{table}")
        return count


@asynccontextmanager
async def consent_pages(database: Database, data: Path) -> AsyncIterator[Pages]:
    """A real uvicorn with the consent screen and the receipts."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = Settings(data=data, base_url=url)
    pool, owner = await plain_pool(database.owner_url, settings), await database.owner()
    desk = Desk(settings, pool, page.Pages(settings), PseudonymKeys(settings.key("pseudonym")), CATALOGUE)
    app = Starlette(routes=[*consent.routes(desk), *me.routes(desk), *receipts_page.routes(desk), page.static_route()])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield Pages(owner, settings, url)
    finally:
        server.should_exit = True
        await task
        await pool.close()
        await owner.close()
        listener.close()
