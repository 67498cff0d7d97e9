"""The introspection endpoint (RFC 7662): whether a token still stands, by the rows that the gate reads.

A client may ask about its own tokens, a resource server (`gateway.client.is_resource_server`) about all. Everything else, a
stranger's token among it, is `active: false` and no more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from authlib.oauth2 import OAuth2Error
from starlette.responses import Response

from gateway.oauth.bridge import wait
from gateway.oauth.client import Client
from gateway.oauth.client_authentication import CONFIDENTIAL_METHODS
from gateway.oauth.revocation import issued_claims
from gateway.oauth.server import AuthorizationServer, FormRequest, require

PATH: Final = "/oauth/introspect"
INACTIVE: Final[Mapping[str, object]] = {"active": False}

# in: token_id uuid; row: client_id text; none: not standing. primary keys of access_token, client, partner
_STANDS = """
select t.client_id from gateway.access_token t join gateway.client c using (client_id) join gateway.partner p using (partner_id)
 where t.token_id = $1 and t.revoked_at is null and t.expires_at > statement_timestamp()
   and c.status = 'active' and p.status = 'active'"""

# in: token_sha256 bytea; row: client_id text, scopes text[], issued_at, expires_at timestamptz; none: not standing
# primary keys of refresh_token, authorization_grant
_REFRESH_STANDS = """
select r.client_id, r.scopes, r.issued_at, r.expires_at
  from gateway.refresh_token r join gateway.authorization_grant g using (grant_id)
 where r.token_sha256 = $1 and r.revoked_at is null and r.used_at is null and r.expires_at > statement_timestamp()
   and g.revoked_at is null and coalesce(g.ends_at > statement_timestamp(), true)"""


def answer(server: AuthorizationServer, request: FormRequest) -> Response:
    """The answer to an introspection request; it runs under the bridge."""
    try:
        client: Client = server.authenticate_client(request, CONFIDENTIAL_METHODS, "introspection")
        text = require(request, "token")
        return server.handle_response(200, wait(_introspect(server, client, text)), [])
    except OAuth2Error as error:
        return server.handle_error_response(request, error)


async def _introspect(server: AuthorizationServer, client: Client, text: str) -> Mapping[str, object]:
    claims = await issued_claims(server, text)
    if claims is not None:
        issued_to = await server.conn.fetchval(_STANDS, UUID(str(claims["jti"])))
        return {"active": True, "token_type": _token_type(claims), **claims} if _may_ask(client, issued_to) else INACTIVE
    row = await server.conn.fetchrow(_REFRESH_STANDS, hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    if row is None or not _may_ask(client, row["client_id"]):
        return INACTIVE
    return {
        "active": True,
        "client_id": row["client_id"],
        "scope": " ".join(row["scopes"]),
        "iss": server.settings.issuer,
        "iat": int(row["issued_at"].timestamp()),
        "exp": int(row["expires_at"].timestamp()),
    }


def _may_ask(client: Client, issued_to: str | None) -> bool:
    return issued_to is not None and (client.is_resource_server or client.client_id == issued_to)


def _token_type(claims: Mapping[str, Any]) -> str:
    cnf = claims.get("cnf")
    return "DPoP" if isinstance(cnf, Mapping) and "jkt" in cnf else "Bearer"
