"""A data subject who said no can let itself be asked again, and one who signs in somewhere can end that (policy 1.5, 6.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.authorising import Person, a_person
from tests.support.consent_pages import Browser, Pages, Screen, consent_pages
from tests.support.consenting import Asker, an_asker
from tests.support.database import Database


@pytest_asyncio.fixture(loop_scope="session")
async def pages(database: Database, tmp_path: Path) -> AsyncIterator[Pages]:
    async with consent_pages(database, tmp_path) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def asker(pages: Pages) -> Asker:
    return await an_asker(pages.owner, pages.settings)


@pytest_asyncio.fixture(loop_scope="session")
async def person(pages: Pages) -> Person:
    return await a_person(pages.owner)


async def pressed(browser: Browser, path: str, action: str, **changed: str) -> Screen:
    """The page that the form with this action leads to."""
    page = Screen(await browser.http.get(path))
    assert f'action="{action}"' in page.text, page.text
    form = page.text.split(f'action="{action}"', 1)[1].split("</form>", 1)[0]
    fields = dict(zip(_values(form, "name"), _values(form, "value"), strict=True))
    answer = Screen(await browser.http.post(action, data=fields | changed))
    return Screen(await browser.http.get(answer.location))


def _values(form: str, attribute: str) -> list[str]:
    inputs = [part.split(">", 1)[0] for part in form.split("<input ")[1:]]
    return [one.split(f'{attribute}="', 1)[1].split('"', 1)[0] for one in inputs]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_who_refused_can_let_the_partner_ask_again(pages: Pages, asker: Asker, person: Person, language: str) -> None:
    """The quiet period is the data subject's protection, and theirs to end: purpose by purpose."""
    async with pages.browser(person, language=language) as browser:
        await browser.decide(asker, "deny")
        assert (await browser.open(asker))[1].told["error"] == "access_denied"

        for _ in range(2):  # the purpose, and signing in
            page = await pressed(browser, "/me/privacy", "/me/privacy/ask-again")
            assert 'role="status"' in page.text

        assert "/me/privacy/ask-again" not in (await browser.http.get("/me/privacy")).text
        _, asked = await browser.open(asker)
        assert asked.status == 200
        denied = await browser.decide(asker, "deny")
        assert denied.told["error"] == "access_denied"
        assert (await browser.open(asker))[1].told["error"] == "access_denied"


async def test_letting_ask_again_about_one_thing_leaves_the_rest_quiet(pages: Pages, asker: Asker, person: Person) -> None:
    async with pages.browser(person) as browser:
        await browser.decide(asker, "deny")
        await pressed(browser, "/me/privacy", "/me/privacy/ask-again")

        left = (await browser.http.get("/me/privacy")).text.count("/me/privacy/ask-again")
        forged = Screen(await browser.http.post("/me/privacy/ask-again", data={"csrf": "x"}))

    assert left == 1
    assert forged.status == 403


async def test_signing_in_somewhere_can_be_ended_and_is_asked_about_again(pages: Pages, asker: Asker, person: Person) -> None:
    """policy 1.5: also where nothing but the sign-in was agreed to; its tokens end with it."""
    async with pages.browser(person) as browser:
        first = await browser.decide(asker, ticked=["sign_in"], scope="openid")
        assert "code" in first.told
        _, again = await browser.open(asker, scope="openid")
        assert "code" in again.told

        page = await pressed(browser, "/me/logins", "/me/logins/partner")
        _, asked = await browser.open(asker, scope="openid")

    assert 'role="status"' in page.text
    assert "/me/logins/partner" not in page.text
    assert asked.status == 200
    assert await pages.owner.fetchval("select bool_and(revoked_at is not null) from gateway.authorization_grant")
