"""shopmate's site beside a running demo, as a browser without scripts meets it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

import asyncpg
import httpx
import pytest
import pytest_asyncio

from tests.support.demo import Demo

SECONDS = 60


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser that has opened the front page."""

    http: httpx.AsyncClient
    csrf: str

    async def post(self, path: str, **form: str) -> httpx.Response:
        return await self.http.post(path, data={"csrf": self.csrf, **form})

    async def log_in(self) -> str:
        """Click the button. Returns the address of the gateway that it leads to."""
        answer = await self.post("/log-in")
        assert answer.status_code == 303
        return answer.headers["location"]


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(demo: Demo) -> AsyncIterator[Visitor]:
    site = demo.document["partners"]["shopmate"]["site"]
    async with httpx.AsyncClient(base_url=site, headers={"Accept-Language": "en"}, timeout=SECONDS, trust_env=False) as http:
        page = (await http.get("/")).text
        found = re.search(r'name="csrf" value="([^"]+)"', page)
        assert found is not None
        yield Visitor(http, found[1])


async def test_the_button_pushes_the_request_and_keeps_it_out_of_the_address(demo: Demo, visitor: Visitor) -> None:
    """RFC 9126: nothing of what is asked passes through the browser."""
    address = urlsplit(await visitor.log_in())

    assert f"{address.scheme}://{address.netloc}" == demo.document["base_url"]
    assert parse_qs(address.query).keys() == {"client_id", "request_uri"}


async def test_pages_allow_no_script_no_frame_and_forms_to_the_platform_alone(demo: Demo, visitor: Visitor) -> None:
    for path in ("/", "/privacy", "/nowhere"):
        policy = (await visitor.http.get(path)).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "frame-ancestors 'none'" in policy
        assert f"form-action 'self' {demo.document['base_url']}" in policy


async def answer_to_a_login(demo: Demo, visitor: Visitor) -> dict[str, str]:
    """What the gateway would send the browser back with, but for the code, which nobody was given."""
    await visitor.log_in()
    owner = await asyncpg.connect(demo.document["database_url"])
    state = await owner.fetchval(
        """select parameters ->> 'state' from gateway.authorization_request
            where client_id = 'shopmate' order by created_at desc limit 1"""
    )
    await owner.close()
    return {"code": "made-up", "state": state, "iss": demo.document["issuer"]}


@pytest.mark.parametrize("changed", [{"state": "another"}, {"state": ""}, {"iss": "https://elsewhere.example"}, {"iss": ""}])
async def test_an_answer_to_nothing_that_was_asked_is_not_used(demo: Demo, visitor: Visitor, changed: dict[str, str]) -> None:
    """RFC 6749 10.12, RFC 9207 2.4: another state, another issuer, each with all else right."""
    answer = await answer_to_a_login(demo, visitor) | changed

    page = await visitor.http.get(f"/callback?{urlencode(answer)}")

    assert page.status_code == 400
    assert "does not belong to a login that was begun here" in page.text


async def test_a_made_up_code_is_refused_and_its_login_is_over(demo: Demo, visitor: Visitor) -> None:
    answer = await answer_to_a_login(demo, visitor)

    page = await visitor.http.get(f"/callback?{urlencode(answer)}")
    again = await visitor.http.get(f"/callback?{urlencode(answer)}")

    assert "invalid_grant" in page.text
    assert "does not belong to a login that was begun here" in again.text


async def test_another_browser_cannot_finish_a_login(demo: Demo, visitor: Visitor) -> None:
    """RFC 9700 4.7: an answer that is slipped to somebody else, who would sign in as the attacker."""
    answer = await answer_to_a_login(demo, visitor)
    visitor.http.cookies.clear()
    await visitor.http.get("/")

    page = await visitor.http.get(f"/callback?{urlencode(answer)}")

    assert "does not belong to a login that was begun here" in page.text


@pytest.mark.parametrize("path", ["/log-in", "/ask", "/refresh", "/log-out"])
async def test_a_form_of_another_site_does_nothing(visitor: Visitor, path: str) -> None:
    answer = await visitor.post(path, csrf="guessed")

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_a_form_that_is_too_large_is_not_read(visitor: Visitor) -> None:
    assert (await visitor.post("/ask", filler="x" * 10_000)).status_code == 413


async def test_nobody_sees_an_account_before_logging_in(visitor: Visitor) -> None:
    answer = await visitor.http.get("/account")

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_a_visitor_chooses_the_language(visitor: Visitor) -> None:
    english = (await visitor.http.get("/")).text
    await visitor.http.get("/language?to=zh-CN")
    chinese = (await visitor.http.get("/")).text

    assert "Log in with the platform" in english
    assert 'lang="zh-CN"' in chinese
    assert "用平台账号登录" in chinese


async def test_shopmates_privacy_policy_stands_where_its_registration_says(demo: Demo, visitor: Visitor) -> None:
    assert (await visitor.http.get("/privacy")).status_code == 200
    assert demo.document["partners"]["shopmate"]["site"].endswith("/")
