"""The token endpoint: who gets which token (RFC 6749 4.4, RFC 9068, RFC 8707)."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import KeySet

from gateway.oauth.access_token import issue
from tests.support.authorising import CITY, SCOPE, Shop, a_shop, credentials
from tests.support.oauth import Party, World, a_client, a_partner


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "Ed25519"])
async def test_client_that_signs_with_a_pinned_algorithm_gets_a_token(world: World, algorithm: str) -> None:
    """FAPI 2.0 Security Profile 5.4: ES256, PS256 and Ed25519; the token verifies against the published keys."""
    party = await a_client(world.owner, world.settings, algorithm=algorithm)

    body = await world.token(party)

    published = KeySet.import_key_set((await world.http.get("/oauth/jwks")).json())
    token = jwt.decode(body["access_token"], published, algorithms=["ES256"])
    row = await world.owner.fetchrow("select * from gateway.access_token")
    assert row is not None
    assert token.header["typ"] == "at+jwt"
    assert token.claims == {
        "iss": "http://localhost:8080",
        "sub": party.client_id,
        "aud": "http://localhost:8080/graphql",
        "client_id": party.client_id,
        "scope": "ads.reach ads.results",
        "jti": str(row["token_id"]),
        "iat": int(row["issued_at"].timestamp()),
        "exp": int(row["expires_at"].timestamp()),
    }
    assert (row["client_id"], row["subject_id"], row["scopes"]) == (party.client_id, None, ["ads.reach", "ads.results"])
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 600, "ads.reach ads.results")
    assert row["expires_at"].timestamp() - row["issued_at"].timestamp() == 600


async def test_authlibs_own_client_gets_a_token_and_revokes_it(world: World) -> None:
    """A client that others wrote; it sends form, assertion and hint as it likes to."""
    party = await a_client(world.owner, world.settings)

    client = AsyncOAuth2Client(
        party.client_id,
        party.key,
        scope="ads.reach",
        token_endpoint_auth_method="private_key_jwt",
        revocation_endpoint_auth_method="private_key_jwt",
        base_url=world.workers[0].url,
        trust_env=False,
    )

    def sign_anew() -> None:
        claims = {"exp": int(time.time()) + 60}  # an hour otherwise, and one `jti` for all that one signer signs
        client.register_client_auth_method(PrivateKeyJWT(world.settings.issuer, alg="ES256", claims=claims))

    async with client:
        sign_anew()
        token = await client.fetch_token("/oauth/token", grant_type="client_credentials")
        sign_anew()
        answer = await client.revoke_token("/oauth/revoke", token["access_token"], "access_token")

    assert answer.status_code == 200
    assert (token["token_type"], token["scope"]) == ("Bearer", "ads.reach")
    assert await world.owner.fetchval("select revoked_at is not null from gateway.access_token")


async def test_scope_of_a_request_narrows_the_token(world: World) -> None:
    """RFC 6749 3.3: what was asked for, told in token, row and answer alike."""
    party = await a_client(world.owner, world.settings)

    body = await world.token(party, scope="ads.results")

    assert body["scope"] == "ads.results"
    assert await world.owner.fetchval("select scopes from gateway.access_token") == ["ads.results"]


@pytest.mark.parametrize("scope", ["unknown", "ads.reach unknown", 'ads.reach "', "ads.reach\x7f", "ads.old", "é"])
async def test_scope_beyond_the_live_grants_is_invalid_scope(world: World, scope: str) -> None:
    """policy 6.1: a token never names what no live grant gives; one scope too many fails the whole request."""
    partner_id = await a_partner(world.owner, ended=["ads.old"])
    party = await a_client(world.owner, world.settings, partner_id=partner_id)

    response = await world.http.post("/oauth/token", data=party.form(scope=scope))

    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")
    assert await world.issued_count() == 0


async def test_partner_without_grants_gets_a_token_without_scopes(world: World) -> None:
    """DESIGN 6, `newcomer`: it may introspect and ask what it may do; the answer is: nothing."""
    party = await a_client(world.owner, world.settings, partner_id=await a_partner(world.owner, scopes=[], ended=["ads.old"]))

    body = await world.token(party)

    assert "scope" not in body
    assert await world.owner.fetchval("select scopes from gateway.access_token") == []


async def test_no_scope_is_granted_once_the_agreement_has_ended(world: World) -> None:
    """policy 6.2: entrusted processing rests on an agreement."""
    party = await a_client(world.owner, world.settings)
    await world.owner.execute("update gateway.partner set agreement_ends_at = now() - interval '1 second'")

    assert "scope" not in await world.token(party)


async def test_registered_scope_limits_one_client_of_a_partner(world: World) -> None:
    """RFC 7591 2, `scope`: a client may be held to less than its partner has."""
    party = await a_client(world.owner, world.settings, scope="ads.reach something.else")

    assert (await world.token(party))["scope"] == "ads.reach"
    beyond = await world.http.post("/oauth/token", data=party.form(scope="ads.results"))
    assert beyond.json()["error"] == "invalid_scope"


async def test_resource_may_name_the_graphql_endpoint_only(world: World) -> None:
    """RFC 8707 2: repeated is fine, another resource among them is not."""
    party = await a_client(world.owner, world.settings)
    ours = "http://localhost:8080/graphql"

    accepted = await world.http.post("/oauth/token", data={**party.form(), "resource": [ours, ours]})
    refused = [
        await world.http.post("/oauth/token", data={**party.form(), "resource": resource})
        for resource in (["http://localhost:8080"], [ours, "https://elsewhere.example/"], [ours + "/"], ["graphql"])
    ]

    assert accepted.status_code == 200
    assert {(response.status_code, response.json()["error"]) for response in refused} == {(400, "invalid_target")}


async def test_contract_runner_gets_tokens_that_say_so(world: World) -> None:
    """DESIGN 2, synthetic subjects: claim and row both tell a contract run; nobody else can ask for one."""
    runner = await a_client(world.owner, world.settings, is_contract_runner=True)
    ordinary = await a_client(world.owner, world.settings)

    def claims(text: str) -> dict[str, object]:
        return jwt.decode(text, key, algorithms=["ES256"]).claims

    key = KeySet.import_key_set((await world.http.get("/oauth/jwks")).json())
    assert claims((await world.token(runner))["access_token"])["contract_run"] is True
    assert "contract_run" not in claims((await world.token(ordinary, contract_run="true"))["access_token"])
    rows = await world.owner.fetch("select client_id, contract_run from gateway.access_token")
    assert {row["client_id"]: row["contract_run"] for row in rows} == {runner.client_id: True, ordinary.client_id: False}


async def test_dpop_bound_client_gets_no_bearer_token(world: World) -> None:
    """RFC 9449 5.2: a client registered for bound tokens must never hold one that anybody could use."""
    party = await a_client(world.owner, world.settings, dpop_bound_access_tokens=True)

    response = await world.http.post("/oauth/token", data=party.form())

    assert (response.status_code, response.json()["error"]) == (400, "invalid_dpop_proof")
    assert await world.issued_count() == 0


@pytest.mark.parametrize(
    ("grant_type", "error"),
    [("", "invalid_request"), ("password", "unsupported_grant_type"), ('<script>"', "unsupported_grant_type")],
)
async def test_other_grant_types_are_refused_without_an_echo(world: World, grant_type: str, error: str) -> None:
    """OAuth 2.1: implicit and password do not exist; an error repeats nothing of the request."""
    party = await a_client(world.owner, world.settings)

    response = await world.http.post("/oauth/token", data={**party.form(), "grant_type": grant_type})

    assert (response.status_code, response.json()["error"]) == (400, error)
    assert not grant_type or grant_type not in response.text


async def test_client_not_registered_for_the_grant_is_unauthorized(world: World) -> None:
    """RFC 6749 5.2, unauthorized_client."""
    uris = ["https://partner.example/cb"]
    party = await a_client(world.owner, world.settings, grant_types=["authorization_code"], redirect_uris=uris)

    response = await world.http.post("/oauth/token", data=party.form())

    assert (response.status_code, response.json()["error"]) == (400, "unauthorized_client")


async def test_no_answer_is_ever_cached(world: World) -> None:
    """RFC 6749 5.1: tokens and refusals alike."""
    party = await a_client(world.owner, world.settings)

    answers = [
        await world.http.post("/oauth/token", data=party.form()),
        await world.http.post("/oauth/token", data=party.form(scope="unknown")),
        await world.http.post("/oauth/token", data={"grant_type": ""}),
        await world.http.post("/oauth/token", content=b"{}", headers={"content-type": "application/json"}),
        await world.http.post("/oauth/revoke", data={**party.form(), "token": "unknown"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 400, 400, 415, 200]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


async def test_refused_request_still_uses_its_assertion_up(world: World) -> None:
    """RFC 7523 3 (7): used once, whatever became of the request."""
    party = await a_client(world.owner, world.settings)
    assertion = party.assertion()

    first = await world.http.post("/oauth/token", data=party.form(assertion, scope="unknown"))
    second = await world.http.post("/oauth/token", data=party.form(assertion))

    assert [first.json()["error"], second.json()["error"]] == ["invalid_scope", "invalid_client"]


async def test_bound_token_carries_the_pseudonym_and_its_row_the_subject(world: World) -> None:
    """policy 2.8: the partner can read `sub`, so it is the name that this partner knows the subject by."""
    party = await a_client(world.owner, world.settings)
    subject_id, pseudonym = uuid4(), uuid4()

    text = await issue(
        world.owner,
        world.workers[0].keys,
        world.settings,
        client_id=party.client_id,
        scopes=["ads.reach"],
        subject_id=subject_id,
        pseudonym=pseudonym,
    )

    claims = jwt.decode(text, KeySet.import_key_set((await world.http.get("/oauth/jwks")).json()), algorithms=["ES256"]).claims
    row = await world.owner.fetchrow("select * from gateway.access_token")
    assert row is not None
    assert (claims["sub"], claims["client_id"], UUID(claims["jti"])) == (str(pseudonym), party.client_id, row["token_id"])
    assert row["subject_id"] == subject_id
    assert str(subject_id) not in str(claims)


@pytest.mark.parametrize("subject", ["suspended", "ended"])
@pytest.mark.parametrize("table", ["client", "partner"])
async def test_suspended_client_or_partner_gets_nothing(world: World, table: str, subject: str) -> None:
    """policy 9.4: stopping a partner stops its tokens too; to the outside it is a client that does not exist."""
    party: Party = await a_client(world.owner, world.settings)
    await world.owner.execute(f"update gateway.{table} set status = $1", subject)

    await world.refused(party)


async def a_partners_token(shop: Shop, **more: str) -> dict[str, Any]:
    """The answer to a client that asks for a token of its own."""
    answer = await shop.post("/oauth/token", {**credentials(shop.party), "grant_type": "client_credentials", **more})
    body: dict[str, Any] = answer.json()
    return body


def details(*categories: str, purpose: str = "service_delivery", **more: str) -> str:
    return json.dumps([{"type": "data_sharing", "purpose": purpose, "categories": categories, **more}])


@pytest.mark.parametrize("named", [{}, {"scope": SCOPE}])
async def test_a_partners_own_token_is_narrowed_by_details(world: World, named: dict[str, str]) -> None:
    """RFC 9396 6: a client asks for less than its scope, and the answer and the token say so."""
    shop = await a_shop(world)

    body = await a_partners_token(shop, authorization_details=details(CITY, retention="P7D"), **named)

    narrowed = [{"type": "data_sharing", "purpose": "service_delivery", "categories": [CITY], "retention": "P7D"}]
    assert (body["scope"], body["authorization_details"]) == (SCOPE, narrowed)
    claims = jwt.decode(body["access_token"], KeySet.import_key_set((await world.http.get("/oauth/jwks")).json())).claims
    assert claims["authorization_details"] == narrowed


@pytest.mark.parametrize(
    "asked",
    [
        "x",
        "[]",
        '[{"type": "other"}]',
        details(CITY, "content.photos"),
        details(CITY, purpose="advertising"),
        details(CITY, retention="P31D"),
    ],
)
async def test_details_that_are_not_granted_are_refused_and_never_passed_over(world: World, asked: str) -> None:
    """RFC 9396 5: whoever asked for less and got all of it would not know."""
    shop = await a_shop(world)

    assert (await a_partners_token(shop, authorization_details=asked))["error"] == "invalid_authorization_details"
    limited = await a_shop(world, authorization_details_types=["payment"])
    assert (await a_partners_token(limited, authorization_details=details(CITY)))["error"] == "invalid_authorization_details"
