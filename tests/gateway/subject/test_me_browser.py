"""The data subject's own pages in a real Chromium: by keyboard, for a screen reader, on a phone and without a script."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.support.browser import DESK, PHONE, a_browser, violations
from tests.support.database import Database
from tests.support.me import COOKIE, Life, Site, Visitor, a_life, a_site
from tests.support.world import World

SIZES = {"phone": PHONE, "desk": DESK}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with a_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def site(small_world: World, database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    async with a_site(small_world, database, tmp_path) as site:
        yield site


async def _opened(
    browser: Browser, site: Site, visitor: Visitor, language: str, size: str, *, script: bool = True, is_dark: bool = False
) -> Page:
    context = await browser.new_context(
        locale=language, viewport=SIZES[size], java_script_enabled=script, color_scheme="dark" if is_dark else "light"
    )
    await context.add_cookies([{"name": COOKIE, "value": visitor.cookie, "url": site.url}])
    return await context.new_page()


def _paths(life: Life) -> dict[str, str]:
    return {
        "overview": "/me",
        "consent": f"/me/consents/{life.consent_id}",
        "replaced": f"/me/consents/{life.replaced_id}",
        "withdrawn": f"/me/consents/{life.withdrawn_id}?done=withdrawn",
        "confirm": f"/me/consents/{life.consent_id}/withdraw",
        "disclosures": "/me/disclosures",
        "filtered": "/me/disclosures?partner=shop&from=2020-01-01",
        "privacy": "/me/privacy",
        "privacy_of": "/me/privacy?partner=shop",
        "logins": "/me/logins",
        "missing": "/me/consents/x",
    }


@pytest.mark.parametrize(
    ("language", "size", "is_dark"),
    [("zh-CN", "phone", True), ("zh-CN", "desk", False), ("en", "phone", False), ("en", "desk", True)],
)
async def test_axe_finds_nothing_wrong_and_nothing_is_wider_than_the_screen(
    browser: Browser, site: Site, language: str, size: str, is_dark: bool
) -> None:
    """WCAG 2.2 AA, as far as a machine can tell; full of data and empty. SCREENSHOTS names a folder to look at them."""
    life = await a_life(site.world)
    pictures = os.environ.get("SCREENSHOTS")
    newcomer = await site.world.a_subject()
    for subject_id, paths in [
        (life.subject_id, _paths(life)),
        (
            newcomer,
            {
                "empty": "/me",
                "empty_disclosures": "/me/disclosures",
                "empty_privacy": "/me/privacy",
                "empty_logins": "/me/logins",
            },
        ),
    ]:
        async with site.a_visitor(subject_id) as visitor, site.a_visitor(subject_id):
            page = await _opened(browser, site, visitor, language, size, is_dark=is_dark)
            for name, path in paths.items():
                await page.goto(site.url + path)
                if pictures:
                    await page.screenshot(path=Path(pictures) / f"{name}-{language}-{size}.png", full_page=True)
                assert await violations(page) == [], name
                assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
            await page.context.close()


async def test_narrowing_and_withdrawing_need_no_script_and_no_mouse(browser: Browser, site: Site) -> None:
    """Plain forms, by keyboard."""
    life = await a_life(site.world)
    async with site.a_visitor(life.subject_id) as visitor:
        page = await _opened(browser, site, visitor, "en", "phone", script=False)
        await page.goto(f"{site.url}/me/consents/{life.consent_id}")
        await page.get_by_role("checkbox").first.press("Space")
        await page.get_by_role("button", name="Keep only what is ticked").press("Enter")
        await page.get_by_role("status").wait_for()
        assert await page.get_by_role("checkbox").count() == 3
        await page.get_by_role("link", name="Withdraw…").press("Enter")
        await page.get_by_role("button", name="Withdraw").press("Enter")
        assert "Your consent is withdrawn." in await page.get_by_role("status").inner_text()
        await page.goto(f"{site.url}/me/privacy")
        await page.get_by_role("button", name=re.compile("Turn off.*All sharing")).press("Enter")
        assert "Switched off: All sharing." in await page.get_by_role("status").inner_text()
        await page.context.close()

    kinds = await site.world.owner.fetch(
        "select kind from gateway.consent_event where consent_id = $1 order by event_id", life.consent_id
    )
    assert [row["kind"] for row in kinds] == ["given", "narrowed", "narrowed", "withdrawn"]
    last = await site.world.owner.fetchrow("select switch, allowed from gateway.setting_event order by event_id desc limit 1")
    assert last is not None
    assert tuple(last) == ("sharing", False)
