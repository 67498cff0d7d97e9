"""Attacks of RFC 9700 and of the FAPI 2.0 attacker model that belong to no one endpoint; docs/fapi.md lists all of them."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from gateway.oauth.authorize import open_request, refuse
from tests.support.authorising import SCOPE, a_person, a_shop, a_verifier, authorised, parameters
from tests.support.oauth import World, a_key, a_worker


async def everything_stored(world: World) -> str:
    """Every row of every table of the gateway's, as text."""
    tables = await world.owner.fetch("select table_name from information_schema.tables where table_schema = 'gateway'")
    rows = [await world.owner.fetch(f'select t::text from gateway."{row["table_name"]}" t') for row in tables]
    return "\n".join(str(one[0]) for found in rows for one in found)


async def test_code_that_was_used_is_used_after_a_restart(world: World) -> None:
    """RFC 9700 4.5: what a worker would remember by itself, a restarted one would not."""
    shop = await a_shop(world)
    asked = await authorised(shop, await a_person(world.owner))
    body = await shop.redeem(asked)

    async with a_worker(world.database_url, world.settings) as restarted:
        again = await restarted.http.post("/oauth/token", data=asked.form(shop.party))
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
        stolen = await restarted.http.get("/oauth/userinfo", headers={"Authorization": f"Bearer {body['access_token']}"})
        assert stolen.status_code == 401


async def test_no_credential_stands_in_the_database(world: World) -> None:
    """FAPI 2.0 attacker A4 reads what he should not: whoever gets a copy of the database can open nothing with it."""
    shop = await a_shop(world)
    pushed = await shop.post("/oauth/par", {**shop.party.form(), **parameters(shop, a_verifier()[1]), "grant_type": ""})
    asked = await authorised(shop, await a_person(world.owner))
    unused = await authorised(shop, await a_person(world.owner))
    body = await shop.redeem(asked)

    stored = await everything_stored(world)

    assert str(shop.party.partner_id) in stored
    secrets = [asked.code, unused.code, asked.verifier, body["access_token"], body["id_token"], body["refresh_token"]]
    secrets.append(pushed.json()["request_uri"].rpartition(":")[2])
    for secret in secrets:
        assert len(secret) > 20
        assert secret not in stored
        assert secret.encode().hex() not in stored


@pytest.mark.parametrize("state", [None, "", "s", "x" * 2_000, "a b&c=d#e/ä?%00", '"><script>'])
async def test_answer_names_its_issuer_and_carries_the_state_as_it_came(world: World, state: str | None) -> None:
    """RFC 9207 2, RFC 9700 4.4 (mix-up): in a success and in a refusal; FAPI 2.0 5.3.2.2."""
    shop = await a_shop(world)
    wanted = {"iss": world.settings.issuer, **({"state": state} if state else {})}

    asked = await authorised(shop, await a_person(world.owner), state=state)
    query = urlencode(parameters(shop, a_verifier()[1], state=state))
    request = await open_request(world.owner, world.settings, query)
    refused = await refuse(world.owner, world.settings, request, "access_denied")

    assert asked.answer == {"code": asked.code, **wanted}
    answer = {name: values[0] for name, values in parse_qs(urlsplit(refused).query, strict_parsing=True).items()}
    assert answer == {"error": "access_denied", **wanted}


async def test_token_of_one_partner_opens_nothing_with_another_partners_key(world: World) -> None:
    """FAPI 2.0 5.3.4: stolen by another client, with a key and a registration of its own."""
    shop, thief = await a_shop(world, key=a_key()), await a_shop(world, key=a_key())
    asked = await authorised(shop, await a_person(world.owner), is_pushed=True)
    body = await shop.redeem(asked)

    refreshed = await thief.refresh(body["refresh_token"])
    introspected = await thief.post("/oauth/introspect", {**thief.party.form(), "grant_type": "", "token": body["access_token"]})
    revoked = await thief.post("/oauth/revoke", {**thief.party.form(), "grant_type": "", "token": body["refresh_token"]})

    assert refreshed.json()["error"] == "invalid_grant"
    assert introspected.json() == {"active": False}
    assert (revoked.status_code, revoked.json()["error"]) == (400, "invalid_grant")
    kept = await shop.refresh(body["refresh_token"])
    assert kept.status_code == 200, kept.text


async def test_scope_is_never_widened_by_any_door(world: World) -> None:
    """RFC 6749 6, RFC 9396 6.1, RFC 9700 2.3: not by the code, by refreshing, nor by details."""
    shop = await a_shop(world)
    asked = await authorised(shop, await a_person(world.owner), scope=SCOPE)

    more = await shop.post("/oauth/token", asked.form(shop.party, scope=f"openid {SCOPE}"))
    assert more.json()["error"] == "invalid_scope"
    body = await shop.redeem(await authorised(shop, await a_person(world.owner), scope=SCOPE))
    for changed in ({"scope": f"openid {SCOPE}"}, {"scope": "shop.other"}, {"authorization_details": _details("identity.email")}):
        answer = await shop.refresh(body["refresh_token"], **changed)
        assert answer.json()["error"] in {"invalid_scope", "invalid_authorization_details"}, changed


def _details(category: str) -> str:
    return json.dumps([{"type": "data_sharing", "purpose": "service_delivery", "categories": [category]}])


async def test_browser_is_never_told_to_send_its_form_on(world: World) -> None:
    """RFC 9700 4.12: 303 everywhere, since 307 would hand the password on; and no address of ours leaks in a Referer (4.2)."""
    shop = await a_shop(world)
    query = urlencode(parameters(shop, a_verifier()[1]))

    answers = [
        await world.http.get(f"/oauth/authorize?{query}"),
        await world.http.post("/oauth/authorize", data=dict(parameters(shop, a_verifier()[1]))),
        await world.http.get(f"/oauth/authorize?{urlencode(parameters(shop, 'short'))}"),
        await world.http.get("/me"),
        await world.http.get("/oauth/logout"),
    ]

    assert [answer.status_code for answer in answers] == [303] * 5
    page = await world.http.get(answers[0].headers["location"], follow_redirects=True)
    assert page.headers["referrer-policy"] == "same-origin"


async def test_no_script_of_another_site_reads_the_authorization_endpoint(world: World) -> None:
    """FAPI 2.0 5.2.3: it is for browsers that go there, and answers no cross-origin request."""
    shop = await a_shop(world)
    address, origin = f"/oauth/authorize?{urlencode(parameters(shop, a_verifier()[1]))}", {"Origin": "https://evil.example"}

    asked = await world.http.get(address, headers=origin)
    preflight = await world.http.options(address, headers={**origin, "Access-Control-Request-Method": "GET"})

    assert asked.status_code == 303
    assert not [name for answer in (asked, preflight) for name in answer.headers if name.startswith("access-control-")]


async def test_no_cache_keeps_an_answer_whatever_becomes_of_the_request(world: World) -> None:
    """RFC 9700 4.3, RFC 6749 5.1: a redirect carries a code, which nothing on the way may keep."""
    shop = await a_shop(world)
    good, bad = parameters(shop, a_verifier()[1]), parameters(shop, "short")

    answers = [
        await world.http.get(f"/oauth/authorize?{urlencode(good)}"),
        await world.http.get(f"/oauth/authorize?{urlencode(bad)}"),
        await world.http.get("/me"),
        await world.http.get("/oauth/token"),
        await world.http.get("/oauth/nothing"),
    ]

    assert [answer.status_code for answer in answers] == [303, 303, 303, 405, 404]
    assert [answer.headers.get_list("cache-control") for answer in answers] == [["no-store"]] * 5
    assert (await world.http.get("/oauth/jwks")).headers["cache-control"] == "public, max-age=300"
