"""The console in a real Chromium: for a screen reader, by keyboard, on a phone, without a script."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from gateway.admin.console.nav import PLACES
from gateway.oauth.access_token import issue
from gateway.oauth.keys import KeyStore
from gateway.stewardship.actor import Actor
from gateway.stewardship.content import ChangeKind
from gateway.stewardship.roles import PERMITTED, StaffRole
from scopes import Purpose
from tests.support.browser import DESK, PHONE, a_browser, violations
from tests.support.console import COOKIE, PASSWORD, Bureau, a_bureau
from tests.support.database import Database
from tests.support.served import PartnerConnection, Reply
from tests.support.stewardship import CITY, REAL_NAME, a_grant, a_partner, a_scope

STEWARD, APPROVER, AUDITOR, OPERATOR, SUPPORT = StaffRole
SIZES = {"phone": PHONE, "desk": DESK}
DOCUMENT = "{ subjects(first: 5) { edges { node { city realName } } } }"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with a_browser() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bureau(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bureau]:
    """One served gateway for all: each test names what it makes, and leaves what others made alone."""
    async with a_bureau(module_database, tmp_path_factory.mktemp("bureau")) as bureau:
        yield bureau


class Shop:
    """A partner that asks over HTTP with a real token."""

    def __init__(self, bureau: Bureau, client_id: str, scope: str) -> None:
        self._bureau, self._client_id, self._scope = bureau, client_id, scope

    async def ask(self) -> Reply:
        world, settings = self._bureau.office.world, self._bureau.settings
        token = await issue(world.owner, KeyStore(settings), settings, client_id=self._client_id, scopes=[self._scope])
        connection = PartnerConnection(int(self._bureau.url.rpartition(":")[2]))
        try:
            return await connection.ask(token, DOCUMENT)
        finally:
            connection.close()


async def _a_shop(bureau: Bureau, scope: str, name: str) -> Shop:
    """With one consenting data subject, and a scope whose next version may read its name as well."""
    world = bureau.office.world
    await bureau.office.make(ChangeKind.SCOPE, a_scope(scope, CITY))
    partner_id = await world.a_partner(name=name, legal_name="Shop & Co")
    await world.a_grant(partner_id, scope)
    subject_id = await world.a_subject(city="深圳市", real_name="张三")
    await world.a_consent(subject_id, partner_id, categories=["profile.city", "identity.real_name"])
    return Shop(bureau, world.client_of(partner_id), scope)


async def _open(
    browser: Browser, bureau: Bureau, person: Actor | None, *, language: str = "en", size: str = "desk", **more: Any
) -> Page:
    """Signed in already, if somebody is named."""
    context = await browser.new_context(locale=language, viewport=SIZES[size], **more)
    if person is not None:
        await context.add_cookies([{"name": COOKIE, "value": await bureau.cookie_of(person), "url": bureau.url}])
    return await context.new_page()


async def _look(page: Page, name: str) -> None:
    """axe, and nothing wider than the screen. SCREENSHOTS names a folder to look at the pages."""
    if pictures := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=Path(pictures) / f"{name}.png", full_page=True)
    assert await violations(page) == [], name
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name


async def _look_at_colours(page: Page, name: str) -> None:
    """Contrast alone, on a page that axe has looked at already."""
    if pictures := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=Path(pictures) / f"{name}.png", full_page=True)
    found = await page.evaluate("axe.run(document, {runOnly: ['color-contrast']})")
    assert [node["html"] for one in found["violations"] for node in one["nodes"]] == [], name


async def test_a_steward_proposes_and_an_approver_who_sees_the_impact_lets_it_take_effect(
    browser: Browser, bureau: Bureau
) -> None:
    """From the sign-in with both factors to what the partner gets over HTTP; never one's own; a script is running."""
    shop = await _a_shop(bureau, "to_browse", "browser-shop")
    refused = await shop.ask()
    person = await bureau.somebody(STEWARD, accepts=False)
    page = await _open(browser, bureau, None)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    await page.goto(f"{bureau.url}/admin/scopes/to_browse")
    await _look(page, "sign-in")
    await page.get_by_label("Login name").fill(person.login)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Continue").click()
    await _look(page, "second")
    await page.get_by_label("Code").fill(person.code())
    await page.get_by_role("button", name="Sign in to the console").click()
    await _look(page, "duty")
    await page.get_by_role("button", name="I accept").click()
    await page.goto(f"{bureau.url}/admin/scopes/to_browse")
    await page.get_by_role("link", name="Propose the next version").click()
    await page.locator("#path_1").fill(REAL_NAME)
    await page.locator("#redaction_1").fill("mask(1,0)")
    await page.locator("#justification_1").fill("包裹上的收件人")
    await page.locator("#justification_en_1").fill("on the parcel")
    await page.get_by_label("Why this is needed", exact=True).fill("parcels carry a name")
    await page.get_by_role("button", name="Propose", exact=True).click()
    await page.get_by_role("status").wait_for()
    assert await page.get_by_role("button", name="Approve").count() == 0
    change = page.url.partition("?")[0]
    unchanged = await shop.ask()

    other = await _open(browser, bureau, bureau.actor(APPROVER))
    other.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    await other.goto(change)
    await other.get_by_role("heading", name="browser-shop").wait_for()
    impact = await other.locator("#impact").inner_text()
    await _look(other, "change")
    await other.get_by_role("button", name="Approve").click()
    await other.get_by_text("Approved.").wait_for()
    changed = await shop.ask()

    assert "gains" in impact
    assert "mask(1,0)" in impact
    assert refused.code == unchanged.code == "VALIDATION"
    assert changed.body["data"]["subjects"]["edges"] == [{"node": {"city": "深圳市", "realName": "张**"}}]
    assert problems == []
    await page.context.close()
    await other.context.close()


async def test_an_operator_halts_and_lifts_and_support_withdraws_without_a_script_and_a_mouse(
    browser: Browser, bureau: Bureau
) -> None:
    """policy 9.4, 4: plain forms, by keyboard; each button counts from the partner's next query on."""
    shop = await _a_shop(bureau, "to_halt", "halted-shop")
    await bureau.office.make(ChangeKind.SCOPE, a_scope("to_halt", CITY, REAL_NAME))
    assert (await shop.ask()).status == 200
    page = await _open(browser, bureau, bureau.actor(OPERATOR), size="phone", java_script_enabled=False)
    await page.goto(f"{bureau.url}/admin/halts")
    form = page.locator("form", has=page.locator("#halt-partner"))
    await form.get_by_label("Partner").select_option("halted-shop")
    await form.get_by_label("Reason").fill("they lost a laptop")
    await form.get_by_role("button", name="Stop a partner").press("Enter")
    assert "Stopped" in await page.get_by_role("status").inner_text()
    assert (await shop.ask()).code == "HALTED"
    card = page.get_by_role("region", name="halted-shop")
    await card.locator("summary").press("Enter")
    await card.get_by_label("Reason").fill("it was encrypted")
    await card.get_by_role("button", name="Lift").press("Enter")
    assert "lifted" in await page.get_by_role("status").inner_text()
    assert (await shop.ask()).status == 200
    await page.context.close()

    world = bureau.office.world
    subject = await world.owner.fetchval(
        "select subject_id::text from gateway.consent_event join gateway.partner using (partner_id) where name = 'halted-shop'"
    )
    helper = await _open(browser, bureau, bureau.actor(SUPPORT), java_script_enabled=False)
    await helper.goto(f"{bureau.url}/admin")
    await helper.get_by_label("Data subject's id").fill(subject)
    await helper.get_by_label("Reason").fill("called us")
    await helper.get_by_role("button", name="Look").press("Enter")
    await helper.locator("summary").press("Enter")
    await helper.locator("#withdraw-1").fill("asked for it")
    await helper.get_by_role("button", name="Withdraw this consent").press("Enter")
    await helper.get_by_role("status").wait_for()
    assert subject not in helper.url
    assert (await shop.ask()).body["data"]["subjects"]["edges"] == []
    await helper.context.close()


async def test_an_auditor_explores_and_exports(browser: Browser, bureau: Bureau) -> None:
    shop = await _a_shop(bureau, "to_audit", "audited-shop")
    await bureau.office.make(ChangeKind.SCOPE, a_scope("to_audit", CITY, REAL_NAME))
    disclosure_id = (await shop.ask()).disclosure_id
    page = await _open(browser, bureau, bureau.actor(AUDITOR))
    await page.goto(f"{bureau.url}/admin/disclosures")
    await page.get_by_label("Partner").select_option("audited-shop")
    await page.get_by_role("button", name="Filter").click()
    await page.locator("summary").first.click()
    assert disclosure_id in await page.locator("main").inner_text()
    assert "深圳市" not in await page.content()
    async with page.expect_download() as coming:
        await page.get_by_role("link", name="JSON").click()
    written = json.loads(Path(await (await coming.value).path()).read_text())
    assert [one["disclosure_id"] for one in written["disclosures"]] == [disclosure_id]
    await page.goto(f"{bureau.url}/admin/acts?act=disclosures.export")
    assert "export disclosures" in await page.locator("table").inner_text()
    await page.context.close()


async def test_a_passkey_is_added_after_signing_in_and_then_signs_in_alone(browser: Browser, bureau: Bureau) -> None:
    """WebAuthn with user verification counts as both factors."""
    person = await bureau.somebody(OPERATOR)
    page = await _open(browser, bureau, person.actor)
    cdp = await page.context.new_cdp_session(page)
    await cdp.send("WebAuthn.enable")
    await cdp.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    await page.goto(f"{bureau.url}/admin/own")
    await page.get_by_label("Name", exact=False).first.fill("blue key")
    await page.get_by_role("button", name=re.compile("[Pp]asskey")).click()
    await page.get_by_role("status").wait_for()
    assert await page.get_by_role("heading", name="blue key").count() == 1
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Sign in with a passkey").click()
    await page.wait_for_url(re.compile("/admin/overview"))
    rows = await bureau.office.world.owner.fetch(
        "select acr from gateway.staff_session where staff_id = $1 and ended_at is null", person.actor.staff_id
    )
    assert [row["acr"] for row in rows] == ["passkey"]
    await page.context.close()


async def _furnish(bureau: Bureau, name: str) -> dict[str, str]:
    """Something on every page; further pages by name."""
    office = bureau.office
    await office.make(ChangeKind.PARTNER, a_partner(office.world, name))
    await office.make(ChangeKind.SCOPE, a_scope(name, CITY, purpose=Purpose.SERVICE_DELIVERY))
    await office.make(ChangeKind.GRANT, a_grant(office.world, name, name))
    wider = await office.propose(ChangeKind.SCOPE, a_scope(name, CITY, REAL_NAME))
    return {
        "partner": f"/admin/partners/{name}",
        "operation": f"/admin/partners/{name}/operations",
        "scope": f"/admin/scopes/{name}",
        "change": f"/admin/changes/{wider}",
        "impact": f"/admin/changes/{wider}/impact",
        "missing": "/admin/scopes/nothing",
        "propose_scope": f"/admin/propose/scope?scope={name}",
        "propose_partner": f"/admin/propose/partner?partner={name}",
        "propose_client": f"/admin/propose/client?partner={name}",
        "propose_grant": f"/admin/propose/grant?partner={name}",
        "propose_rules": "/admin/propose/rules",
        "propose_end": f"/admin/propose/scope_end?scope={name}",
        "own": "/admin/own",
    }


@pytest.mark.parametrize(("language", "size"), [("zh-CN", "phone"), ("en", "desk")])
async def test_axe_finds_nothing_wrong_and_nothing_is_wider_than_the_screen(
    browser: Browser, bureau: Bureau, language: str, size: str
) -> None:
    """WCAG 2.2 AA, as far as a machine can tell, for every page of the console, light and dark."""
    left = {place.name: place.address for place in PLACES} | await _furnish(bureau, f"at-{language}-{size}".lower())
    of_all = left.keys() - {place.name for place in PLACES}
    for role in (STEWARD, APPROVER, AUDITOR, OPERATOR, SUPPORT):
        page = await _open(browser, bureau, bureau.actor(role), language=language, size=size)
        mine = {place.name for place in PLACES if role in PERMITTED[place.act]} | of_all
        for name in [name for name in left if name in mine and (name != "halts" or role is OPERATOR)]:
            await page.goto(bureau.url + left.pop(name))
            if name == "change":
                await page.locator("#impact h3").first.wait_for()
            await _look(page, f"{name}-{language}-{size}")
            await page.emulate_media(color_scheme="dark")
            await _look_at_colours(page, f"{name}-{language}-{size}-dark")
            await page.emulate_media(color_scheme="light")
        await page.context.close()
    assert left == {}
