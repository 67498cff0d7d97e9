"""Who asks: an `Authorization` header becomes a `Caller`, or a refusal.

Only what cannot change is settled here: that we signed the token, for this resource, in this shape. Whether it has been revoked
or has expired, whether client, partner and grant stand, the gate's statement asks the database on every query; so a token that
was verified once may be remembered, and this worker's clock is only a first sieve.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from gateway.oauth import jose
from gateway.oauth.access_token import TYPE
from gateway.oauth.keys import KeyStore
from gateway.oauth.metadata import resource_metadata_url
from gateway.oauth.resource import resource_url
from gateway.request.codes import Code, GatewayError
from gateway.request.lru import Lru
from gateway.settings import Settings

SKEW_S: Final = 10.0
TOKEN_MAX: Final = 8_192

_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750 2.1, b64token


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token it is. `scopes` are the token's own; is_bound: it reads one data subject only."""

    token_id: UUID
    client_id: str
    scopes: frozenset[str]
    is_bound: bool
    contract_run: bool
    expires_at: datetime


class Authenticator:
    """One for each worker. What it remembers is keyed by a hash of the token, so it holds no credential."""

    def __init__(self, settings: Settings, keys: KeyStore, *, clock: Callable[[], float] = time.time) -> None:
        """clock: seconds since the epoch."""
        self._issuer, self._audience = settings.issuer, resource_url(settings)
        self._metadata_url = resource_metadata_url(settings)
        self._keys, self._clock = keys, clock
        self._known: Lru[bytes, Caller] = Lru(settings.token_cache)

    async def authenticate(self, authorization: str | None) -> Caller:
        """The caller that a request's one `Authorization` header names (RFC 6750 2.1; the scheme in any case).

        Raises GatewayError: TOKEN_MISSING without a bearer token, TOKEN_EXPIRED, TOKEN_INVALID for all the rest. A token in the
        body or the query never gets here, and a sender-constrained one (`cnf`) is worth nothing as a bearer token.
        """
        scheme, _, text = (authorization or "").partition(" ")
        text = text.strip(" ")
        if scheme.lower() != "bearer":
            raise self.refused(Code.TOKEN_MISSING)
        if len(text) > TOKEN_MAX or not _BEARER.fullmatch(text):
            raise self.refused(Code.TOKEN_INVALID)
        digest = hashlib.sha256(text.encode()).digest()
        caller = self._known.get(digest)
        if caller is None:
            caller = await self._verified(text)
            self._known.put(digest, caller)
        if caller.expires_at.timestamp() + SKEW_S <= self._clock():
            raise self.refused(Code.TOKEN_EXPIRED)
        return caller

    async def _verified(self, text: str) -> Caller:
        try:
            token = jose.read(text)
        except jose.Malformed:
            raise self.refused(Code.TOKEN_INVALID) from None
        key = None if token.kid is None or not jose.has_type(token, TYPE) else await self._keys.find(token.kid)
        if key is None or not jose.is_signed_by(token, key):
            raise self.refused(Code.TOKEN_INVALID)
        caller = self._caller(token)
        if caller is None:
            raise self.refused(Code.TOKEN_INVALID)
        return caller

    def _caller(self, token: jose.Unverified) -> Caller | None:
        """The claims of a token that we signed, as a caller; None where one of them is not as RFC 9068 section 4 asks."""
        claims = token.claims
        subject, client_id, scope, token_id = (claims.get(name) for name in ("sub", "client_id", "scope", "jti"))
        expires, issued = jose.seconds(claims.get("exp")), jose.seconds(claims.get("iat"))
        if claims.get("iss") != self._issuer or claims.get("aud") != self._audience or "cnf" in claims:
            return None
        if expires is None or issued is None or issued > self._clock() + SKEW_S:
            return None
        if not (isinstance(subject, str) and isinstance(client_id, str) and isinstance(scope, str) and isinstance(token_id, str)):
            return None
        try:
            return Caller(
                token_id=UUID(token_id),
                client_id=client_id,
                scopes=frozenset(scope.split()),
                is_bound=subject != client_id,
                contract_run=claims.get("contract_run") is True,
                expires_at=datetime.fromtimestamp(expires, UTC),
            )
        except (ValueError, OverflowError, OSError):
            return None

    def refused(self, code: Code) -> GatewayError:
        """A refusal of the token with its challenge; without a token there is no error to name (RFC 6750 3.1)."""
        error = "" if code is Code.TOKEN_MISSING else 'error="invalid_token", '
        challenge = f'Bearer {error}resource_metadata="{self._metadata_url}"'
        return GatewayError(code, headers={"WWW-Authenticate": challenge})
