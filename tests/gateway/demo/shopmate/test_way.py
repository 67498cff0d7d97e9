"""The way that the README describes, in a real Chromium: from shopmate to the platform, back with data, and to nothing again."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import pytest_asyncio
from playwright.async_api import Browser, Page

from gateway.demo.load import connected
from gateway.store.pool import Connection
from tests.support.browser import DESK, PHONE, a_browser, violations
from tests.support.demo import Demo

TICKED = ("profile.city", "identity.real_name")
STATE = """
select array(select k.category from gateway.category k where s.covered >> k.ordinal & 1 = 1)
  from gateway.consent_state s join gateway.partner p using (partner_id)
 where p.name = 'shopmate' and s.purpose = 'service_delivery' and s.subject_id = $1 and s.visible_until > now()"""
LEDGER = """
select e.consent_id, e.kind, e.categories, e.notice_sha256 is not null as was_shown
  from gateway.consent_event e join gateway.partner p using (partner_id)
 where p.name = 'shopmate' and e.subject_id = $1 order by e.event_id desc limit 1"""


@pytest_asyncio.fixture(loop_scope="session")
async def owner(demo: Demo) -> AsyncIterator[Connection]:
    async with connected(demo.document["database_url"]) as conn:
        yield conn


@pytest_asyncio.fixture(loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with a_browser() as browser:
        yield browser


async def log_in_and_allow(page: Page, demo: Demo, person: Mapping[str, Any]) -> None:
    """Click, sign in, tick two categories and signing in, allow."""
    await page.goto(demo.document["partners"]["shopmate"]["site"])
    await page.click("form[action='/log-in'] button")
    await page.fill("input[name=login]", person["login"])
    await page.fill("input[name=password]", person["password"])
    await page.press("input[name=password]", "Enter")
    await page.wait_for_selector("input[name=category]")
    assert await page.locator("input[type=checkbox]:checked").count() == 0  # nothing is agreed to beforehand
    for category in TICKED:
        await page.check(f"input[name=category][value='{category}']")
    await page.check("input[name=sign_in]")
    await page.click("button[name=decision][value=allow]")
    await page.wait_for_url(re.compile(r"/account$"))


async def shared(page: Page) -> list[str | None]:
    """The fields that shopmate shows with something in them."""
    return [await row.get_attribute("data-field") for row in await page.locator("tr[data-field]:not(.withheld)").all()]


async def ask_again(page: Page, demo: Demo) -> None:
    await page.goto(f"{demo.document['partners']['shopmate']['site']}account")
    await page.click("form[action='/ask'] button")


async def test_a_newcomer_decides_and_sees_the_data_arrive_then_less_then_none(
    demo: Demo, browser: Browser, owner: Connection
) -> None:
    """policy 3, 6.1: what was ticked arrives and nothing else; what is taken back, the same token no longer brings. No script."""
    person = demo.document["subjects"][1]
    subject_id = UUID(person["subject_id"])
    context = await browser.new_context(viewport=PHONE, locale="en", java_script_enabled=False)
    page = await context.new_page()

    await log_in_and_allow(page, demo, person)
    event = dict(await owner.fetchrow(LEDGER, subject_id) or {})
    mine = f"{demo.document['base_url']}/me/consents/{event['consent_id']}"
    assert await shared(page) == ["realName", "city"]
    assert (event["kind"], set(event["categories"]), event["was_shown"]) == ("given", set(TICKED), True)
    assert set(await owner.fetchval(STATE, subject_id)) == set(TICKED)
    # it is known by one pseudonym for signing in and by another one for the data
    assert UUID(await page.inner_text("#sub")) != UUID(person["pseudonyms"]["shopmate"])

    await page.click("form[action='/refresh'] button")
    assert "new access token" in await page.inner_text("[role=status]")
    assert await shared(page) == ["realName", "city"]

    await page.goto(mine)
    await page.uncheck("input[name=category][value='identity.real_name']")
    await page.click("form[action$='/narrow'] button")
    await ask_again(page, demo)
    assert await shared(page) == ["city"]
    assert await owner.fetchval(STATE, subject_id) == ["profile.city"]

    await page.goto(f"{mine}/withdraw")
    await page.click("form[action$='/withdraw'] button")
    await ask_again(page, demo)
    assert await page.locator("tr[data-field]").count() == 0
    assert await page.locator(".refused").count() == 1
    assert await owner.fetchval(STATE, subject_id) is None

    await page.click("form[action='/log-out'] button")
    await page.goto(f"{demo.document['partners']['shopmate']['site']}account")
    assert await page.locator("form[action='/log-in']").count() == 1
    assert await page.locator("#sub").count() == 0
    await context.close()


async def test_shopmates_pages_are_accessible(demo: Demo, browser: Browser) -> None:
    """WCAG 2.2 AA, in both languages, on a phone and on a desk, in light and dark."""
    site = demo.document["partners"]["shopmate"]["site"]
    phone = await browser.new_context(viewport=PHONE, color_scheme="dark", locale="zh-CN")
    desk = await browser.new_context(viewport=DESK, color_scheme="light", locale="en")
    for context in (phone, desk):
        page = await context.new_page()
        for path in ("", "privacy", "nowhere"):
            await page.goto(site + path)
            assert await violations(page) == []
        await context.close()
