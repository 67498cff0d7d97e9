"""The sign-in pages in a real Chromium: for a screen reader, by keyboard, on a phone and without a script."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, ViewportSize

from tests.support.browser import DESK, PHONE, a_browser, violations
from tests.support.database import Database
from tests.support.visiting import PASSWORD, House, a_house

SIZES: dict[str, ViewportSize] = {"phone": ViewportSize(**PHONE), "desk": ViewportSize(**DESK)}
VIEWS = [("zh-CN", "phone", True), ("zh-CN", "desk", False), ("en", "phone", False), ("en", "desk", True)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with a_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(database, tmp_path, host="localhost") as house:
        yield house


async def _look(page: Page, name: str) -> None:
    """axe, and nothing wider than the screen. SCREENSHOTS names a folder to look at the pages."""
    if pictures := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=Path(pictures) / f"{name}.png", full_page=True)
    assert await violations(page) == [], name
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name


@pytest.mark.parametrize(("language", "size", "is_dark"), VIEWS)
async def test_axe_finds_nothing_wrong_and_nothing_is_wider_than_the_screen(
    browser: Browser, house: House, language: str, size: str, is_dark: bool
) -> None:
    """WCAG 2.2 AA, as far as a machine can tell."""
    account, name = await house.an_account(), f"{language}-{size}"
    context = await browser.new_context(locale=language, viewport=SIZES[size], color_scheme="dark" if is_dark else "light")
    page = await context.new_page()
    await page.goto(f"{house.url}/sign-in")
    await _look(page, f"sign_in-{name}")
    await page.locator("#login").fill(account.login)
    await page.locator("#password").fill("guess")
    await page.locator("#password").press("Enter")
    await page.get_by_role("alert").filter(visible=True).wait_for()
    await _look(page, f"wrong-{name}")
    await page.evaluate("for (const one of document.querySelectorAll('input')) one.removeAttribute('required')")
    await page.locator("#password").press("Enter")
    await page.locator(".error").first.wait_for()
    await _look(page, f"missing-{name}")
    await page.locator("#password").fill(PASSWORD)
    await page.locator("#password").press("Enter")
    await page.wait_for_url(f"{house.url}/me")
    await house.owner.execute(
        "insert into gateway.passkey (credential_id, subject_id, public_key, sign_count, label) values ($1, $2, '', 0, $3)",
        os.urandom(8),
        account.subject_id,
        "我的手机",
    )
    for path in ("/cookies", "/me/passkeys", "/sign-in?step_up=1", "/sign-in?out=1&step_up=1"):
        await page.goto(house.url + path)
        await _look(page, f"{path.strip('/').replace('/', '_').replace('?', '_')}-{name}")
    await context.close()


async def test_the_form_is_filled_in_by_keyboard_alone(browser: Browser, house: House) -> None:
    account = await house.an_account()
    context = await browser.new_context(locale="en", java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{house.url}/sign-in?next=/me/passkeys")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
    await page.keyboard.press("Tab")
    await page.keyboard.type(account.login)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{house.url}/me/passkeys")
    await context.close()


async def test_what_is_missing_leads_to_its_field(browser: Browser, house: House) -> None:
    """An error summary whose links move the focus."""
    context = await browser.new_context(locale="en")
    page = await context.new_page()
    await page.goto(f"{house.url}/sign-in")
    await page.evaluate("for (const one of document.querySelectorAll('input')) one.removeAttribute('required')")
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.get_by_role("link", name="Enter your password").click()
    assert await page.evaluate("document.activeElement.id") == "password"
    await context.close()
