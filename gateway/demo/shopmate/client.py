"""shopmate's side of the protocol: discovery, pushed request, code, tokens, userinfo, data, each over HTTP."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
from joserfc.jwk import ECKey

from gateway.demo.shopmate.proofs import (
    ASSERTION_TYPE,
    challenge,
    client_assertion,
    dpop_proof,
    id_token_claims,
    new_key,
    random_text,
)

DISCOVERY: Final = "/.well-known/openid-configuration"
GRAPHQL: Final = "application/graphql-response+json"
OPENID: Final = "openid"
NONCE_ERROR: Final = "use_dpop_nonce"


class Unreachable(Exception):
    """The gateway does not answer, or not in a form that a client could read."""


class Refused(Exception):
    """The gateway said no. error: its code (RFC 6749 5.2 and the RFCs that add to it), shown to whoever asked."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class NotForUs(Exception):
    """An answer that does not belong to what was asked: another state, another issuer, another subject."""


@dataclass(frozen=True, slots=True, repr=False)
class Registration:
    """What shopmate was told when it was registered: the gateway's `demo.json`, as far as it is about shopmate."""

    issuer: str
    graphql_url: str
    client_id: str
    key: ECKey
    redirect_uri: str
    scopes: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> "Registration":
        document = json.loads(path.read_bytes())
        entry = document["partners"]["shopmate"]
        return cls(
            issuer=document["issuer"],
            graphql_url=document["graphql_url"],
            client_id=entry["client_id"],
            key=ECKey.import_key(entry["private_key_jwk"]),
            redirect_uri=entry["redirect_uris"][0],
            scopes=tuple(entry["scopes"]),
        )

    @property
    def home(self) -> str:
        """Our own front page, beside the redirect address."""
        parts = urlsplit(self.redirect_uri)
        return f"{parts.scheme}://{parts.netloc}/"


@dataclass(frozen=True, slots=True, repr=False)
class Pending:
    """A login that was begun: what only this visitor's browser may bring back, and what only we may redeem it with."""

    state: str
    nonce: str
    verifier: str
    key: ECKey


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """What a login brought. key: the one that all of it is bound to. claims: of the ID token.

    Whoever shares data and does not want to be known here leaves `id_token` None and `claims` empty.
    """

    key: ECKey
    access_token: str
    refresh_token: str | None
    id_token: str | None
    claims: Mapping[str, Any]
    scopes: frozenset[str]
    lives_for_s: int


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What the GraphQL endpoint said. codes: of its errors."""

    status: int
    data: Mapping[str, Any] | None
    extensions: Mapping[str, Any]
    codes: tuple[str, ...]


class Client:
    """One for the life of the process: it keeps the announced addresses and the last nonce of each kind of endpoint."""

    def __init__(self, registration: Registration, http: httpx.AsyncClient) -> None:
        self.registration, self._http = registration, http
        self._metadata: Mapping[str, Any] | None = None
        self._nonces: dict[str, str] = {}
        self._discovering = asyncio.Lock()

    async def metadata(self) -> Mapping[str, Any]:
        """What the gateway announces (OpenID Connect Discovery 4, RFC 8414). Raises Unreachable, NotForUs."""
        async with self._discovering:
            if self._metadata is None:
                found = _object(await self._send("GET", self.registration.issuer + DISCOVERY))
                if found.get("issuer") != self.registration.issuer:  # RFC 8414 3.3
                    raise NotForUs
                self._metadata = found
        return self._metadata

    async def begin(self, language: str, *, asks_again: bool) -> tuple[str, Pending]:
        """Push what we ask for (RFC 9126). Returns where to send the visitor, and what to keep until the answer.

        asks_again: put the question even where it was answered before (`prompt=consent`).
        """
        pending = Pending(state=random_text(), nonce=random_text(), verifier=random_text(), key=new_key())
        form = {
            "response_type": "code",
            "redirect_uri": self.registration.redirect_uri,
            "scope": " ".join((OPENID, *self.registration.scopes)),
            "resource": self.registration.graphql_url,
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": challenge(pending.verifier),
            "code_challenge_method": "S256",
            "ui_locales": language,
        }
        if asks_again:
            form["prompt"] = "consent"
        metadata = await self.metadata()
        pushed = await self._post("pushed_authorization_request_endpoint", form, pending.key)
        query = urlencode({"client_id": self.registration.client_id, "request_uri": pushed["request_uri"]})
        return f"{metadata['authorization_endpoint']}?{query}", pending

    async def finish(self, pending: Pending, answer: Mapping[str, str]) -> Tokens:
        """Redeem what the visitor's browser brought. Raises Refused where the data subject or the gateway said no; NotForUs."""
        # RFC 9207 2.4: first of all, whose answer it is; another server's is not even read further
        if answer.get("iss") != self.registration.issuer or answer.get("state") != pending.state:
            raise NotForUs
        if "error" in answer:
            raise Refused(answer["error"])
        form = {
            "grant_type": "authorization_code",
            "code": answer.get("code", ""),
            "redirect_uri": self.registration.redirect_uri,
            "code_verifier": pending.verifier,
            "resource": self.registration.graphql_url,
        }
        found = await self._post("token_endpoint", form, pending.key)
        scopes = frozenset(str(found.get("scope", "")).split())
        is_signed_in = OPENID in scopes
        return Tokens(
            key=pending.key,
            access_token=_bound(found),
            refresh_token=found.get("refresh_token"),
            id_token=str(found.get("id_token")) if is_signed_in else None,
            claims=await self._claims(str(found.get("id_token")), nonce=pending.nonce) if is_signed_in else {},
            scopes=scopes,
            lives_for_s=int(found.get("expires_in", 0)),
        )

    async def refresh(self, tokens: Tokens) -> Tokens:
        """A new access token (RFC 6749 6). Raises Refused, once the consent behind it is over as well."""
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token or ""}
        found = await self._post("token_endpoint", form, tokens.key)
        if "id_token" in found:
            claims = await self._claims(str(found["id_token"]), nonce=None)
            if claims["sub"] != tokens.claims.get("sub"):  # OpenID Connect Core 12.2
                raise NotForUs
        return replace(
            tokens,
            access_token=_bound(found),
            refresh_token=found.get("refresh_token", tokens.refresh_token),
            scopes=frozenset(str(found["scope"]).split()) if "scope" in found else tokens.scopes,
            lives_for_s=int(found.get("expires_in", 0)),
        )

    async def userinfo(self, tokens: Tokens) -> Mapping[str, Any]:
        """Who signed in (OpenID Connect Core 5.3); its `sub` has to be the ID token's."""
        metadata = await self.metadata()
        answer = await self._bound_request("GET", metadata["userinfo_endpoint"], tokens)
        if answer.status_code != 200:
            raise Refused(_error_of_challenge(answer))
        found = _object(answer)
        if found.get("sub") != tokens.claims["sub"]:
            raise NotForUs
        return found

    async def query(self, tokens: Tokens, document: str) -> Answer:
        """Ask for data. A refusal of the whole request is an answer as well."""
        answer = await self._bound_request(
            "POST", self.registration.graphql_url, tokens, json={"query": document}, headers={"Accept": GRAPHQL}
        )
        body = _object(answer)
        errors = body.get("errors") or ()
        codes = tuple(str(error.get("extensions", {}).get("code", "")) for error in errors)
        return Answer(answer.status_code, body.get("data"), body.get("extensions") or {}, codes)

    async def logout_address(self, id_token: str) -> str:
        """Where to end the session at the gateway too (OpenID Connect RP-Initiated Logout 1.0 2), or home."""
        metadata = await self.metadata()
        if "end_session_endpoint" not in metadata:
            return self.registration.home
        query = {
            "id_token_hint": id_token,
            "client_id": self.registration.client_id,
            "post_logout_redirect_uri": self.registration.home,
        }
        return f"{metadata['end_session_endpoint']}?{urlencode(query)}"

    async def _claims(self, id_token: str, *, nonce: str | None) -> Mapping[str, Any]:
        metadata = await self.metadata()
        keys = _object(await self._send("GET", metadata["jwks_uri"]))
        own = self.registration
        return id_token_claims(id_token, keys, issuer=own.issuer, client_id=own.client_id, nonce=nonce)

    async def _post(self, endpoint: str, form: Mapping[str, str], key: ECKey) -> Mapping[str, Any]:
        """A request to the authorization server, once more where it wants another nonce (RFC 9449 8). Raises Refused."""
        url: str = (await self.metadata())[endpoint]
        answer = await self._proven(url, form, key)
        found = _object(answer)
        if found.get("error") == NONCE_ERROR:
            answer = await self._proven(url, form, key)
            found = _object(answer)
        if not answer.is_success:
            raise Refused(str(found.get("error", answer.status_code)))
        return found

    async def _proven(self, url: str, form: Mapping[str, str], key: ECKey) -> httpx.Response:
        own = self.registration
        body = {
            **form,
            "client_id": own.client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": client_assertion(own.client_id, own.issuer, own.key),
        }
        proof = dpop_proof(key, "POST", url, nonce=self._nonces.get("server"))
        answer = await self._send("POST", url, data=body, headers={"DPoP": proof})
        self._remember("server", answer)
        return answer

    async def _bound_request(
        self, method: str, url: str, tokens: Tokens, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """A request with the access token and the proof that it is ours, once more where another nonce is wanted (RFC 9449 9)."""
        answer = await self._with_token(method, url, tokens, headers or {}, **more)
        if answer.status_code == 401 and _error_of_challenge(answer) == NONCE_ERROR:
            answer = await self._with_token(method, url, tokens, headers or {}, **more)
        return answer

    async def _with_token(self, method: str, url: str, tokens: Tokens, headers: Mapping[str, str], **more: Any) -> httpx.Response:
        proof = dpop_proof(tokens.key, method, url, nonce=self._nonces.get("resource"), access_token=tokens.access_token)
        own = {"Authorization": f"DPoP {tokens.access_token}", "DPoP": proof}
        answer = await self._send(method, url, headers={**headers, **own}, **more)
        self._remember("resource", answer)
        return answer

    async def _send(self, method: str, url: str, **more: Any) -> httpx.Response:
        try:
            return await self._http.request(method, url, **more)
        except httpx.HTTPError:
            raise Unreachable from None

    def _remember(self, kind: str, answer: httpx.Response) -> None:
        if "DPoP-Nonce" in answer.headers:
            self._nonces[kind] = answer.headers["DPoP-Nonce"]


def _object(answer: httpx.Response) -> Mapping[str, Any]:
    """The JSON object that an answer holds. Raises Unreachable."""
    try:
        found = answer.json()
    except ValueError:
        raise Unreachable from None
    if not isinstance(found, dict):
        raise Unreachable
    return found


def _bound(found: Mapping[str, Any]) -> str:
    """The access token of an answer that says it is bound to our key (RFC 9449 5). Raises NotForUs."""
    if str(found.get("token_type")).lower() != "dpop" or not found.get("access_token"):
        raise NotForUs
    return str(found["access_token"])


def _error_of_challenge(answer: httpx.Response) -> str:
    """The `error` of WWW-Authenticate (RFC 6750 3), the status where it names none."""
    _, found, rest = answer.headers.get("WWW-Authenticate", "").partition('error="')
    return rest.partition('"')[0] if found else str(answer.status_code)
