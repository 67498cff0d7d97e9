"""Authorization codes (RFC 6749 4.1, RFC 7636, RFC 9700 2.1.1): one use, one client, one verifier, one minute."""

from __future__ import annotations

import asyncio
import hashlib
import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from gateway.oauth.authorization_request import AuthorizationError, RequestRefused
from gateway.oauth.authorize import AuthorizationRefused, open_request
from tests.support.authorising import (
    ALL,
    CITY,
    NAME,
    SCOPE,
    Asked,
    Person,
    Shop,
    a_person,
    a_shop,
    a_verifier,
    authorised,
    parameters,
)
from tests.support.oauth import World, a_key


async def refused(shop: Shop, asked: Asked, error: str = "invalid_grant", **changed: str) -> None:
    """A redemption that must fail with this error."""
    answer = await shop.post("/oauth/token", asked.form(shop.party, **changed))
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
    assert answer.headers["cache-control"] == "no-store"


async def claims_of(shop: Shop, text: str) -> dict[str, object]:
    """The claims of a token, verified under the published keys."""
    [key] = await shop.world.workers[0].keys.published()
    material = {name: str(value) for name, value in key.items()}
    return dict(jwt.decode(text, ECKey.import_key(dict(material)), algorithms=["ES256"]).claims)


async def test_a_code_becomes_tokens_bound_to_the_data_subject(world: World) -> None:
    """The ID token's subject is the sign-in's pseudonym; the access token says when the data subject signed in."""
    shop = await a_shop(world)
    person = await a_person(world.owner)
    asked = await authorised(shop, person, nonce="n-1")

    body = await shop.redeem(asked)

    assert asked.answer == {"code": asked.code, "state": "st-1", "iss": world.settings.issuer}
    assert (body["token_type"], body["scope"]) == ("Bearer", f"openid {SCOPE}")
    signed_in, access = await claims_of(shop, body["id_token"]), await claims_of(shop, body["access_token"])
    assert signed_in["sub"] == access["sub"] != str(person.subject_id)
    assert (signed_in["aud"], signed_in["nonce"], signed_in["acr"]) == (shop.party.client_id, "n-1", "urn:gateway:pwd")
    assert signed_in["auth_time"] == access["auth_time"] == int(person.authenticated_at.timestamp())
    [row] = await world.owner.fetch("select subject_id, grant_id from gateway.access_token")
    assert (row["subject_id"], str(row["grant_id"])) == (person.subject_id, body["grant_id"])
    stored = await world.owner.fetchval("select array_agg(token_sha256) from gateway.refresh_token")
    assert stored == [hashlib.sha256(body["refresh_token"].encode()).digest()]


async def test_every_sign_in_is_recorded(world: World) -> None:
    """policy 1.5: which partner the data subject signed in to, and when; not where it only shared data."""
    shop = await a_shop(world)
    person = await a_person(world.owner)

    await authorised(shop, person)
    await authorised(shop, person, scope=SCOPE)

    logins = await world.owner.fetch(
        "select partner_id, client_id from gateway.partner_login where subject_id = $1", person.subject_id
    )
    assert [tuple(row) for row in logins] == [(shop.party.partner_id, shop.party.client_id)]


async def test_of_ten_redemptions_at_once_one_gets_tokens(world: World) -> None:
    """RFC 6749 4.1.2: a code is used once, whichever worker is asked."""
    shop = await a_shop(world)
    asked = await authorised(shop, await a_person(world.owner))

    answers = await asyncio.gather(
        *(shop.post("/oauth/token", asked.form(shop.party), worker=number % 2) for number in range(10))
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}


async def test_a_replayed_code_ends_what_came_of_it(world: World) -> None:
    """RFC 6749 4.1.2, RFC 9700 4.5: tokens of a stolen and replayed code are worth nothing."""
    shop = await a_shop(world)
    asked = await authorised(shop, await a_person(world.owner))
    body = await shop.redeem(asked)

    await refused(shop, asked)

    [revoked] = await world.owner.fetch(
        """select (select bool_and(revoked_at is not null) from gateway.access_token) as access,
                  (select bool_and(revoked_at is not null) from gateway.refresh_token) as refresh"""
    )
    assert tuple(revoked) == (True, True)
    assert (await shop.refresh(body["refresh_token"])).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "x" * 43},
        {"code_verifier": "short"},
        {"redirect_uri": "https://shop.example/callback/"},
        {"redirect_uri": "https://evil.example/"},
    ],
)
async def test_a_wrong_attempt_uses_the_code_up(world: World, changed: dict[str, str]) -> None:
    """RFC 9700 4.8, 4.5.3: nobody may guess a verifier; the right one does not help afterwards."""
    shop = await a_shop(world)
    asked = await authorised(shop, await a_person(world.owner))

    await refused(shop, asked, **changed)
    await refused(shop, asked)
    assert await world.issued_count() == 0


async def test_a_code_of_another_client_is_refused_and_used_up(world: World) -> None:
    """RFC 9700 4.5: a code that was injected into another client's session."""
    shop, thief = await a_shop(world), await a_shop(world)
    asked = await authorised(shop, await a_person(world.owner))

    await refused(thief, asked)
    await refused(shop, asked)


async def test_a_code_lives_for_a_minute_by_the_databases_clock(world: World) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1: at most 60 seconds."""
    shop = await a_shop(world)
    asked = await authorised(shop, await a_person(world.owner))
    lives = await world.owner.fetchval(
        "select expires_at - clock_timestamp() from gateway.authorization_code where redeemed_at is null"
    )
    assert 50 < lives.total_seconds() <= 60

    await world.owner.execute("update gateway.authorization_code set expires_at = clock_timestamp()")

    await refused(shop, asked)


@pytest.mark.parametrize("missing", ["code", "code_verifier", "redirect_uri"])
async def test_a_parameter_that_is_missing_is_an_invalid_request(world: World, missing: str) -> None:
    """OAuth 2.1 4.1.3: and the code stays unused."""
    shop = await a_shop(world)
    asked = await authorised(shop, await a_person(world.owner))

    await refused(shop, asked, "invalid_request", **{missing: ""})
    await shop.redeem(asked)


async def test_a_bound_code_needs_the_key_that_it_was_asked_with(world: World) -> None:
    """RFC 9449 10: dpop_jkt by proof at the pushed request."""
    shop = await a_shop(world, key=a_key())
    asked = await authorised(shop, await a_person(world.owner), is_pushed=True)

    stolen = await shop.post("/oauth/token", asked.form(shop.party), key=a_key())

    assert stolen.json()["error"] == "invalid_grant"


async def test_a_dpop_client_gets_bound_tokens_and_no_others(world: World) -> None:
    """RFC 9449 5: token_type DPoP and cnf.jkt; without a proof nothing."""
    shop = await a_shop(world, key=a_key())
    assert shop.key is not None
    asked = await authorised(shop, await a_person(world.owner), is_pushed=True)
    unproved = await world.http.post("/oauth/token", data=asked.form(shop.party))
    assert unproved.json()["error"] == "invalid_dpop_proof"

    body = await shop.redeem(asked)

    assert body["token_type"] == "DPoP"
    assert (await claims_of(shop, body["access_token"]))["cnf"] == {"jkt": shop.key.thumbprint()}


async def test_details_name_what_was_agreed_and_no_more(world: World) -> None:
    """RFC 9396 7: the answer and the token carry the details as granted."""
    shop = await a_shop(world)
    wanted = [{"type": "data_sharing", "purpose": "service_delivery", "categories": [CITY, NAME], "retention": "P7D"}]
    asked = await authorised(shop, await a_person(world.owner), agreed=[CITY], authorization_details=json.dumps(wanted))

    body = await shop.redeem(asked)

    granted = [{"type": "data_sharing", "purpose": "service_delivery", "categories": [CITY], "retention": "P7D"}]
    assert body["authorization_details"] == granted
    assert (await claims_of(shop, body["access_token"]))["authorization_details"] == granted


async def test_the_token_endpoint_narrows_and_never_widens(world: World) -> None:
    """RFC 9396 6, RFC 6749 6: part of what was granted; more is refused and uses the code up."""
    shop = await a_shop(world)
    person = await a_person(world.owner)
    part = json.dumps([{"type": "data_sharing", "purpose": "service_delivery", "categories": [CITY]}])
    more = json.dumps([{"type": "data_sharing", "purpose": "service_delivery", "categories": [CITY, "content.photos"]}])

    narrowed = await shop.redeem(await authorised(shop, person, agreed=ALL), authorization_details=part)
    alone = await shop.redeem(await authorised(shop, person), scope="openid")

    assert narrowed["authorization_details"][0]["categories"] == [CITY]
    assert alone["scope"] == "openid"
    await refused(shop, await authorised(shop, person), "invalid_authorization_details", authorization_details=more)
    await refused(shop, await authorised(shop, person), "invalid_scope", scope="openid shop.other")


async def test_refusing_all_data_leaves_the_sign_in(world: World) -> None:
    """DESIGN, settled: with openid asked, refusing all data still offers sign-in alone."""
    shop = await a_shop(world)

    body = await shop.redeem(await authorised(shop, await a_person(world.owner), agreed=[]))

    assert body["scope"] == "openid"


async def opened(shop: Shop, **changed: str | None) -> str:
    """The error that goes back to the client."""
    _, challenge = a_verifier()
    with pytest.raises(AuthorizationRefused) as raised:
        await open_request(shop.world.owner, shop.world.settings, urlencode(parameters(shop, challenge, **changed)))
    answer = parse_qs(urlsplit(raised.value.redirect).query)
    assert raised.value.redirect.startswith("https://shop.example/callback?")
    assert answer["iss"] == [shop.world.settings.issuer]
    assert "state" in answer or changed.get("state", "") is None
    return answer["error"][0]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "shop.other"}, "invalid_scope"),
        ({"scope": 'quote"d'}, "invalid_scope"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"request_uri": "https://evil.example/request"}, "invalid_request_uri"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"resource": "https://other.example/"}, "invalid_target"),
        ({"authorization_details": "{}"}, "invalid_authorization_details"),
        ({"authorization_details": '[{"type": "other"}]'}, "invalid_authorization_details"),
        ({"state": "s" * 5000}, "invalid_request"),
    ],
)
async def test_a_faulty_request_goes_back_with_an_error(world: World, changed: dict[str, str | None], error: str) -> None:
    """RFC 6749 4.1.2.1, RFC 7636 4.4.1, OpenID Connect Core 3.1.2.6: PKCE with S256 is required, nothing is guessed."""
    assert await opened(await a_shop(world), **changed) == error


@pytest.mark.parametrize(
    "redirect_uri",
    [
        None,
        "https://evil.example/callback",
        "https://shop.example/callback?x=1",
        "https://shop.example/callback#f",
        "https://shop.example/callback/../callback",
        "https://shop.example:443/callback",
        "HTTPS://shop.example/callback",
        "https://shop.example@evil.example/callback",
    ],
)
async def test_an_unknown_redirect_address_is_never_redirected_to(world: World, redirect_uri: str | None) -> None:
    """RFC 9700 2.1, 4.1.3: compared as text; the browser stays here."""
    shop = await a_shop(world)
    _, challenge = a_verifier()

    with pytest.raises(RequestRefused):
        await open_request(world.owner, world.settings, urlencode(parameters(shop, challenge, redirect_uri=redirect_uri)))


async def test_a_parameter_twice_is_refused(world: World) -> None:
    """RFC 6749 3.1: two values would be two meanings."""
    shop = await a_shop(world)
    _, challenge = a_verifier()

    with pytest.raises(RequestRefused):
        await open_request(world.owner, world.settings, urlencode(parameters(shop, challenge)) + "&state=other")


async def test_what_goes_beyond_the_grant_is_not_asked_for(world: World) -> None:
    """policy 6.1, 6.2: a category that the partner's scope does not have does not reach the data subject."""
    shop = await a_shop(world)
    _, challenge = a_verifier()
    wanted = [{"type": "data_sharing", "purpose": "service_delivery", "categories": [CITY, "content.photos"]}]

    query = urlencode(parameters(shop, challenge, authorization_details=json.dumps(wanted)))
    request = await open_request(world.owner, world.settings, query)

    assert request.categories == (CITY,)


async def test_login_libraries_own_scopes_are_passed_over(world: World) -> None:
    """OpenID Connect Core 3.1.2.1: scopes that are not understood are ignored; a long state and a missing one are fine."""
    shop = await a_shop(world)
    _, challenge = a_verifier()

    for changed in ({"state": "s" * 1000}, {"state": None}):
        query = urlencode(parameters(shop, challenge, scope="openid profile email offline_access", **changed))
        request = await open_request(world.owner, world.settings, query)
        assert (request.scopes, request.is_openid, request.state) == ((), True, changed["state"])


async def test_a_grant_is_replaced_only_where_it_is_the_same_data_subjects(world: World) -> None:
    """Grant Management for OAuth 2.0, 4: grant_id with replace."""
    shop = await a_shop(world)
    person: Person = await a_person(world.owner)
    first = await shop.redeem(await authorised(shop, person))
    named = {"grant_id": first["grant_id"], "grant_management_action": "replace"}

    again = await shop.redeem(await authorised(shop, person, **named))

    assert again["grant_id"] == first["grant_id"]
    other = await a_person(world.owner)
    with pytest.raises(AuthorizationError) as raised:
        await authorised(shop, other, **named)
    assert raised.value.error == "invalid_grant_id"


async def test_a_refused_client_does_not_use_the_code_up(world: World) -> None:
    """Whoever cannot prove to be the client has no say about its codes."""
    shop = await a_shop(world)
    asked = await authorised(shop, await a_person(world.owner))
    form = {**asked.form(shop.party), "client_assertion": shop.party.assertion(key=a_key())}

    assert (await world.http.post("/oauth/token", data=form)).status_code == 401

    await shop.redeem(asked)
