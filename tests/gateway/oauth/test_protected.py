"""What tokens open at the authorization server itself: userinfo, introspection, grants (OpenID Connect Core 5.3, RFC 7662, Grant
Management for OAuth 2.0), and what revoking them ends (RFC 7009)."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from tests.support.authorising import SCOPE, Shop, a_person, a_shop, authorised, credentials
from tests.support.oauth import World, a_key
from tests.support.proofs import a_proof


async def asked(shop: Shop, path: str, token: str, *, method: str = "GET", scheme: str = "Bearer") -> httpx2.Response:
    """A request with this token; with a proof by the shop's key, and the nonce that is asked for."""
    http, url = shop.world.http, shop.world.settings.base_url + path
    headers = {"Authorization": f"{scheme} {token}"}
    if shop.key is None:
        return await http.request(method, path, headers=headers)
    answer = await http.request(
        method, path, headers={**headers, "DPoP": a_proof(shop.key, method=method, url=url, access_token=token)}
    )
    nonce = answer.headers.get("dpop-nonce")
    proof = a_proof(shop.key, method=method, url=url, access_token=token, nonce=nonce)
    return await http.request(method, path, headers={**headers, "DPoP": proof})


async def introspected(shop: Shop, token: str, **more: str) -> dict[str, Any]:
    """What introspection says to this shop."""
    answer = await shop.post("/oauth/introspect", {**credentials(shop.party), "token": token, **more})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store"), answer.text
    body: dict[str, Any] = answer.json()
    return body


async def managing(shop: Shop) -> str:
    """A token of the client's own that may look at its grants and give them back."""
    form = {"grant_type": "client_credentials", "scope": "grant_management_query grant_management_revoke"}
    answer = await shop.post("/oauth/token", {**credentials(shop.party), **form})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


@pytest.mark.parametrize("is_bound", [False, True])
async def test_userinfo_names_the_subject_of_the_id_token_and_nothing_else(world: World, is_bound: bool) -> None:
    """OpenID Connect Core 5.3.2: `sub` is the same; data goes through the gate only."""
    shop = await a_shop(world, key=a_key() if is_bound else None)
    body = await shop.redeem(await authorised(shop, await a_person(world.owner)))
    introspection = await introspected(shop, body["access_token"])

    answer = await asked(shop, "/oauth/userinfo", body["access_token"], scheme="DPoP" if is_bound else "Bearer")

    assert (answer.status_code, answer.json()) == (200, {"sub": introspection["sub"]})
    assert answer.headers["cache-control"] == "no-store"


async def test_userinfo_needs_openid_and_a_token_that_stands(world: World) -> None:
    """RFC 6750 3.1: 403 for the wrong scope, 401 for no token, a stranger's and a revoked one."""
    shop = await a_shop(world)
    person = await a_person(world.owner)
    data = await shop.redeem(await authorised(shop, person, scope=SCOPE))
    signed_in = await shop.redeem(await authorised(shop, person))

    refused = await asked(shop, "/oauth/userinfo", data["access_token"])
    assert (refused.status_code, refused.json()) == (403, {"error": "insufficient_scope"})
    assert (await world.http.get("/oauth/userinfo")).status_code == 401
    assert (await asked(shop, "/oauth/userinfo", "x.y.z")).status_code == 401
    assert 'error="invalid_token"' in (await asked(shop, "/oauth/userinfo", "x.y.z")).headers["www-authenticate"]

    await shop.post("/oauth/revoke", {**credentials(shop.party), "token": signed_in["access_token"]})

    assert (await asked(shop, "/oauth/userinfo", signed_in["access_token"])).status_code == 401


async def test_a_bound_token_is_worth_nothing_without_its_key(world: World) -> None:
    """RFC 9449 7: neither as a bearer token nor with another key's proof."""
    shop = await a_shop(world, key=a_key())
    body = await shop.redeem(await authorised(shop, await a_person(world.owner)))

    as_bearer = await asked(shop, "/oauth/userinfo", body["access_token"])
    shop.key = a_key()
    by_thief = await asked(shop, "/oauth/userinfo", body["access_token"], scheme="DPoP")

    assert (as_bearer.status_code, by_thief.status_code) == (401, 401)
    assert by_thief.headers["www-authenticate"].startswith('DPoP error="invalid_token", algs="ES256 PS256 Ed25519"')


async def test_while_a_partner_is_halted_nothing_is_told_of_who_signed_in(world: World) -> None:
    """policy 9.4."""
    shop = await a_shop(world)
    body = await shop.redeem(await authorised(shop, await a_person(world.owner)))
    await world.owner.execute(
        "insert into gateway.halt (halt_id, target, partner_id, reason) values (gen_random_uuid(), 'partner', $1, 'incident')",
        shop.party.partner_id,
    )

    assert (await asked(shop, "/oauth/userinfo", body["access_token"])).status_code == 403


async def test_a_client_may_introspect_its_own_tokens_and_a_resource_server_all(world: World) -> None:
    """RFC 7662 2.1, 4: to everybody else a token is as good as none."""
    shop, stranger, resource = [await a_shop(world) for _ in range(3)]
    await world.owner.execute(
        "update gateway.client set is_resource_server = true where client_id = $1", resource.party.client_id
    )
    body = await shop.redeem(await authorised(shop, await a_person(world.owner)))

    for token in (body["access_token"], body["refresh_token"]):
        assert (await introspected(shop, token))["active"] is True
        assert (await introspected(resource, token))["scope"] == f"openid {SCOPE}"
        assert await introspected(stranger, token) == {"active": False}
    assert await introspected(shop, "nonsense") == {"active": False}
    assert (await introspected(shop, body["access_token"], token_type_hint="refresh_token"))["token_type"] == "Bearer"


async def test_a_revoked_refresh_token_ends_its_access_tokens(world: World) -> None:
    """RFC 7009 2.1: and both are inactive from then on."""
    shop = await a_shop(world)
    body = await shop.redeem(await authorised(shop, await a_person(world.owner)))

    revoked = await shop.post("/oauth/revoke", {**credentials(shop.party), "token": body["refresh_token"]})

    assert revoked.status_code == 200
    assert await introspected(shop, body["access_token"]) == {"active": False}
    assert await introspected(shop, body["refresh_token"]) == {"active": False}
    assert (await shop.refresh(body["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_client_looks_at_its_grant_and_gives_it_back(world: World) -> None:
    """Grant Management 7, 8: giving back withdraws the consent and ends the tokens, in one transaction."""
    shop = await a_shop(world)
    person = await a_person(world.owner)
    body = await shop.redeem(await authorised(shop, person))
    path, token = f"/oauth/grants/{body['grant_id']}", await managing(shop)

    found = (await asked(shop, path, token)).json()
    gone = await asked(shop, path, token, method="DELETE")

    assert found["scopes"][0]["scope"].split() == [SCOPE, "openid"]
    assert found["authorization_details"][0]["categories"] == ["identity.national_id", "identity.real_name", "profile.city"]
    assert gone.status_code == 204
    assert (await asked(shop, path, token)).status_code == 404
    assert await introspected(shop, body["access_token"]) == {"active": False}
    kinds = await world.owner.fetch(
        "select kind from gateway.consent_event where subject_id = $1 order by event_id", person.subject_id
    )
    assert [row["kind"] for row in kinds] == ["given", "withdrawn"]


async def test_a_narrowed_grant_shows_no_more_than_it_was_narrowed_to(world: World) -> None:
    """Grant Management 7.1: what this grant holds, not all that the same data subject agreed to in another."""
    shop, person = await a_shop(world), await a_person(world.owner)
    wanted = [{"type": "data_sharing", "purpose": "service_delivery", "categories": ["profile.city"], "retention": "P7D"}]
    narrow = await shop.redeem(await authorised(shop, person, authorization_details=json.dumps(wanted)))
    await shop.redeem(await authorised(shop, person))

    found = (await asked(shop, f"/oauth/grants/{narrow['grant_id']}", await managing(shop))).json()

    assert found["authorization_details"] == wanted


async def test_a_grant_of_another_client_does_not_exist(world: World) -> None:
    """Grant Management 6: and without the scope nothing is told."""
    shop, other = await a_shop(world), await a_shop(world)
    body = await shop.redeem(await authorised(shop, await a_person(world.owner)))
    path = f"/oauth/grants/{body['grant_id']}"

    assert (await asked(other, path, await managing(other))).status_code == 404
    assert (await asked(other, path, await managing(other), method="DELETE")).status_code == 404
    assert (await asked(shop, path, body["access_token"])).status_code == 403
    assert (await asked(shop, "/oauth/grants/not-an-id", await managing(shop))).status_code == 404
