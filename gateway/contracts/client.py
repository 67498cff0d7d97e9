"""Asks a running gateway as a partner's contract runner does: over HTTP, with tokens from its token endpoint."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from gateway.contracts.enrolment import Enrolment, Runner
from scopes import Purpose

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIVES_FOR_S: Final = 60
RENEWED_BEFORE_S: Final = 30
WAITS_S: Final = 30
BUSY_TRIES: Final = 5
METADATA: Final = "/.well-known/oauth-authorization-server"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"


class Unreachable(Exception):
    """Nobody answers at the gateway's address, or not in time, or not as a gateway does. Carries no part of an answer."""


class NoToken(Exception):
    """The token endpoint refused a runner. Carries the partner and the error code of RFC 6749."""


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What came back, as JSON and as it was: text is the whole body, headers by lower-case name."""

    status: int
    body: Mapping[str, Any]
    text: str
    headers: Mapping[str, str]

    @property
    def data(self) -> Mapping[str, Any]:
        return self.body.get("data") or {}

    @property
    def codes(self) -> tuple[str, ...]:
        """The code of each error."""
        return tuple(str(error.get("extensions", {}).get("code")) for error in self.body.get("errors") or ())

    @property
    def subjects(self) -> int:
        """How many data subjects were disclosed, as the answer tells it."""
        told = (self.body.get("extensions") or {}).get("disclosure") or {}
        count = told.get("subjects", 0)
        return count if isinstance(count, int) else -1

    @property
    def withheld(self) -> Mapping[str, int]:
        """How many of the data subjects shown do not allow a field, by schema path."""
        return {entry["field"]: entry["count"] for entry in self._withheld}

    @property
    def reasons(self) -> frozenset[str]:
        """Why fields were withheld, as the answer tells it."""
        return frozenset(str(entry.get("reason")) for entry in self._withheld)

    @property
    def _withheld(self) -> Sequence[Mapping[str, Any]]:
        told = (self.body.get("extensions") or {}).get("disclosure") or {}
        found: Sequence[Mapping[str, Any]] = told.get("withheld", ())
        return found


class GatewayClient:
    """The runners of an enrolment against one gateway. Tokens are asked for when they are first needed, and kept.

    gateway_url: where it answers; the enrolment's where it is None.
    """

    def __init__(self, enrolment: Enrolment, gateway_url: str | None = None) -> None:
        self.enrolment = enrolment
        self.url = (gateway_url or enrolment.gateway_url).rstrip("/")
        self._http = httpx.AsyncClient(base_url=self.url, timeout=WAITS_S, trust_env=False)
        self._issuer: str | None = None
        self._tokens: dict[tuple[str, tuple[str, ...]], tuple[str, float]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None) -> None:
        await self._http.aclose()

    async def ask(
        self,
        partner: str,
        purpose: Purpose | None,
        document: str,
        variables: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Put an operation to the gateway under the scopes of this purpose; None: of all that the partner is granted.

        Raises Unreachable, NoToken, KeyError (no runner).
        """
        return await self.send(partner, purpose, {"query": document, "variables": dict(variables or {})})

    async def send(self, partner: str, purpose: Purpose | None, body: Mapping[str, Any]) -> Answer:
        """As `ask`, any body of GraphQL over HTTP."""
        token = await self.token(partner, purpose)
        headers = {"Authorization": f"Bearer {token}", "Accept": GRAPHQL_RESPONSE}
        response = await self._patiently("POST", "/graphql", json=body, headers=headers)
        try:
            found = response.json()
        except ValueError:
            raise Unreachable(f"{self.url} does not answer in JSON (status {response.status_code})") from None
        if not isinstance(found, dict):
            raise Unreachable(f"{self.url} does not answer as a gateway does")
        return Answer(response.status_code, found, response.text, dict(response.headers))

    async def token(self, partner: str, purpose: Purpose | None) -> str:
        """An access token for exactly the partner's scopes of this purpose; None: for all that it has.

        A token that names no scope is for all of them as well, so a purpose that the partner does not hold is none to ask for.
        """
        runner = self.enrolment.runners[partner]
        scopes = () if purpose is None else tuple(runner.scopes.get(purpose, ()))
        kept = self._tokens.get((partner, scopes))
        if kept is None or kept[1] <= time.monotonic():
            kept = self._tokens[partner, scopes] = await self._new_token(runner, scopes)
        return kept[0]

    async def _new_token(self, runner: Runner, scopes: tuple[str, ...]) -> tuple[str, float]:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": _assertion(runner, await self._issuer_of()),
            **({"scope": " ".join(scopes)} if scopes else {}),
        }
        response = await self._patiently("POST", "/oauth/token", data=form)
        found = _object(response)
        if response.status_code != httpx.codes.OK or "access_token" not in found:
            error = found.get("error")
            raise NoToken(f"{runner.partner}: {error if isinstance(error, str) else response.status_code}")
        return str(found["access_token"]), time.monotonic() + int(found["expires_in"]) - RENEWED_BEFORE_S

    async def _issuer_of(self) -> str:
        """Who assertions are for (FAPI 2.0 5.3.3): as the gateway itself says (RFC 8414)."""
        if self._issuer is None:
            found = _object(await self._patiently("GET", METADATA)).get("issuer")
            if not isinstance(found, str):
                raise Unreachable(f"{self.url} tells no issuer: it is no gateway")
            self._issuer = found
        return self._issuer

    async def _patiently(self, method: str, path: str, **content: Any) -> httpx.Response:
        """The answer; while the gateway says that it is busy (RFC 6585 4, RFC 9110 15.6.4) ask again when it says."""
        for attempt in range(BUSY_TRIES):
            try:
                response = await self._http.request(method, path, **content)
            except (httpx.HTTPError, httpx.InvalidURL):
                raise Unreachable(f"{self.url} cannot be reached") from None
            if response.status_code not in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
                return response
            named = response.headers.get("retry-after", "")
            if attempt + 1 < BUSY_TRIES and named.isdigit():
                await asyncio.sleep(min(int(named), WAITS_S))
            else:
                return response
        raise Unreachable(f"{self.url} is busy")


def _object(response: httpx.Response) -> Mapping[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _assertion(runner: Runner, issuer: str) -> str:
    """Says who the runner is (private_key_jwt, RFC 7523)."""
    key, now = ECKey.import_key({**runner.private_key_jwk}), int(time.time())
    claims = {
        "iss": runner.client_id,
        "sub": runner.client_id,
        "aud": issuer,
        "jti": secrets.token_urlsafe(32),
        "iat": now,
        "exp": now + ASSERTION_LIVES_FOR_S,
    }
    return jwt.encode({"alg": "ES256", "kid": runner.private_key_jwk["kid"]}, claims, key)
