"""The console on a served gateway, and the people who work at it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx2
import pyotp

from gateway.admin.console import session
from gateway.settings import Settings
from gateway.stewardship import staff
from gateway.stewardship.actor import Actor, Door
from gateway.stewardship.roles import StaffRole
from gateway.subject.cookies import Cookie
from tests.support.database import Database
from tests.support.served import served
from tests.support.stewardship import MACHINE, Office, an_office
from tests.support.visiting import token_of

PASSWORD = "twelve characters 以上"
COOKIE = Cookie.STAFF.value  # on plain http, which is for loopback only


@dataclass(frozen=True)
class Person:
    """One of the staff with what they sign in with."""

    actor: Actor
    credentials: staff.Credentials

    @property
    def login(self) -> str:
        return self.actor.name

    def code(self, *, steps: int = 0) -> str:
        """What the authenticator shows now, or some steps of 30 s later."""
        return pyotp.TOTP(self.credentials.totp_secret).at(int(time.time()) + 30 * steps)


@dataclass(frozen=True)
class Caller:
    """A browser without a screen: it keeps cookies and follows nothing by itself."""

    http: httpx2.AsyncClient

    async def page(self, path: str) -> str:
        """The page's text; it must be there."""
        answer = await self.http.get(path)
        assert answer.status_code == 200, f"{answer.status_code} {answer.headers.get('location')} {answer.text[:2000]}"
        return answer.text

    async def send(self, page: str, to: str, **form: str) -> httpx2.Response:
        """A form of a page, with that page's token unless `csrf` says otherwise."""
        token = {} if "csrf" in form else {"csrf": token_of((await self.http.get(page)).text)}
        return await self.http.post(to, data={**token, **form})

    async def give_password(self, login: str, password: str = PASSWORD, **more: str) -> httpx2.Response:
        return await self.send("/admin/sign-in?again=1", "/admin/sign-in", login=login, password=password, **more)

    async def give_code(self, code: str, **more: str) -> httpx2.Response:
        return await self.send("/admin/sign-in/second", "/admin/sign-in/second", code=code, **more)

    @property
    def cookie(self) -> str:
        return self.http.cookies.get(COOKIE) or ""


@dataclass(frozen=True)
class Bureau:
    """An office whose console is served under `url`."""

    office: Office
    settings: Settings
    url: str

    async def somebody(
        self, *roles: StaffRole, login: str = "", accepts: bool = True, upstream_subject: str | None = None
    ) -> Person:
        """A new member of the staff with a password and an authenticator."""
        owner, name = self.office.world.owner, login or f"{'-'.join(roles)}-{uuid4().hex[:6]}"
        credentials = staff.Credentials(PASSWORD, pyotp.random_base32())
        await staff.add(
            owner, MACHINE, self.office.vault, login=name, name=name, roles=roles, credentials=credentials,
            upstream_subject=upstream_subject,
        )  # fmt: skip
        row = await owner.fetchrow(staff.OF_LOGIN, name)
        assert row is not None
        actor = staff.actor_of(row, Door.CONSOLE)
        if accepts:
            await staff.accept_confidentiality(owner, actor)
        return Person(Actor(actor.staff_id, name, actor.roles, accepts, Door.CONSOLE), credentials)

    async def cookie_of(self, person: Actor, *, acr: str = "pwd+otp") -> str:
        """The cookie of somebody who has signed in."""
        assert person.staff_id is not None
        return await session.begin(self.office.world.owner, None, staff_id=person.staff_id, acr=acr, settings=self.settings)

    @asynccontextmanager
    async def a_caller(self, person: Actor | None = None, *, language: str = "en", **headers: str) -> AsyncIterator[Caller]:
        """person: signed in already; None: nobody is."""
        async with httpx2.AsyncClient(
            base_url=self.url, headers={"Accept-Language": language, **headers}, trust_env=False, timeout=30
        ) as http:
            if person is not None:
                http.cookies.set(COOKIE, await self.cookie_of(person), domain="localhost.local")
            yield Caller(http)

    def actor(self, role: StaffRole) -> Actor:
        """The office's own person of this role."""
        return self.office.people[role]


@asynccontextmanager
async def a_bureau(database: Database, data: Path) -> AsyncIterator[Bureau]:
    """A served gateway around a small office."""
    async with an_office(database, data) as office, served(database.owner_url, data) as port:
        url = f"http://localhost:{port}"
        yield Bureau(office, Settings(data=data, base_url=url), url)
