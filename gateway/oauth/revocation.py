"""The revocation endpoint (RFC 7009). A revoked token is refused by the next query in any worker: the gate reads the row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from authlib.oauth2.rfc7009 import RevocationEndpoint
from starlette.responses import Response

from gateway.oauth import jose
from gateway.oauth.access_token import TYPE
from gateway.oauth.bridge import wait
from gateway.oauth.client import Client
from gateway.oauth.respond import END_FAMILY
from gateway.oauth.server import CLIENT_AUTH_METHODS, AuthorizationServer, FormRequest, require

PATH: Final = "/oauth/revoke"

# in: token_id uuid; row: client_id text; primary key of access_token
_OWNER = "select client_id from gateway.access_token where token_id = $1"

# The first revocation's instant stays. in: token_id uuid; primary key of access_token
_REVOKE = "update gateway.access_token set revoked_at = clock_timestamp() where token_id = $1 and revoked_at is null"

# in: token_sha256 bytea; row: client_id text, family_id uuid; primary key of refresh_token
_FAMILY = "select client_id, family_id from gateway.refresh_token where token_sha256 = $1"


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token that was issued, and to whom: an access token by its id, a refresh token by all that came from the same code."""

    client_id: str
    token_id: UUID | None = None
    family_id: UUID | None = None

    def check_client(self, client: Client) -> bool:
        """Whether it was issued to this client (RFC 7009 2.1)."""
        return self.client_id == client.client_id


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib ships no types
    """Authlib's endpoint over gateway.access_token and gateway.refresh_token."""

    CLIENT_AUTH_METHODS = CLIENT_AUTH_METHODS

    def check_params(self, request: FormRequest, _client: Client) -> None:
        """`token` must be there; a hint that means nothing to us is no error (RFC 7009 2.1). Raises InvalidRequest."""
        require(request, "token")

    def query_token(self, token_string: str, _hint: str | None) -> StoredToken | None:
        """The stored token that this text is. None for what we never issued: revoking that succeeds at once (RFC 7009 2.2)."""
        return wait(_find(self.server, token_string))

    def revoke_token(self, token: StoredToken, _request: FormRequest) -> None:
        """Revoke it, for good; with a refresh token all access tokens of its family (RFC 7009 2.1)."""
        if token.family_id is not None:
            wait(self.server.conn.execute(END_FAMILY, token.family_id))
        else:
            wait(self.server.conn.execute(_REVOKE, token.token_id))


async def _find(server: AuthorizationServer, text: str) -> StoredToken | None:
    claims = await issued_claims(server, text)
    if claims is None:
        row = await server.conn.fetchrow(_FAMILY, hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
        return None if row is None else StoredToken(row["client_id"], family_id=row["family_id"])
    token_id = UUID(str(claims["jti"]))  # the signature is ours, and so is what it covers
    client_id = await server.conn.fetchval(_OWNER, token_id)
    return None if client_id is None else StoredToken(client_id, token_id)


async def issued_claims(server: AuthorizationServer, text: str) -> Mapping[str, object] | None:
    """The claims of an access token that this server signed, whether or not it still stands; None for every other text."""
    try:
        token = jose.read(text)
    except jose.Malformed:
        return None
    key = None if token.kid is None else await server.keys.find(token.kid, server.conn)
    if key is None or not jose.has_type(token, TYPE) or not jose.is_signed_by(token, key):
        return None
    return token.claims


def answer(server: AuthorizationServer, request: FormRequest) -> Response:
    """The answer to a revocation request; it runs under the bridge."""
    server.register_endpoint(Revocation)
    response: Response = server.create_endpoint_response(Revocation.ENDPOINT_NAME, request)
    return response
