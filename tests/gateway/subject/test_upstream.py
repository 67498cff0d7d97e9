"""Signing in with the platform's own OpenID provider: one that others wrote, and one that lies."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.settings import Settings
from tests.support.database import Database
from tests.support.oauth import serving
from tests.support.openid_provider import CLIENT_ID, SECRET, a_provider, free_port, sign_in_there
from tests.support.visiting import House, Visitor, a_house

CALLBACK = "/sign-in/upstream/callback"


def _settings(issuer: str, **changed: str) -> dict[str, Any]:
    return {"upstream_issuer": issuer, "upstream_client_id": CLIENT_ID, "upstream_client_secret": SECRET, **changed}


@asynccontextmanager
async def _with_provider(
    database: Database, data: Path, *, algorithm: str = "RS256", method: str = "client_secret_basic", **changed: str
) -> AsyncIterator[House]:
    port, own = free_port(), free_port()
    async with (
        a_provider(port, f"http://127.0.0.1:{own}{CALLBACK}", algorithm=algorithm, method=method) as issuer,
        a_house(database, data, port=own, **_settings(issuer, **changed)) as house,
    ):
        yield house


async def _leave(visitor: Visitor, query: str = "") -> str:
    """Where the gateway sends the browser."""
    answer = await visitor.http.get(f"/sign-in/upstream{query}")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


@pytest.mark.parametrize(
    "given",
    [
        {"upstream_issuer": "https://id.example"},
        {"upstream_client_id": "gateway", "upstream_client_secret": "x"},
        _settings("http://id.example"),
        _settings("https://id.example?x"),
        _settings("https://id.example", upstream_subject_claim=""),
    ],
)
def test_half_a_provider_or_one_without_tls_stops_the_start(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as stopped:
        Settings(data=tmp_path, **given)
    assert SECRET not in str(stopped.value)


def test_an_issuer_stays_as_it_is_written(tmp_path: Path) -> None:
    """It is compared character by character (OpenID Connect Discovery 4.3)."""
    settings = Settings(data=tmp_path, **_settings("https://id.example/"))
    assert settings.upstream_issuer == "https://id.example/"
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("algorithm", "method", "claim"),
    [("RS256", "client_secret_basic", "sub"), ("ES256", "client_secret_post", "platform_subject")],
)
async def test_a_data_subject_of_the_platform_signs_in(
    database: Database, tmp_path: Path, algorithm: str, method: str, claim: str
) -> None:
    """OpenID Connect Core 3.1 against oidc-provider: discovery, PKCE, nonce, ID token, and back to the page asked for."""
    subject_id = uuid4()
    async with (
        _with_provider(database, tmp_path, algorithm=algorithm, method=method, upstream_subject_claim=claim) as house,
        house.a_visitor() as visitor,
        httpx2.AsyncClient(trust_env=False) as there,
    ):
        page = (await visitor.http.get("/sign-in?next=/me/privacy")).text
        assert 'name="password"' not in page
        assert "/sign-in/upstream?next=%2Fme%2Fprivacy" in page
        asked = parse_qs(urlsplit(await _leave(visitor)).query)
        assert (asked["code_challenge_method"], asked["scope"], asked["response_type"]) == (["S256"], ["openid"], ["code"])

        back = await sign_in_there(there, await _leave(visitor, "?next=/me/privacy"), str(subject_id))
        answer = await visitor.http.get(back)

        assert (answer.status_code, answer.headers["location"]) == (303, "/me/privacy"), answer.text
        assert await house.row("select subject_id, acr from gateway.session") == (subject_id, "upstream")
        assert (await visitor.http.get("/me/privacy")).status_code == 200
        assert await house.owner.fetchval("select count(*) from gateway.ceremony") == 1  # the first trip, never finished

        # The provider knows its user now, and says when it signed in: a second trip is no new sign-in, a step-up is one
        first = await house.owner.fetchval("select authenticated_at from gateway.session")
        await visitor.http.get(await sign_in_there(there, await _leave(visitor), str(subject_id)))
        assert abs((await house.owner.fetchval("select authenticated_at from gateway.session") - first).total_seconds()) < 2
        await asyncio.to_thread(time.sleep, 1.1)  # auth_time counts in whole seconds
        await visitor.http.get(await sign_in_there(there, await _leave(visitor, "?step_up=1"), str(subject_id)))
        assert await house.owner.fetchval("select authenticated_at from gateway.session") > first


async def test_an_answer_counts_once_and_in_the_browser_that_left(database: Database, tmp_path: Path) -> None:
    """Login CSRF and code injection (RFC 9700 4.5, 4.7), against oidc-provider."""
    async with (
        _with_provider(database, tmp_path) as house,
        house.a_visitor() as visitor,
        house.a_visitor() as other,
        httpx2.AsyncClient(trust_env=False) as there,
    ):

        async def refused(browser: Visitor, address: str) -> None:
            answer = await browser.http.get(address)
            assert answer.status_code == 400, answer.text
            assert "Signing in did not work" in answer.text
            assert "session" not in browser.http.cookies

        back = await sign_in_there(there, await _leave(visitor), str(uuid4()))
        await refused(other, back)  # a browser that never left
        await _leave(other)
        await refused(other, back)  # one that left with another state
        await _leave(other)
        own = parse_qs(urlsplit(await _leave(other)).query)["state"][0]
        stolen = back.replace(parse_qs(urlsplit(back).query)["state"][0], own)
        await refused(other, stolen)  # somebody else's code under its own state: verifier and nonce are not its own
        assert await house.owner.fetchval("select count(*) from gateway.session") == 0

        assert (await visitor.http.get(back)).status_code == 303
        visitor.http.cookies.delete("session")
        await refused(visitor, back)

        for query in ("?error=access_denied&state=x", "?code=x", "", f"?code=a&code=b&state={own}"):
            await _leave(visitor)
            await refused(visitor, CALLBACK + query)

        there.cookies.clear()  # the provider knew its user
        strange = await sign_in_there(there, await _leave(visitor), "not-a-uuid")
        await refused(visitor, strange)
        assert await house.owner.fetchval("select count(*) from gateway.session") == 1


class Liar:
    """A provider whose ID tokens say what a test wants. Everything else about it is right."""

    def __init__(self) -> None:
        self.issuer, self.nonce, self.challenge = "", "", ""
        self.key = RSAKey.generate_key(2048, parameters={"kid": "one", "alg": "RS256"})
        self.claims: Callable[[dict[str, Any]], Mapping[str, Any]] = lambda claims: claims
        self.sign: Callable[[Mapping[str, Any]], str] = self.honest
        self.metadata: dict[str, object] = {}

    def honest(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": "one"}, dict(claims), self.key)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/jwks", self._jwks),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    async def _discovery(self, _request: Request) -> Response:
        endpoints = {
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
        }
        return JSONResponse({"issuer": self.issuer, **endpoints, **self.metadata})

    async def _jwks(self, _request: Request) -> Response:
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def _token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.challenge
        now = int(time.time())
        good = {
            "iss": self.issuer, "sub": str(uuid4()), "aud": CLIENT_ID, "iat": now, "exp": now + 60,
            "auth_time": now, "nonce": self.nonce,
        }  # fmt: skip
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": self.sign(self.claims(good))})


@pytest_asyncio.fixture(loop_scope="session")
async def liar() -> AsyncIterator[Liar]:
    liar = Liar()
    async with serving(liar.app()) as url:
        liar.issuer = url
        yield liar


async def _come_back(liar: Liar, visitor: Visitor, *, query: str = "", trip: str = "") -> httpx2.Response:
    asked = parse_qs(urlsplit(await _leave(visitor, trip)).query)
    liar.nonce, liar.challenge = asked["nonce"][0], asked["code_challenge"][0]
    return await visitor.http.get(f"{CALLBACK}?code=c&state={asked['state'][0]}{query}")


def _without(name: str) -> Callable[[dict[str, Any]], Mapping[str, Any]]:
    return lambda claims: {key: value for key, value in claims.items() if key != name}


def _changed(**changed: object) -> Callable[[dict[str, Any]], Mapping[str, Any]]:
    return lambda claims: {**claims, **changed}


LIES: dict[str, Callable[[dict[str, Any]], Mapping[str, Any]]] = {
    **{f"no {name}": _without(name) for name in ("iss", "sub", "aud", "iat", "exp", "auth_time", "nonce")},
    "another issuer": _changed(iss="https://evil.example"),
    "another audience": _changed(aud="somebody-else"),
    "audiences without a party": _changed(aud=[CLIENT_ID, "somebody-else"]),
    "another party": _changed(aud=[CLIENT_ID, "somebody-else"], azp="somebody-else"),
    "one audience, another party": _changed(azp="somebody-else"),
    "expired": _changed(exp=1_000_000_000),
    "issued long ago": _changed(iat=1_000_000_000),
    "issued in the future": _changed(iat=4_000_000_000),
    "no number": _changed(exp="soon"),
    "a truth for a number": _changed(exp=True),
    "another nonce": _changed(nonce="x"),
    "signed in long ago": _changed(auth_time=1_000_000_000),
    "no uuid": _changed(sub="42"),
    "a uuid in another form": _changed(sub="{" + str(uuid4()) + "}"),
    "a number for a name": _changed(sub=42),
}


@pytest.mark.parametrize("lie", LIES)
async def test_an_id_token_that_is_not_for_this_sign_in_signs_nobody_in(
    database: Database, tmp_path: Path, liar: Liar, lie: str
) -> None:
    """OpenID Connect Core 3.1.3.7, rule by rule."""
    async with a_house(database, tmp_path, **_settings(liar.issuer)) as house, house.a_visitor() as visitor:
        assert (await _come_back(liar, visitor)).status_code == 303
        visitor.http.cookies.delete("session")
        liar.claims = LIES[lie]
        answer = await _come_back(liar, visitor)
        assert answer.status_code == 400
        assert "session" not in visitor.http.cookies
        assert await house.owner.fetchval("select count(*) from gateway.session") == 1


async def test_signatures_are_pinned_to_the_providers_keys(database: Database, tmp_path: Path, liar: Liar) -> None:
    """Algorithm confusion (RFC 8725 3.1): none, a shared secret, the public key as a secret, somebody else's key."""

    def forged(header: dict[str, Any], key: Any) -> Callable[[Mapping[str, Any]], str]:
        return lambda claims: jwt.encode(header, dict(claims), key, algorithms=[header["alg"]])

    def unsigned(claims: Mapping[str, Any]) -> str:
        head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
        return f"{head}.{liar.honest(claims).split('.')[1]}."

    def by_secret(secret: bytes) -> Callable[[Mapping[str, Any]], str]:
        head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=").decode()

        def sign(claims: Mapping[str, Any]) -> str:
            signed = f"{head}.{liar.honest(claims).split('.')[1]}"
            return f"{signed}.{base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), 'sha256')).rstrip(b'=').decode()}"

        return sign

    lies = [
        unsigned,
        by_secret(SECRET.encode()),
        by_secret(liar.key.as_pem(private=False)),
        forged({"alg": "RS256", "kid": "one"}, RSAKey.generate_key(2048)),
        forged({"alg": "ES256", "kid": "one"}, ECKey.generate_key("P-256")),
        lambda claims: liar.honest(claims)[:-4] + "AAAA",
        lambda _claims: "x",
    ]
    async with a_house(database, tmp_path, **_settings(liar.issuer)) as house, house.a_visitor() as visitor:
        for lie in lies:
            liar.sign = lie
            assert (await _come_back(liar, visitor)).status_code == 400
        assert await house.owner.fetchval("select count(*) from gateway.session") == 0


async def test_a_provider_that_changes_its_key_is_followed(
    database: Database, tmp_path: Path, liar: Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Core 10.1.1: an unknown key makes the keys be read again."""
    monkeypatch.setattr("gateway.subject.provider.AGAIN_EVERY_S", 0.0)
    async with a_house(database, tmp_path, **_settings(liar.issuer)) as house, house.a_visitor() as visitor:
        assert (await _come_back(liar, visitor)).status_code == 303
        liar.key = RSAKey.generate_key(2048, parameters={"kid": "two", "alg": "RS256"})
        liar.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "two"}, dict(claims), liar.key)
        assert (await _come_back(liar, visitor)).status_code == 303


async def test_an_answer_of_another_issuer_is_a_mix_up(database: Database, tmp_path: Path, liar: Liar) -> None:
    """RFC 9207 2.4; OpenID Connect Discovery 4.3."""
    async with a_house(database, tmp_path, **_settings(liar.issuer)) as house, house.a_visitor() as visitor:
        assert (await _come_back(liar, visitor, query="&iss=https://evil.example")).status_code == 400
    liar.metadata = {"authorization_response_iss_parameter_supported": True}
    async with a_house(database, tmp_path, **_settings(liar.issuer)) as house, house.a_visitor() as visitor:
        assert (await _come_back(liar, visitor)).status_code == 400
        assert (await _come_back(liar, visitor, query=f"&iss={liar.issuer}")).status_code == 303
    for metadata in ({"issuer": f"{liar.issuer}/"}, {"token_endpoint": "http://evil.example/token"}, {"jwks_uri": None}):
        liar.metadata = dict(metadata)
        async with a_house(database, tmp_path, **_settings(liar.issuer)) as house, house.a_visitor() as visitor:
            assert (await visitor.http.get("/sign-in/upstream")).status_code == 400


async def test_a_provider_that_is_not_there_gets_a_page(database: Database, tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    async with a_house(database, tmp_path, **_settings(nobody)) as house, house.a_visitor() as visitor:
        answer = await visitor.http.get("/sign-in/upstream?next=/me")
        assert answer.status_code == 400
        assert "Signing in did not work" in answer.text
        form = {"csrf": await visitor.token(), "login": "a", "password": "b"}
        assert (await visitor.http.post("/sign-in", data=form)).status_code == 303  # no passwords where a provider has them
