"""Sender-constrained tokens at the partner's endpoint: who has the token alone has nothing (RFC 9449 7, RFC 8705 3)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from joserfc.jwk import Key

from gateway.oauth.access_token import mint
from gateway.oauth.jose import certificate_thumbprint
from gateway.oauth.keys import KeyStore
from gateway.oauth.proxy import Proxies
from gateway.request.authenticate import Authenticator, Caller, Confirmation
from gateway.request.codes import Code, GatewayError
from gateway.request.receive import read_head
from gateway.settings import Settings
from tests.support.certificates import a_certificate, passed
from tests.support.database import Database
from tests.support.oauth import a_key
from tests.support.proofs import a_proof
from tests.support.races import CITY, DOCUMENT, Lane, a_lane
from tests.support.served import served

ALGORITHMS = 'algs="ES256 PS256 Ed25519"'


@dataclass(frozen=True)
class Gateway:
    """Two serving workers behind a proxy that is trusted with certificates, and a partner of theirs."""

    http: httpx2.AsyncClient
    url: str
    owner: asyncpg.Connection[Any]
    lane: Lane

    async def token(self, **confirmation: str) -> str:
        """A new token of the partner's, bound to these."""
        lane = self.lane
        named = {"x5t#S256" if name == "x5t" else name: value for name, value in confirmation.items()}
        minted = await mint(
            self.owner, lane.store, lane.settings, client_id=lane.client_id, scopes=[lane.scope], confirmation=named or None
        )
        return minted.text

    async def ask(self, authorization: str, *, http: httpx2.AsyncClient | None = None, **headers: str) -> httpx2.Response:
        """The answer to the partner's question about its data subject."""
        body = {"query": DOCUMENT, "variables": {"id": self.lane.id}}
        sent = {"Authorization": authorization, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await (http or self.http).post("/graphql", json=body, headers=sent)

    async def nonce(self, token: str, key: Key) -> str:
        """The nonce that the gateway asks for."""
        response = await self.ask(f"DPoP {token}", DPoP=a_proof(key, url=self.url, access_token=token))
        assert code_of(response) == "DPOP_NONCE_REQUIRED", response.text
        return response.headers["DPoP-Nonce"]

    async def proof(self, token: str, key: Key, **changed: Any) -> str:
        """A good proof for this request, but for what is changed."""
        good: dict[str, Any] = {"url": self.url, "access_token": token, "nonce": await self.nonce(token, key)}
        return a_proof(key, **(good | changed))


def code_of(response: httpx2.Response) -> str | None:
    """The code of the error that came back."""
    errors = response.json().get("errors")
    return errors[0]["extensions"]["code"] if errors else None


def shows(response: httpx2.Response) -> bool:
    """Whether the data subject's city came back."""
    return response.status_code == 200 and response.json()["data"] == {"subject": {"city": CITY}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """One for all tests of this module: none of them changes more than the proofs that were used."""
    data = tmp_path_factory.mktemp("bound")
    owner = await module_database.owner()
    await owner.execute(
        "insert into gateway.policy_version (policy_version, effective_at, text_sha256) values ('race', '2020-01-01', '')"
    )
    proxied = {"client_certificate_header": "true", "trusted_proxies": "127.0.0.1/32, ::1/128"}
    async with served(module_database.owner_url, data, workers=2, **proxied) as port:
        settings = Settings(data=data, base_url=f"http://localhost:{port}")
        store = KeyStore(settings)
        await store.refresh(owner)
        lane = await a_lane(owner, settings, store)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            yield Gateway(http, settings.base_url + "/graphql", owner, lane)
    await owner.close()


async def test_bound_token_opens_for_its_key_after_one_challenge(gateway: Gateway) -> None:
    """RFC 9449 7.1, 9: the challenge carries the nonce; the answer carries the next one."""
    key = a_key()
    token = await gateway.token(jkt=key.thumbprint())

    first = await gateway.ask(f"DPoP {token}", DPoP=a_proof(key, url=gateway.url, access_token=token))
    again = a_proof(key, url=gateway.url, access_token=token, nonce=first.headers["DPoP-Nonce"])
    second = await gateway.ask(f"DPoP {token}", DPoP=again)
    third = await gateway.ask(
        f"DPoP {token}", DPoP=a_proof(key, url=gateway.url, access_token=token, nonce=second.headers["DPoP-Nonce"])
    )

    assert (first.status_code, code_of(first)) == (401, "DPOP_NONCE_REQUIRED")
    assert first.headers["WWW-Authenticate"].startswith(f'DPoP error="use_dpop_nonce", {ALGORITHMS}, resource_metadata=')
    assert shows(second)
    assert shows(third)


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "Ed25519"])
@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
async def test_scheme_is_read_in_any_case_under_every_algorithm(gateway: Gateway, algorithm: str, scheme: str) -> None:
    """RFC 9110 11.1; FAPI 2.0 5.4."""
    key = a_key(algorithm)
    token = await gateway.token(jkt=key.thumbprint())
    nonce = (
        await gateway.ask(f"DPoP {token}", DPoP=a_proof(key, url=gateway.url, access_token=token, algorithm=algorithm))
    ).headers["DPoP-Nonce"]
    proof = a_proof(key, url=gateway.url, access_token=token, algorithm=algorithm, nonce=nonce)

    assert shows(await gateway.ask(f"{scheme} {token}", DPoP=proof))


async def test_get_is_proved_without_its_query(gateway: Gateway) -> None:
    """RFC 9449 4.2: `htm` is the method, `htu` the address without query."""
    key = a_key()
    token = await gateway.token(jkt=key.thumbprint())
    for method in ("POST", "GET"):
        proof = await gateway.proof(token, key, method=method)
        response = await gateway.http.get(
            "/graphql",
            params={"query": "{ __typename }"},
            headers={"Authorization": f"DPoP {token}", "DPoP": proof},
        )
        assert code_of(response) == (None if method == "GET" else "DPOP_PROOF_INVALID")


async def test_stolen_token_is_worth_nothing_without_its_key(gateway: Gateway) -> None:
    """RFC 9449 7.1, 7.2: not as a bearer token, not with the thief's key, not without a proof, and nothing tells them apart from
    the challenge's scheme."""
    key, thief = a_key(), a_key()
    token = await gateway.token(jkt=key.thumbprint())
    nonce = await gateway.nonce(token, key)
    theirs = a_proof(thief, url=gateway.url, access_token=token, nonce=nonce)

    answers = {
        "as bearer": await gateway.ask(f"Bearer {token}"),
        "as bearer with a proof": await gateway.ask(f"Bearer {token}", DPoP=await gateway.proof(token, key)),
        "another key": await gateway.ask(f"DPoP {token}", DPoP=theirs),
    }
    without = await gateway.ask(f"DPoP {token}")

    for answer in answers.values():
        assert (answer.status_code, code_of(answer)) == (401, "TOKEN_INVALID")
        assert answer.headers["WWW-Authenticate"].startswith(f'DPoP error="invalid_token", {ALGORITHMS}')
    assert (without.status_code, code_of(without)) == (401, "DPOP_PROOF_INVALID")
    assert without.json()["errors"][0]["extensions"]["fault"] == "missing"


async def test_unbound_token_goes_under_bearer_only(gateway: Gateway) -> None:
    """RFC 9449 7.1: a proof binds nothing that was not bound when it was issued."""
    key = a_key()
    token = await gateway.token()
    proof = a_proof(key, url=gateway.url, access_token=token)

    assert shows(await gateway.ask(f"Bearer {token}"))
    assert shows(await gateway.ask(f"Bearer {token}", DPoP=proof))
    refused = await gateway.ask(f"DPoP {token}", DPoP=proof)
    assert (refused.status_code, code_of(refused)) == (401, "TOKEN_INVALID")
    assert refused.headers["WWW-Authenticate"].startswith(f'DPoP error="invalid_token", {ALGORITHMS}')


async def test_one_proof_opens_once_in_whichever_worker(gateway: Gateway) -> None:
    """RFC 9449 11.1: sixteen connections at once, over two workers; one of them wins."""
    key = a_key()
    token = await gateway.token(jkt=key.thumbprint())
    proof = await gateway.proof(token, key)

    answers = await asyncio.gather(*(gateway.ask(f"DPoP {token}", DPoP=proof) for _ in range(16)))

    lost = [answer for answer in answers if not shows(answer)]
    assert len(lost) == 15
    assert {(answer.status_code, code_of(answer)) for answer in lost} == {(401, "DPOP_PROOF_INVALID")}
    assert {answer.json()["errors"][0]["extensions"]["fault"] for answer in lost} == {"replayed"}


WRONG: Mapping[str, tuple[dict[str, Any], str]] = {
    "another method": ({"method": "GET"}, "method"),
    "another address": ({"url": "http://localhost/oauth/token"}, "address"),
    "another token": ({"ath": "x" * 43}, "token"),
    "no token": ({"ath": None}, "token"),
    "a minute old": ({"iat": 1}, "instant"),
    "ahead": ({"iat": datetime(2200, 1, 1, tzinfo=UTC).timestamp()}, "instant"),
    "signed by another": ({"signer": a_key()}, "signature"),
    "type of an assertion": ({"header": {"typ": "JWT"}}, "type"),
}


@pytest.mark.parametrize(("changed", "fault"), WRONG.values(), ids=WRONG.keys())
async def test_proof_for_something_else_is_refused(gateway: Gateway, changed: dict[str, Any], fault: str) -> None:
    """RFC 9449 4.3: each check, at the partner's endpoint."""
    key = a_key()
    token = await gateway.token(jkt=key.thumbprint())

    response = await gateway.ask(f"DPoP {token}", DPoP=await gateway.proof(token, key, **changed))

    assert (response.status_code, code_of(response)) == (401, "DPOP_PROOF_INVALID")
    assert response.json()["errors"][0]["extensions"]["fault"] == fault
    assert response.headers["WWW-Authenticate"].startswith(f'DPoP error="invalid_dpop_proof", {ALGORITHMS}')


async def test_two_proofs_in_one_request_are_none(gateway: Gateway) -> None:
    """RFC 9449 4.3 (1)."""
    key = a_key()
    token = await gateway.token(jkt=key.thumbprint())
    both = [("DPoP", await gateway.proof(token, key)), ("DPoP", await gateway.proof(token, key))]

    response = await gateway.http.post(
        "/graphql", json={"query": "{ __typename }"}, headers=[("Authorization", f"DPoP {token}"), *both]
    )

    assert (code_of(response), response.json()["errors"][0]["extensions"]["fault"]) == ("DPOP_PROOF_INVALID", "repeated")


async def test_revoked_bound_token_is_challenged_under_its_scheme(gateway: Gateway) -> None:
    """RFC 9449 7.1: what the statement refuses, too."""
    key = a_key()
    token = await gateway.token(jkt=key.thumbprint())
    proof = await gateway.proof(token, key)
    await gateway.owner.execute("update gateway.access_token set revoked_at = now() where revoked_at is null")

    response = await gateway.ask(f"DPoP {token}", DPoP=proof)

    assert (response.status_code, code_of(response)) == (401, "TOKEN_REVOKED")
    assert response.headers["WWW-Authenticate"].startswith(f'DPoP error="invalid_token", {ALGORITHMS}')


async def test_token_bound_to_a_certificate_opens_over_that_certificate_only(gateway: Gateway) -> None:
    """RFC 8705 3."""
    certificate = a_certificate()
    token = await gateway.token(x5t=certificate_thumbprint(certificate))

    assert shows(await gateway.ask(f"Bearer {token}", Client_Cert=passed(certificate)))
    for wrong in (passed(a_certificate()), base64.b64encode(certificate).decode(), ":x:", "::", ""):
        response = await gateway.ask(f"Bearer {token}", Client_Cert=wrong)
        assert (response.status_code, code_of(response)) == (401, "TOKEN_INVALID")
    assert code_of(await gateway.ask(f"Bearer {token}")) == "TOKEN_INVALID"


async def test_token_bound_to_both_needs_both(gateway: Gateway) -> None:
    """RFC 7800 3.1: no confirmation is passed over because another one holds."""
    key, certificate = a_key(), a_certificate()
    token = await gateway.token(jkt=key.thumbprint(), x5t=certificate_thumbprint(certificate))
    shown = passed(certificate)
    challenged = await gateway.ask(f"DPoP {token}", DPoP=a_proof(key, url=gateway.url, access_token=token), Client_Cert=shown)
    nonce = challenged.headers["DPoP-Nonce"]
    proofs = [a_proof(key, url=gateway.url, access_token=token, nonce=nonce) for _ in range(2)]

    assert code_of(await gateway.ask(f"DPoP {token}", DPoP=proofs[0])) == "TOKEN_INVALID"
    assert code_of(await gateway.ask(f"Bearer {token}", Client_Cert=shown)) == "TOKEN_INVALID"
    assert shows(await gateway.ask(f"DPoP {token}", DPoP=proofs[1], Client_Cert=shown))


@pytest.mark.parametrize(
    ("peer", "is_taken"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("10.2.0.1", False), ("127.0.0.1", False), ("", False), (None, False)],
)
def test_certificate_counts_from_a_trusted_proxy_only(peer: str | None, is_taken: bool) -> None:
    """RFC 9440 4: anybody else can write the header."""
    networks = (ip_network("10.1.0.0/16"),)

    assert (Proxies(networks, takes_certificates=True).certificate(passed(b"x"), peer) is not None) is is_taken
    assert Proxies(networks).certificate(passed(b"x"), peer) is None
    assert Proxies(takes_certificates=True).certificate(passed(b"x"), peer) is None


@pytest.mark.parametrize(
    ("forwarded", "peer", "address"),
    [
        (None, "192.0.2.1", "192.0.2.1"),
        ("198.51.100.7", "192.0.2.1", "192.0.2.1"),
        ("198.51.100.7", "10.1.0.1", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7, 10.1.0.2", "10.1.0.1", "198.51.100.7"),
        ("not an address", "10.1.0.1", "10.1.0.1"),
        ("", "10.1.0.1", "10.1.0.1"),
        (None, None, ""),
    ],
)
def test_address_is_the_nearest_that_no_trusted_proxy_has(forwarded: str | None, peer: str | None, address: str) -> None:
    """What stands left of the first stranger, that stranger wrote."""
    assert Proxies((ip_network("10.1.0.0/16"),)).client_address(forwarded, peer) == address


async def test_unbound_token_costs_no_statement_of_its_own(gateway: Gateway) -> None:
    """A bearer token that is known is a look-up; there is not even a connection to ask with."""
    lane, token = gateway.lane, await gateway.token()
    reader = Authenticator(lane.settings, lane.store)
    head = read_head({"method": "POST", "query_string": b"", "headers": [(b"dpop", b"x")], "client": ("127.0.0.1", 1)})

    caller = await reader.authenticate(f"Bearer {token}", head)

    assert (caller.confirmation, caller.categories) == (None, None)
    assert reader.headers(caller) is None


async def test_bound_token_without_its_request_is_refused(gateway: Gateway) -> None:
    """What cannot be checked does not hold."""
    lane = gateway.lane
    token = await gateway.token(jkt=a_key().thumbprint())
    head = read_head({"method": "POST", "query_string": b"", "headers": []})
    reader = Authenticator(lane.settings, lane.store)

    for sender in (None, head):
        with pytest.raises(GatewayError) as refused:
            await reader.authenticate(f"DPoP {token}", sender)
        assert refused.value.code is Code.TOKEN_INVALID


def test_later_errors_challenge_under_the_scheme_of_the_token(settings_of_a_test: Settings) -> None:
    """RFC 9449 7.1, RFC 9470 3: a missing scope, a sign-in too old."""
    reader = Authenticator(settings_of_a_test, KeyStore(settings_of_a_test))
    step_up = GatewayError.step_up(max_age_s=600, acr_values=["passkey", "upstream"])
    bearer, bound = a_caller(None), a_caller(Confirmation("x" * 43, None))
    wanted = 'error="insufficient_user_authentication", acr_values="passkey upstream", max_age="600"'

    assert reader.challenged(step_up, bearer).headers["WWW-Authenticate"] == f"Bearer {wanted}"
    told = reader.challenged(step_up, bound)
    assert told.headers["WWW-Authenticate"] == f"DPoP {ALGORITHMS}, {wanted}"
    assert (told.code, told.extensions) == (
        Code.STEP_UP_REQUIRED,
        {"maxAge": 600, "acrValues": ["passkey", "upstream"]},
    )
    assert reader.challenged(GatewayError(Code.HALTED), bound).headers == {}


def a_caller(confirmation: Confirmation | None) -> Caller:
    """A caller with a token bound to this."""
    return Caller(
        token_id=uuid4(),
        client_id="client",
        scopes=frozenset(),
        is_bound=False,
        contract_run=False,
        expires_at=datetime.now(UTC),
        confirmation=confirmation,
    )


@pytest.fixture
def settings_of_a_test() -> Settings:
    """The defaults, with a master key that no file keeps."""
    return Settings(master_key=base64.b64encode(bytes(32)).decode())
