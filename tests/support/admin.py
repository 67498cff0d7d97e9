"""The admin API as it is run: `gateway serve` over a world with its staff, and a token of each person's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2

from gateway.settings import Settings
from gateway.stewardship import staff
from gateway.stewardship.actor import Actor
from gateway.stewardship.roles import StaffRole
from tests.support.database import Database
from tests.support.served import Reply, served
from tests.support.stewardship import Office, an_office

PATH = "/admin/graphql"


@dataclass(frozen=True)
class AdminDoor:
    """token: by login; one for each of the office's people, whose logins are their roles, and for `approver-2`."""

    office: Office
    settings: Settings
    http: httpx2.AsyncClient
    tokens: dict[str, str]

    async def ask(self, token: str, document: str, variables: Mapping[str, Any] | None = None) -> Reply:
        answer = await self.http.post(
            PATH, json={"query": document, "variables": variables or {}}, headers={"Authorization": f"Bearer {token}"}
        )
        return Reply(answer.status_code, answer.json())

    async def by(self, login: str, document: str, /, **variables: Any) -> Reply:
        return await self.ask(self.tokens[login], document, variables)

    async def done(self, login: str, document: str, /, **variables: Any) -> Any:
        """What the operation's one root field gives; it must not be refused."""
        reply = await self.by(login, document, **variables)
        assert reply.status == 200, reply.body
        assert "errors" not in reply.body, reply.body
        (given,) = reply.body["data"].values()
        return given

    async def somebody(self, login: str, roles: Collection[StaffRole], *, accepts: bool = True) -> str:
        """A new member of the staff; returns a token."""
        return await self.a_token(await self.office.somebody(login, roles, accepts=accepts))

    async def a_token(self, actor: Actor, lifetime: timedelta = timedelta(days=1)) -> str:
        assert actor.staff_id is not None
        return (await staff.make_token(self.office.world.owner, actor.staff_id, label="test", lifetime=lifetime)).text


@asynccontextmanager
async def an_admin_door(database: Database, data: Path) -> AsyncIterator[AdminDoor]:
    async with an_office(database, data) as office, served(database.owner_url, data) as port:
        settings = Settings(data=data, base_url=f"http://localhost:{port}")
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            door = AdminDoor(office, settings, http, {})
            for actor in (*office.people.values(), office.second_approver):
                door.tokens[actor.name] = await door.a_token(actor)
            yield door
