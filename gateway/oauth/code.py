"""The authorization code grant with PKCE (RFC 6749 4.1.3, RFC 7636, OAuth 2.1 4.1.3).

A code is used up by the first attempt of anybody, good or bad: whoever holds a code without its verifier may not guess, and of
ten attempts at once one finds it unused. A second attempt ends everything that came of the first (RFC 6749 4.1.2).
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from hmac import compare_digest
from typing import Any, Final

from authlib.oauth2.rfc6749.errors import InvalidGrantError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from gateway.oauth.bridge import wait
from gateway.oauth.client import Client
from gateway.oauth.keys import AnyConnection
from gateway.oauth.resource import check_resource
from gateway.oauth.respond import END_FAMILY, Standing, Wanted, access_token, id_token, refresh_token, standing, wanted
from gateway.oauth.server import CLIENT_AUTH_METHODS, FormRequest, require

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")  # RFC 7636 4.1

# Locked, so that attempts at once come one after another. in: code_sha256 bytea
# row: authorization_code's columns, is_expired boolean; primary key
_TAKE = """
select c.family_id, c.grant_id, c.client_id, c.redirect_uri, c.code_challenge, c.nonce, c.dpop_jkt, c.scopes,
       c.details::text as details, c.session_id, c.acr, c.authenticated_at, c.redeemed_at,
       c.expires_at <= clock_timestamp() as is_expired
  from gateway.authorization_code c where c.code_sha256 = $1 for update"""

# in: code_sha256 bytea; row: none
_USE = "update gateway.authorization_code set redeemed_at = clock_timestamp() where code_sha256 = $1"


class AuthorizationCode(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib ships no types
    """A code for tokens."""

    GRANT_TYPE: Final = "authorization_code"
    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS

    request: FormRequest

    def validate_token_request(self) -> None:
        """Authenticate the client, settle its key, use the code up. Raises OAuth2Error."""
        client = self.request.client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError
        self.confirmation = self.server.confirmation(self.request, client)
        check_resource(self.request.payload.datalist.get("resource", ()), self.server.settings)
        form = self.request.form
        code, verifier, redirect_uri = (require(self.request, name) for name in ("code", "code_verifier", "redirect_uri"))
        self.nonce, self.stands = wait(
            _redeem(self.server.conn, client, code, verifier, redirect_uri, self.confirmation.get("jkt"))
        )
        self.wanted = wanted(self.stands, form)

    def create_token_response(self) -> tuple[int, dict[str, object], list[Any]]:
        """The response of RFC 6749 5.1."""
        return 200, wait(self._tokens(self.request.client)), []

    async def _tokens(self, client: Client) -> dict[str, object]:
        server, stands = self.server, self.stands
        body, minted = await access_token(
            server.conn, server.keys, server.settings, client, stands, self.wanted, self.confirmation
        )
        if "openid" in self.wanted.scopes:
            body["id_token"] = id_token(server.settings, client, stands, minted, self.nonce)
        if client.check_grant_type("refresh_token"):
            whole = Wanted(stands.scopes, stands.details)
            body["refresh_token"] = await refresh_token(
                server.conn, server.settings, client, stands, whole, self.confirmation.get("jkt")
            )
        return body


async def _redeem(
    conn: AnyConnection, client: Client, code: str, verifier: str, redirect_uri: str, jkt: str | None
) -> tuple[str | None, Standing]:
    """The nonce, and what the code stands for. Raises InvalidGrantError; the code is used up then as well."""
    digest = hashlib.sha256(code.encode()).digest()
    row = await conn.fetchrow(_TAKE, digest)
    if row is None:
        raise InvalidGrantError
    if row["redeemed_at"] is not None:
        await conn.execute(END_FAMILY, row["family_id"])
        raise InvalidGrantError
    await conn.execute(_USE, digest)
    if row["is_expired"] or row["client_id"] != client.client_id or row["redirect_uri"] != redirect_uri:
        raise InvalidGrantError
    if not _VERIFIER.fullmatch(verifier) or not compare_digest(_challenge(verifier), row["code_challenge"]):
        raise InvalidGrantError
    if row["dpop_jkt"] is not None and row["dpop_jkt"] != jkt:  # RFC 9449 10
        raise InvalidGrantError
    return row["nonce"], await standing(conn, row)


def _challenge(verifier: str) -> str:
    """S256 of RFC 7636 4.2."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
