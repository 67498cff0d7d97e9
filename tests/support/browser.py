"""A real Chromium, and axe-core in it. Tests that need one are skipped, with the reason, where it is missing."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from tests.support.missing import is_missing
from tests.support.packages import node_with

FOLDER = Path(__file__).resolve().parents[1] / "browser"
AXE = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
PHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=900)
# What WCAG 2.2 AA asks, and what axe's authors hold to be good practice
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def chromium_path() -> str:
    """Where the system's Chromium is; skips the test where it has none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        is_missing("Chromium is not installed")
    return found


@asynccontextmanager
async def a_browser() -> AsyncIterator[Browser]:
    """The system's Chromium, headless."""
    path = chromium_path()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


async def axe_source() -> str:
    """axe-core's text, installed from the lock file where it is not there yet; skips the test where npm is missing."""
    await node_with(FOLDER, "axe-core")
    return AXE.read_text(encoding="utf-8")


async def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it stands: rule and element. Nothing is loaded from the page's own origin."""
    await page.evaluate(await axe_source())
    found = await page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", TAGS)
    return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]
