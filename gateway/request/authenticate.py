"""Who asks: an `Authorization` header becomes a `Caller`, or a refusal.

Only what cannot change is settled here: that we signed the token, for this resource, in this shape; and, for a token that is
bound to a key or a certificate, that the request's sender has it. Whether the token has been revoked or has expired, whether
client, partner and grant stand, the gate's statement asks the database on every query; so a token that was verified once may be
remembered, and this worker's clock is only a first sieve.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from gateway.oauth import details, jose
from gateway.oauth.access_token import TYPE
from gateway.oauth.dpop import ALGORITHMS, Dpop
from gateway.oauth.keys import KeyStore, Source
from gateway.oauth.proxy import Proxies
from gateway.oauth.refusal import InvalidDpopProof, UseDpopNonce
from gateway.oauth.resource import resource_metadata_url, resource_url
from gateway.request.codes import STATUS, Code, GatewayError
from gateway.request.lru import Lru
from gateway.request.receive import Head
from gateway.settings import Settings

SKEW_S: Final = 10.0
TOKEN_MAX: Final = 8_192

_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750 2.1, RFC 9449 7.1
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")  # SHA-256, base64url
_ERROR: dict[Code, str] = {  # what a challenge calls it (RFC 6750 3.1, RFC 9449 7.1)
    Code.TOKEN_MISSING: "",
    Code.DPOP_PROOF_INVALID: "invalid_dpop_proof",
    Code.DPOP_NONCE_REQUIRED: "use_dpop_nonce",
}


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a token is bound to (RFC 7800): thumbprints of a key (RFC 9449 6.1) or of a certificate (RFC 8705 3.1), or both."""

    jkt: str | None
    x5t: str | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token it is. `scopes` are the token's own; is_bound: it reads one data subject only.

    categories: what `authorization_details` narrows the scopes to (RFC 9396); None: it is not narrowed. authenticated_at: when
    the data subject signed in, in seconds since the epoch. confirmation: what the sender must hold; None: the token is enough.
    """

    token_id: UUID
    client_id: str
    scopes: frozenset[str]
    is_bound: bool
    contract_run: bool
    expires_at: datetime
    categories: frozenset[str] | None = None
    authenticated_at: float | None = None
    confirmation: Confirmation | None = None

    def may_read(self, category: str) -> bool:
        """Whether the token's narrowing leaves it this category."""
        return self.categories is None or category in self.categories

    @property
    def has_key(self) -> bool:
        """Whether its token goes under the scheme DPoP."""
        return self.confirmation is not None and self.confirmation.jkt is not None


class Authenticator:
    """One for each worker. What it remembers is keyed by a hash of the token, so it holds no credential."""

    def __init__(
        self, settings: Settings, keys: KeyStore, source: Source | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        """source: where a connection for proofs can be had; without it, tokens that are bound to a key are refused.

        clock: seconds since the epoch.
        """
        self._issuer, self._audience = settings.issuer, resource_url(settings)
        self._metadata_url = resource_metadata_url(settings)
        self._keys, self._source, self._clock = keys, source, clock
        self._dpop, self._needs_nonce, self._proxies = Dpop(settings), settings.dpop_nonce_required, Proxies.of(settings)
        self._known: Lru[bytes, Caller] = Lru(settings.token_cache)

    async def authenticate(self, authorization: str | None, sender: Head | None = None) -> Caller:
        """The caller that a request's one `Authorization` header names (RFC 6750 2.1, RFC 9449 7.1; the scheme in any case).

        sender: the request, for tokens that are bound to a key or a certificate. Only these cost more than a look-up here: one
        statement where it is a key.

        Raises GatewayError: TOKEN_MISSING without a token, TOKEN_EXPIRED, DPOP_PROOF_INVALID, DPOP_NONCE_REQUIRED, TOKEN_INVALID
        for all the rest. A token in the body or the query never gets here.
        """
        scheme, _, text = (authorization or "").partition(" ")
        text, kind = text.strip(" "), scheme.lower()
        if kind not in ("bearer", "dpop"):
            raise self.refused(Code.TOKEN_MISSING)
        if len(text) > TOKEN_MAX or not _TOKEN68.fullmatch(text):
            raise self.refused(Code.TOKEN_INVALID, has_key=kind == "dpop")
        digest = hashlib.sha256(text.encode()).digest()
        caller = self._known.get(digest)
        if caller is None:
            caller = await self._verified(text, has_key=kind == "dpop")
            self._known.put(digest, caller)
        if caller.expires_at.timestamp() + SKEW_S <= self._clock():
            raise self.refused(Code.TOKEN_EXPIRED, has_key=caller.has_key)
        if caller.confirmation is not None or kind != "bearer":
            await self._confirm(caller, kind, text, sender)
        return caller

    def headers(self, caller: Caller) -> Mapping[str, str] | None:
        """What an answer to this caller carries beside the usual: the next nonce, so that no later request is sent twice."""
        return {"DPoP-Nonce": self._dpop.latest} if caller.has_key and self._dpop.latest is not None else None

    async def _confirm(self, caller: Caller, kind: str, text: str, sender: Head | None) -> None:
        """Hold the sender to what the token is bound to. A bound token under Bearer would be anybody's, and is nobody's."""
        bound = caller.confirmation
        if sender is None or caller.has_key != (kind == "dpop") or bound is None:
            raise self.refused(Code.TOKEN_INVALID, has_key=True)
        if bound.x5t is not None:
            peer = None if sender.peer is None else sender.peer[0]
            header = None if sender.certificate is None else sender.certificate.decode("latin-1")
            shown = self._proxies.certificate(header, peer)
            if shown is None or not hmac.compare_digest(jose.certificate_thumbprint(shown), bound.x5t):
                raise self.refused(Code.TOKEN_INVALID, has_key=caller.has_key)
        if bound.jkt is not None:
            await self._check_proof(bound.jkt, text, sender)

    async def _check_proof(self, jkt: str, text: str, sender: Head) -> None:
        if self._source is None:
            raise self.refused(Code.TOKEN_INVALID, has_key=True)
        header = None if sender.dpop is None else sender.dpop.decode("latin-1")
        try:
            async with self._source() as conn:
                proof = await self._dpop.check(
                    conn,
                    header,
                    method=sender.method,
                    url=self._audience,
                    access_token=text,
                    needs_nonce=self._needs_nonce,
                )
        except InvalidDpopProof as invalid:
            raise self.refused(Code.DPOP_PROOF_INVALID, has_key=True, fault=invalid.fault.value) from None
        except UseDpopNonce as challenged:
            raise self.refused(Code.DPOP_NONCE_REQUIRED, has_key=True, nonce=challenged.nonce) from None
        if not hmac.compare_digest(proof.jkt, jkt):
            raise self.refused(Code.TOKEN_INVALID, has_key=True)

    async def _verified(self, text: str, *, has_key: bool) -> Caller:
        try:
            token = jose.read(text)
        except jose.Malformed:
            raise self.refused(Code.TOKEN_INVALID, has_key=has_key) from None
        key = None if token.kid is None or not jose.has_type(token, TYPE) else await self._keys.find(token.kid)
        caller = self._caller(token.claims) if key is not None and jose.is_signed_by(token, key) else None
        if caller is None:
            raise self.refused(Code.TOKEN_INVALID, has_key=has_key)
        return caller

    def _caller(self, claims: Mapping[str, object]) -> Caller | None:
        """The claims of a token that we signed, as a caller; None where one of them is not as RFC 9068 section 4 asks."""
        subject, client_id, scope, token_id = (claims.get(name) for name in ("sub", "client_id", "scope", "jti"))
        expires, issued = jose.seconds(claims.get("exp")), jose.seconds(claims.get("iat"))
        if claims.get("iss") != self._issuer or claims.get("aud") != self._audience:
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
                categories=_categories(claims),
                authenticated_at=_authenticated_at(claims),
                confirmation=_confirmation(claims),
            )
        except (ValueError, OverflowError, OSError, details.InvalidAuthorizationDetails):
            return None

    def refused(self, code: Code, *, has_key: bool = False, fault: str | None = None, nonce: str | None = None) -> GatewayError:
        """A refusal of the token with its challenge; without a token there is no error to name (RFC 6750 3.1), and either scheme
        would do (RFC 9449 7.1).

        has_key: the token is bound to one, or was sent as if it were.
        """
        named = _ERROR.get(code, "invalid_token")
        error = f'error="{named}", ' if named else ""
        metadata = f'resource_metadata="{self._metadata_url}"'
        challenge = f'DPoP {error}algs="{ALGORITHMS}", {metadata}' if has_key else f"Bearer {error}{metadata}"
        if code is Code.TOKEN_MISSING:
            challenge += f', DPoP algs="{ALGORITHMS}"'
        headers = {"WWW-Authenticate": challenge}
        if nonce is not None:
            headers["DPoP-Nonce"] = nonce
        return GatewayError(code, headers=headers, extensions=None if fault is None else {"fault": fault})

    def challenged(self, error: GatewayError, caller: Caller | None) -> GatewayError:
        """An error of a later room, with the challenge that fits the caller's token, where its status asks for one.

        The gate's statement ends a token that was genuine: the challenge is the same, and only this room knows it.
        """
        if caller is None:
            return error
        challenge = error.headers.get("WWW-Authenticate")
        if challenge is None:
            return self.refused(error.code, has_key=caller.has_key) if STATUS[error.code] == 401 else error
        if not caller.has_key:
            return error
        told = challenge.replace("Bearer ", f'DPoP algs="{ALGORITHMS}", ', 1)
        return GatewayError(error.code, extensions=error.extensions, headers={**error.headers, "WWW-Authenticate": told})


def _categories(claims: Mapping[str, object]) -> frozenset[str] | None:
    """Raises InvalidAuthorizationDetails for a claim that is there and means nothing to us: that must not mean "not narrowed"."""
    return details.of_wire(claims["authorization_details"]).categories if "authorization_details" in claims else None


def _authenticated_at(claims: Mapping[str, object]) -> float | None:
    if "auth_time" not in claims:
        return None
    instant = jose.seconds(claims["auth_time"])
    if instant is None:
        raise ValueError
    return instant


def _confirmation(claims: Mapping[str, object]) -> Confirmation | None:
    """Raises ValueError for a binding that we cannot check: that must not mean "not bound" (RFC 7800 3.1)."""
    if "cnf" not in claims:
        return None
    members = claims["cnf"]
    if not isinstance(members, Mapping) or not members or not members.keys() <= {"jkt", "x5t#S256"}:
        raise ValueError
    if not all(isinstance(value, str) and _THUMBPRINT.fullmatch(value) for value in members.values()):
        raise ValueError
    return Confirmation(members.get("jkt"), members.get("x5t#S256"))
