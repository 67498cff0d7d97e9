"""The revocation endpoint (RFC 7009). A revoked token is refused by the next query in any worker: the gate reads the row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from authlib.oauth2.rfc7009 import RevocationEndpoint
from starlette.responses import Response

from gateway.oauth import jose
from gateway.oauth.access_token import TYPE
from gateway.oauth.bridge import wait
from gateway.oauth.client import Client
from gateway.oauth.client_assertion import METHOD
from gateway.oauth.server import AuthorizationServer, FormRequest, require

PATH: Final = "/oauth/revoke"

# in: token_id uuid; row: client_id text; primary key of access_token
_OWNER = "select client_id from gateway.access_token where token_id = $1"

# The first revocation's instant stays. in: token_id uuid; primary key of access_token
_REVOKE = "update gateway.access_token set revoked_at = clock_timestamp() where token_id = $1 and revoked_at is null"


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token that was issued, and to whom."""

    token_id: UUID
    client_id: str

    def check_client(self, client: Client) -> bool:
        """Whether it was issued to this client (RFC 7009 2.1)."""
        return self.client_id == client.client_id


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib ships no types
    """Authlib's endpoint over gateway.access_token."""

    CLIENT_AUTH_METHODS = [METHOD]  # noqa: RUF012  # Authlib's attribute

    def check_params(self, request: FormRequest, _client: Client) -> None:
        """`token` must be there; a hint that means nothing to us is no error (RFC 7009 2.1). Raises InvalidRequest."""
        require(request, "token")

    def query_token(self, token_string: str, _hint: str | None) -> StoredToken | None:
        """The stored token that this text is. None for what we never issued: revoking that succeeds at once (RFC 7009 2.2)."""
        return wait(_find(self.server, token_string))

    def revoke_token(self, token: StoredToken, _request: FormRequest) -> None:
        """Revoke it, for good."""
        wait(self.server.conn.execute(_REVOKE, token.token_id))


async def _find(server: AuthorizationServer, text: str) -> StoredToken | None:
    try:
        token = jose.read(text)
    except jose.Malformed:
        return None
    key = None if token.kid is None else await server.keys.find(token.kid, server.conn)
    if key is None or not jose.has_type(token, TYPE) or not jose.is_signed_by(token, key):
        return None
    token_id = UUID(str(token.claims["jti"]))  # the signature is ours, and so is what it covers
    client_id = await server.conn.fetchval(_OWNER, token_id)
    return None if client_id is None else StoredToken(token_id, client_id)


def answer(server: AuthorizationServer, request: FormRequest) -> Response:
    """The answer to a revocation request; it runs under the bridge."""
    server.register_endpoint(Revocation)
    response: Response = server.create_endpoint_response(Revocation.ENDPOINT_NAME, request)
    return response
