"""Ending a session on a client's word: only on proof or on the data subject's own, and never away to a stranger's address."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio

from gateway.oauth import jose
from gateway.oauth.keys import KeyStore
from scopes import Purpose, pseudonym
from tests.support.database import Database
from tests.support.oauth import Party, a_client, a_key
from tests.support.visiting import House, Visitor, a_house

BACK = "https://shop.example/bye"
PATH = "/oauth/logout"


@dataclass
class Scene:
    """A signed-in browser, and a client at which its data subject signed in."""

    house: House
    visitor: Visitor
    party: Party
    keys: KeyStore
    subject_id: UUID

    async def hint(self, *, typ: str = "JWT", subject_id: UUID | None = None, **changed: object) -> str:
        """An ID token of ours, as it was given to the client, but for what is changed."""
        settings = self.house.settings
        known_as = pseudonym(settings.key("pseudonym"), self.party.partner_id, Purpose.LOGIN.value, subject_id or self.subject_id)
        claims: dict[str, object] = {
            "iss": settings.issuer,
            "aud": self.party.client_id,
            "sub": str(known_as),
            "exp": 1_700_000_000,
        }
        kid = await self.house.owner.fetchval("select kid from gateway.signing_key")
        key = await self.keys.signer(self.house.owner, kid)
        return jose.sign(claims | changed, key.private, kid=kid, algorithm=key.algorithm, typ=typ)

    async def ask(self, **query: str) -> httpx2.Response:
        return await self.visitor.http.get(PATH, params=query)

    async def is_signed_in(self) -> bool:
        return (await self.visitor.http.get("/me")).status_code == 200


@pytest_asyncio.fixture(loop_scope="session")
async def scene(database: Database, tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_house(database, tmp_path) as house:
        keys = KeyStore(house.settings)
        await keys.ensure(house.owner)
        party = await a_client(
            house.owner,
            house.settings,
            redirect_uris=["https://shop.example/callback"],
            post_logout_redirect_uris=[BACK, f"{BACK}?from=gateway"],
        )
        account = await house.an_account()
        async with house.a_visitor() as visitor:
            await visitor.sign_in(account.login)
            yield Scene(house, visitor, party, keys, account.subject_id)


async def test_client_that_shows_who_signed_in_ends_the_session_at_once(scene: Scene) -> None:
    """RP-Initiated Logout 1.0, 2 and 3: an ID token that has expired will do, and `state` comes back."""
    answer = await scene.ask(id_token_hint=await scene.hint(), post_logout_redirect_uri=BACK, state="a b&c")

    assert answer.status_code == 303
    assert answer.headers["location"] == f"{BACK}?{urlencode({'state': 'a b&c'})}"
    assert not await scene.is_signed_in()
    assert await scene.house.owner.fetchval("select ended_at is not null from gateway.session")


async def test_address_with_a_query_keeps_it(scene: Scene) -> None:
    answer = await scene.ask(id_token_hint=await scene.hint(), post_logout_redirect_uri=f"{BACK}?from=gateway", state="s")

    assert parse_qs(urlsplit(answer.headers["location"]).query) == {"from": ["gateway"], "state": ["s"]}


async def test_without_proof_the_data_subject_is_asked(scene: Scene) -> None:
    """RP-Initiated Logout 1.0, 2, 6: a link on any page must not sign anybody out."""
    asked = await scene.ask(client_id=scene.party.client_id, post_logout_redirect_uri=BACK, state="s")
    assert asked.status_code == 200
    assert await scene.is_signed_in()
    assert "form-action 'self' https://shop.example" in asked.headers["content-security-policy"]

    answer = await scene.visitor.http.post(f"{PATH}/confirm", data=fields_of(asked.text))

    assert (answer.status_code, answer.headers["location"]) == (303, f"{BACK}?state=s")
    assert not await scene.is_signed_in()


async def test_form_of_another_site_ends_nothing(scene: Scene) -> None:
    """CSRF on signing out: no token, somebody else's token, another origin."""
    asked = await scene.ask()
    good = fields_of(asked.text)
    attempts = [
        ({}, {}),
        ({"csrf": "x" * 43}, {}),
        (good, {"Sec-Fetch-Site": "cross-site"}),
        (good, {"Origin": "https://evil.example"}),
    ]
    for fields, headers in attempts:
        assert (await scene.visitor.http.post(f"{PATH}/confirm", data=fields, headers=headers)).status_code == 403
    assert await scene.is_signed_in()


async def test_hint_that_proves_nothing_ends_nothing(scene: Scene) -> None:
    """An access token, another issuer's or client's, a stranger's key, somebody else's sign-in, no token at all."""
    forged = jose.sign({"iss": scene.house.settings.issuer}, a_key(), kid="x", algorithm="ES256", typ="JWT")
    other = await scene.house.an_account("other")
    hints = {
        "access token": await scene.hint(typ="at+jwt"),
        "another issuer": await scene.hint(iss="https://evil.example"),
        "several audiences": await scene.hint(aud=[scene.party.client_id]),
        "an unknown client": await scene.hint(aud="nobody"),
        "a stranger's key": forged,
        "somebody else": await scene.hint(subject_id=other.subject_id),
        "no token": "x.y.z",
        "too long": "x" * 5_000,
    }
    for what, hint in hints.items():
        answer = await scene.ask(id_token_hint=hint, post_logout_redirect_uri=BACK)
        assert answer.status_code == 200, what
        assert await scene.is_signed_in(), what


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        f"{BACK}/",
        f"{BACK}?x=1",
        "https://shop.example/callback",
        "https://shop.example:443/bye",
        "https://user@shop.example/bye",
        "//evil.example",
        "javascript:alert(1)",
        "/me",
    ],
)
async def test_unregistered_address_leads_nowhere(scene: Scene, address: str) -> None:
    """RP-Initiated Logout 1.0, 3: compared as text; the session ends, and the browser stays here."""
    answer = await scene.ask(id_token_hint=await scene.hint(), post_logout_redirect_uri=address)

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?out=1")


async def test_client_that_is_not_the_hints_leads_nowhere(scene: Scene) -> None:
    there = "https://other.example/"
    other = await a_client(scene.house.owner, scene.house.settings, post_logout_redirect_uris=[there])

    answer = await scene.ask(id_token_hint=await scene.hint(), client_id=other.client_id, post_logout_redirect_uri=there)

    assert answer.status_code == 200
    assert "other.example" not in answer.headers["content-security-policy"]
    assert fields_of(answer.text).keys() == {"csrf"}
    assert await scene.is_signed_in()


async def test_suspended_client_leads_nowhere(scene: Scene) -> None:
    await scene.house.owner.execute("update gateway.client set status = 'suspended'")

    answer = await scene.ask(client_id=scene.party.client_id, post_logout_redirect_uri=BACK)

    assert answer.status_code == 200
    assert fields_of(answer.text).keys() == {"csrf"}


async def test_post_is_asked_again_by_a_link_that_brings_the_cookie(scene: Scene) -> None:
    """RP-Initiated Logout 1.0, 2: both methods. A form of another site comes without our cookie (SameSite=Lax)."""
    hint = await scene.hint()
    answer = await scene.visitor.http.post(PATH, data={"id_token_hint": hint, "state": "s", "unknown": "x"})

    assert answer.status_code == 303
    assert answer.headers["location"] == f"{PATH}?{urlencode({'id_token_hint': hint, 'state': 's'})}"
    assert (await scene.visitor.http.get(answer.headers["location"])).status_code == 303
    assert not await scene.is_signed_in()


async def test_who_is_not_signed_in_is_only_led_on(scene: Scene) -> None:
    async with scene.house.a_visitor() as stranger:
        query = {"client_id": scene.party.client_id, "post_logout_redirect_uri": BACK}
        assert (await stranger.http.get(PATH, params=query)).headers["location"] == BACK
        assert (await stranger.http.get(PATH)).headers["location"] == "/sign-in?out=1"
    assert await scene.is_signed_in()


def fields_of(page: str) -> dict[str, str]:
    """The hidden fields of the page's own form, the last on it."""
    form = page[page.rindex("<form") :]
    return {name: html.unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)}
