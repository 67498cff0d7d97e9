"""Pushed authorization requests (RFC 9126)."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from gateway.oauth.authorization_request import RequestRefused
from gateway.oauth.authorize import AuthorizationRefused, Used, bind, grant, open_request, refuse
from tests.support.authorising import Shop, a_person, a_shop, a_verifier, authorised, credentials, parameters
from tests.support.oauth import World, a_key


async def pushed(shop: Shop, **changed: str | None) -> str:
    """The query with which the browser comes."""
    _, challenge = a_verifier()
    answer = await shop.post("/oauth/par", {**credentials(shop.party), **parameters(shop, challenge, **changed)})
    assert (answer.status_code, answer.json()["expires_in"]) == (201, 90), answer.text
    assert answer.headers["cache-control"] == "no-store"
    return urlencode({"client_id": shop.party.client_id, "request_uri": answer.json()["request_uri"]})


async def test_a_pushed_request_can_be_opened_again_and_decided_once(world: World) -> None:
    """Opening it again before the sign-in is fine, using it twice is not."""
    shop, person = await a_shop(world), await a_person(world.owner)
    query = await pushed(shop)
    request = await open_request(world.owner, world.settings, query)
    assert (await open_request(world.owner, world.settings, query)).request_id == request.request_id

    rest = {"categories": [], "signs_in": True, "consent_id": None, "ends_at": None}
    await grant(world.owner, world.settings, request, person, **rest)  # type: ignore[arg-type]

    with pytest.raises(Used):
        await grant(world.owner, world.settings, request, person, **rest)  # type: ignore[arg-type]
    with pytest.raises(Used):
        await refuse(world.owner, world.settings, request, "access_denied")
    with pytest.raises(RequestRefused):
        await open_request(world.owner, world.settings, query)


async def test_only_the_session_that_was_asked_last_may_answer(world: World) -> None:
    """RFC 9700 4.7: a form submitted by another session grants nothing."""
    shop, person, other = await a_shop(world), await a_person(world.owner), await a_person(world.owner)
    request = await open_request(world.owner, world.settings, await pushed(shop))
    assert await bind(world.owner, request.request_id, person.session_id, bytes(32))

    with pytest.raises(Used):
        await grant(world.owner, world.settings, request, other, categories=[], signs_in=True, consent_id=None, ends_at=None)


async def test_a_pushed_request_opens_for_ninety_seconds(world: World) -> None:
    """FAPI 2.0 Security Profile 5.3.2.2: less than 600; by the database's clock."""
    shop = await a_shop(world)
    query = await pushed(shop)

    await world.owner.execute("update gateway.authorization_request set opens_until = clock_timestamp()")

    with pytest.raises(RequestRefused):
        await open_request(world.owner, world.settings, query)


async def test_a_pushed_request_is_opened_under_its_own_client_only(world: World) -> None:
    """RFC 9126 4: the request_uri is bound to the client that pushed."""
    shop, other = await a_shop(world), await a_shop(world)
    query = (await pushed(shop)).replace(shop.party.client_id, other.party.client_id)

    with pytest.raises(RequestRefused):
        await open_request(world.owner, world.settings, query)


async def test_a_client_that_must_push_is_refused_without(world: World) -> None:
    """RFC 9126 6, FAPI 2.0 5.3.2.2."""
    shop = await a_shop(world, require_pushed_authorization_requests=True)
    _, challenge = a_verifier()

    with pytest.raises(AuthorizationRefused) as raised:
        await open_request(world.owner, world.settings, urlencode(parameters(shop, challenge)))

    assert "error=invalid_request" in raised.value.redirect
    await authorised(shop, await a_person(world.owner), is_pushed=True)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"client_id": "somebody-else"}, "invalid_client"),
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "shop.other"}, "invalid_scope"),
        ({"state": "a\0b"}, "invalid_request"),
    ],
)
async def test_a_faulty_push_is_refused_at_once(world: World, changed: dict[str, str], error: str) -> None:
    """RFC 9126 2.3: before any browser is involved."""
    shop = await a_shop(world)
    _, challenge = a_verifier()

    answer = await shop.post("/oauth/par", {**credentials(shop.party), **parameters(shop, challenge, **changed)})

    assert answer.json()["error"] == error
    assert answer.status_code in (400, 401)
    assert await world.owner.fetchval("select count(*) from gateway.authorization_request") == 0


async def test_a_push_needs_the_clients_credentials(world: World) -> None:
    """RFC 9126 2: as at the token endpoint."""
    shop = await a_shop(world)
    _, challenge = a_verifier()
    form = {**credentials(shop.party), **parameters(shop, challenge)}

    answer = await world.http.post("/oauth/par", data={**form, "client_assertion": shop.party.assertion(key=a_key())})

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_the_reference_is_stored_as_its_hash_only(world: World) -> None:
    """Codes, tokens, references are stored as hashes."""
    shop = await a_shop(world)
    query = await pushed(shop)
    reference = query.rpartition("%3A")[2]

    [row] = await world.owner.fetch("select row_to_json(r)::text as text from gateway.authorization_request r")

    assert reference not in row["text"]


async def test_dpop_jkt_must_be_the_proofs_key(world: World) -> None:
    """RFC 9449 10.1."""
    shop = await a_shop(world, key=a_key())
    _, challenge = a_verifier()
    form = {**credentials(shop.party), **parameters(shop, challenge, dpop_jkt=a_key().thumbprint())}

    assert (await shop.post("/oauth/par", form)).json()["error"] == "invalid_request"
