"""Signing in with the platform's own OpenID provider (OpenID Connect Core 3.1): code, PKCE, nonce, and a state of this browser's.

Everything that can go wrong ends in the same page: what the provider said is nobody's business, and no help to the data subject.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, TypeGuard
from urllib.parse import urlencode
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError

from gateway.settings import Settings
from gateway.subject.provider import Provider, Unusable

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "Ed25519")
"""Signatures only, none that a shared secret makes; RS256 is the one that every provider has (Core 15.1)."""

LEEWAY_S: Final = 60.0
ISSUED_WITHIN_S: Final = 600.0
CALLBACK: Final = "/sign-in/upstream/callback"


class UpstreamRefused(Exception):
    """Nobody is signed in."""


@dataclass(frozen=True, slots=True, repr=False)
class Trip:
    """What one trip to the provider is held against when the browser comes back. max_age_s: how old its sign-in there may be."""

    state: str
    nonce: str
    verifier: str
    leads_to: str
    max_age_s: int

    @classmethod
    def new(cls, leads_to: str, max_age_s: int) -> Trip:
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), leads_to, max_age_s)

    @classmethod
    def kept(cls, state: Mapping[str, str]) -> Trip:
        return cls(state["state"], state["nonce"], state["verifier"], state["leads_to"], int(state["max_age_s"]))

    def to_keep(self) -> Mapping[str, str]:
        return {
            "state": self.state,
            "nonce": self.nonce,
            "verifier": self.verifier,
            "leads_to": self.leads_to,
            "max_age_s": str(self.max_age_s),
        }


@dataclass(frozen=True, slots=True)
class Person:
    """Who came back. authenticated_at: when it signed in there, by the provider's clock."""

    subject_id: UUID
    authenticated_at: datetime


class Upstream:
    """One for each worker."""

    def __init__(self, settings: Settings, callback: str = CALLBACK) -> None:
        self._settings, self._provider, self._callback = settings, Provider(settings), callback

    async def address(self, trip: Trip) -> str:
        """Where to send the browser. Raises UpstreamRefused where the provider cannot be read."""
        try:
            metadata = await self._provider.metadata()
        except Unusable:
            raise UpstreamRefused from None
        challenge = urlsafe_b64encode(sha256(trip.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._settings.upstream_client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid",
            "state": trip.state,
            "nonce": trip.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            # With max_age the provider has to say when its user signed in (Core 3.1.2.1): our step-up stands on that
            "max_age": str(trip.max_age_s),
        }
        if trip.max_age_s == 0:
            query["prompt"] = "login"
        return f"{metadata.authorization_endpoint}{'&' if '?' in metadata.authorization_endpoint else '?'}{urlencode(query)}"

    async def redeem(self, trip: Trip, query: Mapping[str, str], *, began_at: datetime, now: datetime) -> Person:
        """Which data subject the browser that came back is; otherwise as `claims`."""
        claims = await self.claims(trip, query, now=now)
        return Person(self._subject_id(claims), _authenticated_at(claims, trip, began_at, now))

    async def claims(self, trip: Trip, query: Mapping[str, str], *, now: datetime) -> Mapping[str, Any]:
        """What the provider says of who came back. query: of the callback. now: the database's. Raises UpstreamRefused."""
        if not hmac.compare_digest(query.get("state", "").encode(), trip.state.encode()) or not query.get("code"):
            raise UpstreamRefused
        try:
            metadata = await self._provider.metadata()
            # RFC 9207: an answer of another provider is not for us
            if query.get("iss", metadata.issuer) != metadata.issuer or ("iss" not in query and metadata.names_issuer):
                raise UpstreamRefused
            id_token = await self._provider.redeem(query["code"], trip.verifier, self._redirect_uri)
            claims = await self._claims(id_token)
        except Unusable:
            raise UpstreamRefused from None
        self._check(claims, trip, now)
        return claims

    @property
    def _redirect_uri(self) -> str:
        return self._settings.base_url + self._callback

    async def _claims(self, id_token: str) -> Mapping[str, Any]:
        """Its claims, the signature checked. A key id that is not known yet makes the keys be read again. Raises Unusable."""
        for is_again in (False, True):
            keys = await self._provider.keys(again=is_again)
            try:
                return jwt.decode(id_token, keys, algorithms=list(ALGORITHMS)).claims
            except (JoseError, ValueError, TypeError, KeyError):
                continue
        raise Unusable

    def _check(self, claims: Mapping[str, Any], trip: Trip, now: datetime) -> None:
        """Core 3.1.3.7, each of its rules that has a place here."""
        client_id, at = self._settings.upstream_client_id, now.timestamp()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        expires, issued = claims.get("exp"), claims.get("iat")
        holds = (
            claims.get("iss") == self._settings.upstream_issuer
            and client_id in audiences
            and (len(audiences) == 1 or claims.get("azp") == client_id)
            and claims.get("azp", client_id) == client_id
            and _is_number(expires)
            and at < expires + LEEWAY_S
            and _is_number(issued)
            and at - ISSUED_WITHIN_S <= issued <= at + LEEWAY_S
            and claims.get("nonce") == trip.nonce
            and bool(claims.get("sub"))
        )
        if not holds:
            raise UpstreamRefused

    def _subject_id(self, claims: Mapping[str, Any]) -> UUID:
        text = claims.get(self._settings.upstream_subject_claim)
        try:
            subject_id = UUID(text) if isinstance(text, str) else None
        except ValueError:
            subject_id = None
        if subject_id is None or str(subject_id) != str(text).lower():
            raise UpstreamRefused
        return subject_id


def _authenticated_at(claims: Mapping[str, Any], trip: Trip, began_at: datetime, now: datetime) -> datetime:
    """When the data subject signed in at the provider. Raises UpstreamRefused where that is not said, or too long ago."""
    at = claims.get("auth_time")
    if not _is_number(at) or not began_at.timestamp() - trip.max_age_s - LEEWAY_S <= at <= now.timestamp() + LEEWAY_S:
        raise UpstreamRefused
    return min(datetime.fromtimestamp(at, UTC), now)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
