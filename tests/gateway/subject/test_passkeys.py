"""Passkeys in a real Chromium with a virtual authenticator (WebAuthn level 3, CDP WebAuthn domain)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, CDPSession, Page

from tests.support.browser import a_browser
from tests.support.database import Database
from tests.support.visiting import PASSWORD, Account, House, a_house


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with a_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Under a name: browsers know no passkeys for a bare address."""
    async with a_house(database, tmp_path, host="localhost") as house:
        yield house


@asynccontextmanager
async def _tab(browser: Browser, *, script: bool = True) -> AsyncIterator[Page]:
    context = await browser.new_context(locale="en", java_script_enabled=script)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def _authenticator(page: Page, *, verifies: bool = True) -> tuple[CDPSession, str]:
    """A device that can keep passkeys and, unless it does not, knows its owner's finger."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": verifies,
        "automaticPresenceSimulation": True,
    }
    made = await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return devtools, str(made["authenticatorId"])


async def _sign_in(page: Page, house: House, account: Account) -> None:
    await page.goto(f"{house.url}/sign-in?next=/me/passkeys")
    await page.get_by_label("Login name").fill(account.login)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.wait_for_url(f"{house.url}/me/passkeys")


async def _add(page: Page, name: str) -> None:
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Add a passkey").click()
    await page.get_by_text("The passkey is added.").wait_for()


async def _sign_out(page: Page) -> None:
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_text("You are signed out.").wait_for()


async def _credentials(devtools: CDPSession, authenticator: str) -> list[dict[str, Any]]:
    found = await devtools.send("WebAuthn.getCredentials", {"authenticatorId": authenticator})
    credentials: list[dict[str, Any]] = found["credentials"]
    return credentials


async def test_a_passkey_is_added_signs_in_and_is_removed(browser: Browser, house: House) -> None:
    account = await house.an_account()
    async with _tab(browser) as page:
        devtools, authenticator = await _authenticator(page)
        await _sign_in(page, house, account)
        await _add(page, "my <phone>")
        assert await page.get_by_role("heading", name="my <phone>").count() == 1
        await _sign_out(page)

        await page.goto(f"{house.url}/sign-in?next=/me/privacy")
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await page.wait_for_url(f"{house.url}/me/privacy")

        signed_in = await house.row("select subject_id, acr from gateway.session where ended_at is null")
        assert signed_in == (account.subject_id, "passkey")
        stored = "select subject_id, label, sign_count > 0, last_used_at is not null from gateway.passkey"
        assert await house.row(stored) == (account.subject_id, "my <phone>", True, True)
        assert await house.owner.fetchval("select count(*) from gateway.ceremony") == 0

        await page.goto(f"{house.url}/me/passkeys")
        await page.get_by_role("button", name="Remove my <phone>").click()
        await page.get_by_text("The passkey is removed").wait_for()
        await _sign_out(page)
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await page.get_by_role("alert").filter(visible=True).wait_for()
        assert len(await _credentials(devtools, authenticator)) == 1  # the device still has it, we do not
        assert await house.owner.fetchval("select count(*) from gateway.session where ended_at is null") == 0


async def test_an_authenticator_that_does_not_know_its_owner_is_not_enough(browser: Browser, house: House) -> None:
    """A passkey signs in alone: somebody who found the phone must not be able to."""
    account = await house.an_account()
    async with _tab(browser) as page:
        devtools, authenticator = await _authenticator(page)
        await _sign_in(page, house, account)
        await _add(page, "phone")
        await _sign_out(page)
        await devtools.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await page.locator("[data-failed]").filter(visible=True).wait_for()
        assert await house.owner.fetchval("select count(*) from gateway.session where ended_at is null") == 0


async def test_a_copied_authenticator_is_noticed(browser: Browser, house: House) -> None:
    """WebAuthn 6.1.1: a counter that goes back."""
    account = await house.an_account()
    async with _tab(browser) as page:
        await _authenticator(page)
        await _sign_in(page, house, account)
        await _add(page, "phone")
        await _sign_out(page)
        await house.owner.execute("update gateway.passkey set sign_count = 1000")
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await page.get_by_text("The passkey did not work").filter(visible=True).wait_for()
        assert await house.owner.fetchval("select count(*) from gateway.session where ended_at is null") == 0


async def test_an_answer_counts_once(browser: Browser, house: House) -> None:
    """A recorded answer, sent again, also with the cookie of its ceremony."""
    account = await house.an_account()
    async with _tab(browser) as page:
        await _authenticator(page)
        await _sign_in(page, house, account)
        await _add(page, "phone")
        await _sign_out(page)
        sent: list[tuple[str, str]] = []

        def note(request: Any) -> None:
            if request.method == "POST" and request.url.endswith("/sign-in/passkey"):
                sent.append((request.post_data, request.url))

        page.on("request", note)
        await page.goto(f"{house.url}/sign-in")
        cookies_before = await page.context.cookies()
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await page.wait_for_url(f"{house.url}/me")
        assert len(sent) == 1
        form = next(cookie for cookie in cookies_before if cookie["name"] == "form")
        async with house.a_visitor(Cookie=f"form={form['value']}") as thief:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = await thief.http.post("/sign-in/passkey", content=sent[0][0], headers=headers)
            assert answer.status_code == 422
            assert "session" not in thief.http.cookies
        assert await house.owner.fetchval("select count(*) from gateway.session where ended_at is null") == 1


async def test_without_a_script_the_password_works_and_passkeys_are_not_offered(browser: Browser, house: House) -> None:
    account = await house.an_account()
    async with _tab(browser, script=False) as page:
        await _sign_in(page, house, account)
        assert await page.get_by_role("button", name="Add a passkey").count() == 0
        assert await page.get_by_text("lets JavaScript run").count() == 1
        await _sign_out(page)
        assert await page.get_by_role("button", name="Sign in with a passkey").count() == 0


async def test_adding_one_needs_a_recent_sign_in_and_ones_own_form(house: House) -> None:
    account = await house.an_account()
    async with house.a_visitor() as visitor:
        await visitor.sign_in(account.login)
        csrf = await visitor.token("/me/passkeys")
        assert (await visitor.http.post("/me/passkeys/options", data={"csrf": "x"})).status_code == 403
        assert (await visitor.http.post("/me/passkeys/options", data={"csrf": csrf})).status_code == 200
        await house.owner.execute("update gateway.session set authenticated_at = now() - interval '11 minutes'")
        assert (await visitor.http.post("/me/passkeys/options", data={"csrf": csrf})).status_code == 403
        assert "/sign-in?step_up=1&amp;next=/me/passkeys" in (await visitor.http.get("/me/passkeys")).text


@pytest.mark.parametrize(
    "credential", ["", "{}", "[]", "null", '{"id": 1}', "\x00", "x" * 9000, '{"id":"€","rawId":"€","response":{}}']
)
async def test_what_is_no_answer_of_an_authenticator_is_refused(house: House, credential: str) -> None:
    account = await house.an_account()
    async with house.a_visitor() as visitor:
        token = await visitor.token()
        assert (await visitor.http.post("/sign-in/passkey/options", data={"csrf": token})).status_code == 200
        answer = await visitor.http.post("/sign-in/passkey", data={"csrf": token, "credential": credential})
        assert answer.status_code in (403, 422)
        await visitor.sign_in(account.login)
        csrf = await visitor.token("/me/passkeys")
        await visitor.http.post("/me/passkeys/options", data={"csrf": csrf})
        answer = await visitor.http.post("/me/passkeys", data={"csrf": csrf, "credential": credential, "label": "x"})
        assert (answer.status_code, answer.headers.get("location", "")[-7:]) in ((303, "refused"), (400, ""))
        assert await house.owner.fetchval("select count(*) from gateway.passkey") == 0


async def test_nobody_removes_somebody_elses(house: House) -> None:
    owner, stranger = await house.an_account(), await house.an_account()
    await house.owner.execute(
        "insert into gateway.passkey (credential_id, subject_id, public_key, sign_count, label) values ($1, $2, '', 0, 'a')",
        b"\1\2",
        owner.subject_id,
    )
    async with house.a_visitor() as visitor:
        await visitor.sign_in(stranger.login)
        csrf = await visitor.token("/me/passkeys")
        for name in ("AQI", "€", ""):
            answer = await visitor.http.post("/me/passkeys/remove", data={"csrf": csrf, "passkey": name})
            assert answer.headers["location"].endswith("gone")
        assert await house.owner.fetchval("select count(*) from gateway.passkey") == 1
