"""The data subject's own pages on loopback, around a small world, and a data subject signed in to them."""

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

import httpx2
import uvicorn
from starlette.applications import Starlette

from gateway.catalogue.weidandan import CATALOGUE
from gateway.settings import Settings
from gateway.store import consents
from gateway.store.pool import Pool, plain_pool
from gateway.subject import me, session
from gateway.subject.cookies import Cookie
from gateway.subject.desk import Desk
from gateway.subject.page import Pages, static_route
from scopes import Purpose, Redaction, Role, Rung
from tests.support.database import Database
from tests.support.world import POLICY, World

COOKIE = Cookie.SESSION.value  # on plain http, which is for loopback only
UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Visitor:
    """A data subject's browser without a screen."""

    subject_id: UUID
    session: session.Session
    cookie: str
    http: httpx2.AsyncClient

    async def get(self, path: str, **query: str) -> httpx2.Response:
        return await self.http.get(path, params=query or None)

    async def page(self, path: str, **query: str) -> str:
        """The page's text; it must be there."""
        answer = await self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def post(self, path: str, **form: str | list[str]) -> httpx2.Response:
        """A form of the page, sent with its token unless `csrf` says otherwise; it is not followed."""
        return await self.http.post(path, data={"csrf": self.session.csrf, **form})

    async def done(self, path: str, **form: str | list[str]) -> str:
        """The page that a form leads to."""
        answer = await self.post(path, **form)
        assert answer.status_code == 303, answer.text
        return await self.page(answer.headers["location"])


@dataclass(frozen=True, slots=True)
class Site:
    world: World
    pool: Pool
    settings: Settings
    url: str

    @asynccontextmanager
    async def a_visitor(self, subject_id: UUID, *, language: str = "en") -> AsyncIterator[Visitor]:
        """The data subject, signed in."""
        async with self.pool.acquire() as conn:
            await conn.execute(consents.LOCK, subject_id)  # a session belongs to somebody who is known
            begun, cookie = await session.begin(conn, subject_id=subject_id, acr="pwd", settings=self.settings)
        headers = {"Cookie": f"{COOKIE}={cookie}", "Accept-Language": language}
        async with httpx2.AsyncClient(base_url=self.url, headers=headers, trust_env=False) as http:
            yield Visitor(subject_id, begun, cookie, http)


@asynccontextmanager
async def a_site(world: World, database: Database, data: Path) -> AsyncIterator[Site]:
    """A real uvicorn. data: the folder with the world's master key."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = Settings(data=data, base_url=url)
    pool = await plain_pool(database.owner_url, settings)
    desk = Desk(settings, pool, Pages(settings), world.keys, CATALOGUE)
    app = Starlette(routes=[*me.routes(desk), static_route()])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield Site(world, pool, settings, url)
    finally:
        server.should_exit = True
        await task
        await pool.close()
        listener.close()


@dataclass(frozen=True, slots=True)
class Life:
    """A data subject who has met everything that the pages can show."""

    subject_id: UUID
    shop: UUID
    consent_id: UUID
    replaced_id: UUID
    withdrawn_id: UUID


async def a_life(world: World) -> Life:
    """Consents of every standing, a processor, disclosures with all sorts of redaction, sign-ins, a setting."""
    mask = Redaction(Rung.MASK, head=1)
    year = Redaction(Rung.GENERALISE, step="year")
    fields: dict[str, Redaction] = {
        "Subject.realName": mask, "Subject.city": Redaction(Rung.REVEAL), "Subject.birthDate": year,
        "Subject.location": Redaction(Rung.GENERALISE, step="district"), "Address.street": Redaction(Rung.MASK, head=6),
    }  # fmt: skip
    shop, caller = await world.a_reader(fields, name="shop", legal_name="山城优选电子商务有限公司")
    ads, _ = await world.a_reader(["Subject.city"], purpose=Purpose.ADVERTISING, name="ads", legal_name="Blue Kite Advertising")
    gone, _ = await world.a_reader(["Subject.city"], purpose=Purpose.SURVEY, name="gone", legal_name="Ask & Answer Ltd")
    idle, _ = await world.a_reader(
        ["Subject.city"],
        name="abroad",
        legal_name="Overseas Goods Pte",
        processing_location="SG",
        cross_border_mechanism="assessment",
    )
    await world.a_reader(
        ["Subject.mobileNumber", "Subject.language"], purpose=Purpose.MESSAGE_DELIVERY, name="messages",
        legal_name="飞鸽短信服务有限公司", role=Role.PROCESSOR,
    )  # fmt: skip
    subject_id = await world.a_subject(rows={"address": [{"street": "福田区深南大道 1 号", "city": "深圳市"}]})
    await consents.accept_policy(world.owner, world.keys, subject_id=subject_id, policy_version=POLICY)
    agreed = ["identity.real_name", "profile.city", "profile.birth_date", "location.precise", "contact.address"]
    replaced_id = await world.a_consent(subject_id, shop, categories=agreed[:2])
    await world.see(caller, "realName city birthDate location")
    consent_id = await world.a_consent(subject_id, shop, categories=agreed)
    await consents.narrow(
        world.owner, world.keys, subject_id=subject_id, partner_id=shop, purpose=Purpose.SERVICE_DELIVERY, categories=agreed[:4]
    )
    await world.see(caller, "realName city birthDate location addresses(first: 2) { street }")
    await world.a_consent(subject_id, ads, purpose=Purpose.ADVERTISING, categories=["profile.city"], ends_at=None)
    await consents.set_advertising(world.owner, world.keys, subject_id=subject_id, allowed=False)
    withdrawn_id = await world.a_consent(subject_id, gone, purpose=Purpose.SURVEY, categories=["profile.city"])
    await consents.withdraw(world.owner, world.keys, subject_id=subject_id, partner_id=gone, purpose=Purpose.SURVEY)
    await world.a_consent(subject_id, idle, categories=["profile.city"], cross_border=True, ends_at=world.started)
    await consents.set_sharing(world.owner, world.keys, subject_id=subject_id, category="location.precise", allowed=False)
    await world.see(caller, "realName city location")
    for hours in range(3):
        await a_sign_in(world, subject_id, shop, hours)
    return Life(subject_id, shop, consent_id, replaced_id, withdrawn_id)


async def a_sign_in(world: World, subject_id: UUID, partner_id: UUID, hours_ago: int) -> None:
    await world.owner.execute(
        "insert into gateway.partner_login values ($1, $2, $3, 'c', $1, now() - make_interval(hours => $4))",
        uuid4(), subject_id, partner_id, hours_ago,
    )  # fmt: skip


def words_of(html: str) -> str:
    """What somebody reads of a page: no tags, no addresses of links."""
    text: Any = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", text)
