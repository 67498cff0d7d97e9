"""The platform's own OpenID provider in place of a staff member's password; never in place of the second factor."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import uvicorn
from starlette.applications import Starlette

from gateway.admin.console.routes import console_routes
from gateway.catalogue.weidandan import CATALOGUE
from gateway.oauth.keys import KeyStore
from gateway.settings import Settings
from gateway.stewardship.roles import StaffRole
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import plain_pool
from tests.support.console import COOKIE, Bureau
from tests.support.database import Database
from tests.support.openid_provider import CLIENT_ID, SECRET, a_provider, free_port, sign_in_there
from tests.support.stewardship import an_office


@asynccontextmanager
async def _with_provider(database: Database, data: Path) -> AsyncIterator[Bureau]:
    own = free_port()
    url, callback = f"http://localhost:{own}", f"http://localhost:{own}/admin/sign-in/upstream/callback"
    async with (
        an_office(database, data) as office,
        a_provider(free_port(), callback, algorithm="RS256", method="client_secret_basic") as issuer,
    ):
        upstream = {"upstream_issuer": issuer, "upstream_client_id": CLIENT_ID, "upstream_client_secret": SECRET}
        settings = Settings.model_validate({"data": data, "base_url": url, **upstream})
        pool = await plain_pool(database.owner_url, settings)
        routes = console_routes(
            settings, pool, PseudonymKeys(settings.key("pseudonym")), KeyStore(settings, pool.acquire), CATALOGUE
        )
        listener = socket.create_server(("127.0.0.1", own))
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_config=None, lifespan="off"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield Bureau(office, settings, url)
        finally:
            server.should_exit = True
            await task
            await pool.close()
            listener.close()


async def test_whom_the_provider_names_still_gives_the_second_factor(database: Database, tmp_path: Path) -> None:
    """Against oidc-provider. Somebody whom no row names is nobody; an answer counts once, in the browser that left."""
    async with (
        _with_provider(database, tmp_path) as bureau,
        bureau.a_caller() as caller,
        bureau.a_caller() as other,
        httpx2.AsyncClient(trust_env=False) as there,
    ):
        person = await bureau.somebody(StaffRole.AUDITOR, upstream_subject="employee-7")
        assert "/admin/sign-in/upstream?next=" in await caller.page("/admin/sign-in?next=/admin/acts")
        left = await caller.http.get("/admin/sign-in/upstream?next=/admin/acts")
        back = await sign_in_there(there, left.headers["location"], "employee-7")
        assert (await other.http.get(back)).status_code == 400  # a browser that never left
        halfway = await caller.http.get(back)
        assert halfway.headers["location"] == "/admin/sign-in/second?next=%2Fadmin%2Facts", halfway.text
        assert (await caller.http.get("/admin/acts")).headers["location"] == "/admin/sign-in/second"
        entered = await caller.give_code(person.code(), next="/admin/acts")
        assert entered.headers["location"] == "/admin/acts"
        await caller.page("/admin/acts")
        rows = await bureau.office.world.owner.fetch("select acr from gateway.staff_session where ended_at is null")
        assert [row["acr"] for row in rows] == ["upstream+otp"]

        assert (await other.http.get(back)).status_code == 400  # once only
        there.cookies.clear()  # the provider knew its user
        left = await other.http.get("/admin/sign-in/upstream")
        stranger = await other.http.get(await sign_in_there(there, left.headers["location"], "employee-8"))
        assert stranger.status_code == 400
        assert COOKIE not in stranger.cookies
