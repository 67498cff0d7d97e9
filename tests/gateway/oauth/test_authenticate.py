"""From an `Authorization` header to a caller (RFC 6750, RFC 9068 section 4)."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from gateway.oauth import jose
from gateway.oauth.access_token import issue
from gateway.oauth.keys import KeyStore
from gateway.request.authenticate import Authenticator, Caller
from gateway.request.codes import Code, GatewayError
from tests.support.oauth import World, a_client, segment

METADATA = 'resource_metadata="http://localhost:8080/.well-known/oauth-protected-resource/graphql"'


async def refusal(reader: Authenticator, authorization: str | None) -> GatewayError:
    """The refusal that this header gets."""
    with pytest.raises(GatewayError) as caught:
        await reader.authenticate(authorization)
    return caught.value


async def resigned(world: World, text: str, *, header: dict[str, object] | None = None, **changed: object) -> str:
    """The same token, signed by the gateway's own key over other claims; None leaves a claim out."""
    token = jose.read(text)
    key = await world.workers[0].keys.signer(world.owner, str(token.kid))
    claims = {name: value for name, value in {**token.claims, **changed}.items() if value is not None}
    head = {name: value for name, value in {**token.header, **(header or {})}.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    return jws.serialize_compact(head, json.dumps(claims), key.private, registry=registry)


async def test_token_becomes_its_caller(world: World) -> None:
    """Everything that cannot change about a token, and nothing that can."""
    party = await a_client(world.owner, world.settings)
    text = (await world.token(party))["access_token"]

    caller = await Authenticator(world.settings, world.workers[0].keys).authenticate("Bearer " + text)

    row = await world.owner.fetchrow("select * from gateway.access_token")
    assert row is not None
    assert caller == Caller(
        token_id=row["token_id"],
        client_id=party.client_id,
        scopes=frozenset({"ads.reach", "ads.results"}),
        is_bound=False,
        contract_run=False,
        expires_at=row["expires_at"],
    )


async def test_bound_and_contract_tokens_say_so(world: World) -> None:
    """`sub` differs from `client_id` where a token is bound to one data subject."""
    party = await a_client(world.owner, world.settings, is_contract_runner=True)
    keys = world.workers[0].keys

    text = await issue(
        world.owner, keys, world.settings, client_id=party.client_id, scopes=[], subject_id=uuid4(), pseudonym=uuid4()
    )
    caller = await Authenticator(world.settings, keys).authenticate("Bearer " + text)

    assert (caller.is_bound, caller.contract_run, caller.scopes) == (True, True, frozenset())


async def test_caller_knows_what_narrows_its_token_and_when_the_subject_signed_in(world: World) -> None:
    """RFC 9396 9.1, RFC 9470 6: the claims, as the later rooms need them; nothing where they are absent."""
    party = await a_client(world.owner, world.settings)
    plain = (await world.token(party))["access_token"]
    details = [{"type": "data_sharing", "purpose": "advertising", "categories": ["identity.mobile_number", "profile.city"]}]
    narrowed = await resigned(world, plain, authorization_details=details, auth_time=1_700_000_000, acr="pwd")
    reader = Authenticator(world.settings, world.workers[0].keys)

    callers = [await reader.authenticate("Bearer " + text) for text in (plain, narrowed)]

    assert [caller.categories for caller in callers] == [None, frozenset({"identity.mobile_number", "profile.city"})]
    assert [caller.authenticated_at for caller in callers] == [None, 1_700_000_000.0]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_scheme_is_read_in_any_case(world: World, scheme: str) -> None:
    """RFC 9110 11.1; FAPI 2.0 asks for it too."""
    party = await a_client(world.owner, world.settings)
    text = (await world.token(party))["access_token"]

    caller = await Authenticator(world.settings, world.workers[0].keys).authenticate(f"{scheme} {text}")

    assert caller.client_id == party.client_id


@pytest.mark.parametrize("authorization", [None, "", "Basic eDp5", "Negotiate", "bearertoken", "dpoptoken"])
async def test_request_without_a_token_is_told_where_to_get_one(world: World, authorization: str | None) -> None:
    """RFC 6750 3.1: no error code where no token was sent; RFC 9728 5.1: who issues them; RFC 9449 7.1: either scheme goes."""
    error = await refusal(Authenticator(world.settings, world.workers[0].keys), authorization)

    challenge = f'Bearer {METADATA}, DPoP algs="ES256 PS256 Ed25519"'
    assert (error.code, error.headers["WWW-Authenticate"]) == (Code.TOKEN_MISSING, challenge)


@pytest.mark.parametrize(
    "text", ["", "x", "a.b.c", "two words", "a, Bearer b", "é", "\x00", "=", "x" * 9000, "..", "e30.e30.e30"]
)
async def test_text_that_is_no_token_is_invalid(world: World, text: str) -> None:
    """RFC 6750 3.1, invalid_token; nothing of the header comes back."""
    error = await refusal(Authenticator(world.settings, world.workers[0].keys), "Bearer " + text)

    assert (error.code, error.headers["WWW-Authenticate"]) == (Code.TOKEN_INVALID, f'Bearer error="invalid_token", {METADATA}')


CHANGED: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://elsewhere.example"},
    "another resource": {"aud": "http://localhost:8080"},
    "several resources": {"aud": ["http://localhost:8080/graphql"]},
    "no audience": {"aud": None},
    "no expiry": {"exp": None},
    "expiry is a string": {"exp": "1"},
    "expiry beyond the calendar": {"exp": 2**52},
    "no instant of issue": {"iat": None},
    "issued a minute ahead": {"iat": int(time.time()) + 600},
    "no subject": {"sub": None},
    "no client": {"client_id": None},
    "no scope": {"scope": None},
    "no id": {"jti": None},
    "id is no UUID": {"jti": "1"},
    "bound to a key": {"cnf": {"jkt": "x" * 43}},
    "bound to a certificate": {"cnf": {"x5t#S256": "x" * 43}},
    "bound to something unknown": {"cnf": {"kid": "x"}},
    "bound to a key and something unknown": {"cnf": {"jkt": "x" * 43, "kid": "x"}},
    "bound to no thumbprint": {"cnf": {"jkt": "x"}},
    "bound to nothing": {"cnf": {}},
    "binding is a string": {"cnf": "x"},
    "binding is null": {"cnf": ""},
    "details are no list": {"authorization_details": {}},
    "no details": {"authorization_details": []},
    "details of another type": {"authorization_details": [{"type": "payment", "categories": ["identity.mobile_number"]}]},
    "details without categories": {"authorization_details": [{"type": "data_sharing", "purpose": "advertising"}]},
    "signed in at no instant": {"auth_time": "x"},
}


@pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED.keys())
async def test_token_that_we_signed_for_something_else_is_invalid(world: World, changed: dict[str, Any]) -> None:
    """RFC 9068 4; RFC 9449 7.1: a token bound to a key is worth nothing as a bearer token; nor is one narrowed in a way that we
    do not understand."""
    party = await a_client(world.owner, world.settings)
    text = await resigned(world, (await world.token(party))["access_token"], **changed)

    assert (await refusal(Authenticator(world.settings, world.workers[0].keys), "Bearer " + text)).code is Code.TOKEN_INVALID


@pytest.mark.parametrize(
    "header", [{"typ": "JWT"}, {"typ": None}, {"kid": None}, {"kid": "unknown"}, {"crit": ["exp"], "exp": 1}]
)
async def test_jwt_of_another_type_or_key_is_invalid(world: World, header: dict[str, object]) -> None:
    """RFC 9068 4: the type is checked, so an ID token opens nothing."""
    party = await a_client(world.owner, world.settings)
    token = (await world.token(party))["access_token"]
    if "crit" in header:
        text = f"{segment({**jose.read(token).header, **header})}.{token.partition('.')[2]}"
    else:
        text = await resigned(world, token, header=header)

    assert (await refusal(Authenticator(world.settings, world.workers[0].keys), "Bearer " + text)).code is Code.TOKEN_INVALID


async def test_type_may_be_written_out(world: World) -> None:
    """RFC 9068 4: `application/at+jwt` is the same type."""
    party = await a_client(world.owner, world.settings)
    text = await resigned(world, (await world.token(party))["access_token"], header={"typ": "application/AT+JWT"})

    assert (
        await Authenticator(world.settings, world.workers[0].keys).authenticate("Bearer " + text)
    ).client_id == party.client_id


async def test_signature_of_another_key_under_our_key_id_is_invalid(world: World) -> None:
    """Nobody else can sign in our name, by our algorithm or any other."""
    party = await a_client(world.owner, world.settings)
    token = jose.read((await world.token(party))["access_token"])
    other = ECKey.generate_key("P-256")
    reader = Authenticator(world.settings, world.workers[0].keys)
    stolen = jose.sign(token.claims, other, kid=str(token.kid), algorithm="ES256", typ="at+jwt")
    unsigned = f"{segment({**token.header, 'alg': 'none'})}.{token.text.split('.')[1]}."

    for text in (stolen, unsigned, unsigned + "eA"):
        assert (await refusal(reader, "Bearer " + text)).code is Code.TOKEN_INVALID


async def test_expired_token_is_refused_even_when_it_is_remembered(world: World) -> None:
    """The worker's clock is a first sieve, ten seconds wide; the database's decides on every query."""
    party = await a_client(world.owner, world.settings)
    text = (await world.token(party))["access_token"]
    now = time.time()
    reader = Authenticator(world.settings, world.workers[0].keys, clock=lambda: now)
    await reader.authenticate("Bearer " + text)

    now += 605
    await reader.authenticate("Bearer " + text)
    now += 10

    assert (await refusal(reader, "Bearer " + text)).code is Code.TOKEN_EXPIRED


async def test_verified_token_is_not_verified_again(fresh: World) -> None:
    """Only the first use costs a signature check; what is remembered is bounded and holds no token."""
    party = await a_client(fresh.owner, fresh.settings)
    text = (await fresh.token(party))["access_token"]
    keys = KeyStore(fresh.settings)
    await keys.refresh(fresh.owner)
    reader = Authenticator(fresh.settings, keys)
    first = await reader.authenticate("Bearer " + text)
    await fresh.owner.execute("delete from gateway.signing_key")
    await keys.refresh(fresh.owner)

    assert await reader.authenticate("Bearer " + text) is first
    assert isinstance(first.token_id, UUID)
