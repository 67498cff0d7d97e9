"""The consent screen in a real Chromium: without a script, by keyboard, on a phone, and on to the partner's site."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, BrowserContext, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.subject import session
from tests.support.authorising import Person
from tests.support.browser import DESK, PHONE, a_browser, violations
from tests.support.consent_pages import Pages, consent_pages
from tests.support.consenting import FIELDS, Asker, a_post, an_asker, an_inhabitant
from tests.support.database import Database

NAME, NATIONAL_ID = "identity.real_name", "identity.national_id"


@dataclass
class Site:
    """A partner's site on loopback. answers: the queries that browsers came back with."""

    url: str
    answers: list[dict[str, str]] = field(default_factory=list)

    @property
    def redirect_uri(self) -> str:
        return f"{self.url}/callback"


@asynccontextmanager
async def a_partner_site() -> AsyncIterator[Site]:
    """A real uvicorn."""
    listener = socket.create_server(("127.0.0.1", 0))
    site = Site(f"http://127.0.0.1:{listener.getsockname()[1]}")

    async def callback(request: Request) -> Response:
        site.answers.append(dict(request.query_params))
        return PlainTextResponse("welcome back")

    app = Starlette(routes=[Route("/callback", callback)])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield site
    finally:
        server.should_exit = True
        await task
        listener.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with a_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def pages(database: Database, tmp_path: Path) -> AsyncIterator[Pages]:
    async with consent_pages(database, tmp_path) as pages:
        yield pages


@pytest_asyncio.fixture(loop_scope="session")
async def person(pages: Pages) -> Person:
    found = await an_inhabitant(pages.owner)
    await a_post(pages.owner, found.subject_id, "今天在科技园散步。")
    return found


async def signed_in(browser: Browser, pages: Pages, person: Person, **context: object) -> BrowserContext:
    """A browser of this data subject's."""
    _, cookie = await session.begin(pages.owner, subject_id=person.subject_id, acr="pwd", settings=pages.settings)
    opened = await browser.new_context(**context)  # type: ignore[arg-type]  # the options are Playwright's own
    await opened.add_cookies([{"name": "session", "value": cookie, "url": pages.url}])
    return opened


async def an_asker_of(pages: Pages, site: Site) -> Asker:
    return await an_asker(pages.owner, pages.settings, redirect_uris=[site.redirect_uri])


@pytest.mark.parametrize("is_phone", [True, False], ids=["phone", "desk"])
@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_axe_finds_nothing_wrong_and_nothing_is_wider_than_the_screen(
    browser: Browser, pages: Pages, person: Person, language: str, is_phone: bool
) -> None:
    """WCAG 2.2 AA, as far as a machine can tell. SCREENSHOTS names a folder to look at them."""
    asker = await an_asker(pages.owner, pages.settings)
    abroad = await an_asker(pages.owner, pages.settings, fields=FIELDS[:6], location="SG", mechanism="standard_contract")
    receipt = await abroad.agreed(person, NAME, cross_border=True)
    shown = {
        "consent": f"/oauth/authorize?{asker.query()}",
        "consent_abroad": f"/oauth/authorize?{abroad.query()}",
        "consent_sign_in": f"/oauth/authorize?{asker.query(scope='openid')}",
        "consent_stop": "/consent/0",
        "receipt": f"/me/consents/{receipt}/receipt",
    }
    size = PHONE if is_phone else DESK
    context = await signed_in(
        browser, pages, person, locale=language, viewport=size, color_scheme="dark" if is_phone else "light"
    )
    for name, path in shown.items():
        page = await context.new_page()
        await page.goto(pages.url + path)
        if folder := os.environ.get("SCREENSHOTS"):
            await page.screenshot(path=f"{folder}/{name}-{language}-{size['width']}.png", full_page=True)
        assert await violations(page) == [], name
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
        await page.close()
    await context.close()


async def test_allow_and_deny_are_equals(browser: Browser, pages: Pages, person: Person) -> None:
    """PIPL 14, 15: no dark pattern: both answers are of the same size and look, and stand side by side."""
    asker = await an_asker(pages.owner, pages.settings)
    context = await signed_in(browser, pages, person, viewport=DESK)
    page = await context.new_page()
    await page.goto(f"{pages.url}/oauth/authorize?{asker.query()}")

    looks = []
    for answer in ("deny", "allow"):
        button = page.locator(f"button[value={answer}]")
        box = await button.bounding_box()
        style = await button.evaluate(
            "e => (s => [s.backgroundColor, s.color, s.fontSize, s.fontWeight, s.border])(getComputedStyle(e))"
        )
        assert box is not None
        looks.append((box["width"], box["height"], box["y"], style))

    assert looks[0] == looks[1]
    await context.close()


async def test_without_a_script_and_without_a_mouse_the_answer_reaches_the_partner(
    browser: Browser, pages: Pages, person: Person
) -> None:
    """policy 6.1: plain forms; the page's own form-action lets the browser go on to this partner."""
    async with a_partner_site() as site:
        asker = await an_asker_of(pages, site)
        context = await signed_in(browser, pages, person, java_script_enabled=False)
        page = await context.new_page()
        await page.goto(f"{pages.url}/oauth/authorize?{asker.query(redirect_uri=site.redirect_uri)}")
        for box in (NAME, NATIONAL_ID):
            await page.locator(f'input[value="{box}"]').focus()
            await page.keyboard.press("Space")
        await page.locator("button[value=allow]").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{site.redirect_uri}?*")
        await context.close()

    (answer,) = site.answers
    assert answer.keys() == {"code", "state", "iss"}
    assert await pages.owner.fetchval("select categories from gateway.consent_event") == [NATIONAL_ID, NAME]


async def test_from_the_sign_in_form_the_way_leads_on_to_the_partner(browser: Browser, pages: Pages, person: Person) -> None:
    """A page of its own stands between: the sign-in page's form-action knows of no partner."""
    async with a_partner_site() as site:
        asker = await an_asker_of(pages, site)
        await asker.agreed(person, NAME)
        context = await signed_in(browser, pages, person, java_script_enabled=False)
        page = await context.new_page()
        asked = asker.query(redirect_uri=site.redirect_uri, scope=None, authorization_details=asker.details(NAME))
        opened = await context.request.get(f"{pages.url}/oauth/authorize?{asked}", max_redirects=0)
        await page.goto(f"{pages.url}{opened.headers['location']}?signed_in=1")
        await page.wait_for_url(f"{site.redirect_uri}?*")
        await context.close()

    assert [answer.keys() for answer in site.answers] == [{"code", "state", "iss"}]


async def test_the_question_cannot_be_put_into_a_frame(browser: Browser, pages: Pages, person: Person) -> None:
    """RFC 9700 4.16: clickjacking. The browser itself refuses."""
    asker = await an_asker(pages.owner, pages.settings)
    context = await signed_in(browser, pages, person)
    page: Page = await context.new_page()
    await page.set_content(f'<iframe src="{pages.url}/oauth/authorize?{asker.query()}"></iframe>')
    await page.wait_for_load_state("networkidle")

    texts = [await frame.content() for frame in page.frames[1:]]

    assert not [text for text in texts if NAME in text]
    await context.close()
