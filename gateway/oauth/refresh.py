"""The refresh token grant (RFC 6749 6, RFC 9700 4.14).

A confidential client's refresh token is bound to the client, and to the DPoP key it was issued under, and stays what it is: FAPI
2.0 Security Profile 5.3.2.1 forbids rotation. A public client's is rotated; a used one that comes again ends the whole family,
except that an answer which got lost can be asked for once more, within seconds, by the same key, while nobody has used it.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Final

from asyncpg import Record
from authlib.oauth2.rfc6749.errors import InvalidGrantError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from gateway.oauth.bridge import wait
from gateway.oauth.client import Client
from gateway.oauth.keys import AnyConnection
from gateway.oauth.resource import check_resource
from gateway.oauth.respond import END_FAMILY, Standing, Wanted, access_token, id_token, refresh_token, standing, wanted
from gateway.oauth.server import CLIENT_AUTH_METHODS, FormRequest, require

RETRY_WITHIN: Final = timedelta(seconds=10)

# The whole family is locked, so that of two attempts the second sees what the first has done.
# in: token_sha256 bytea; row: refresh_token's columns, is_expired, may_retry boolean; primary key, refresh_token_by_family
_TAKE = """
with found as (select family_id from gateway.refresh_token where token_sha256 = $1),
     family as (select r.* from gateway.refresh_token r where r.family_id = (select family_id from found) for update of r)
select f.family_id, f.grant_id, f.client_id, f.scopes, f.details::text as details, f.dpop_jkt, f.session_id, f.acr,
       f.authenticated_at, f.used_at, f.revoked_at, f.expires_at <= clock_timestamp() as is_expired,
       f.used_at > clock_timestamp() - $2::interval and f.retried_at is null and f.dpop_jkt is not null
       and not exists (select from family n where n.issued_at >= f.used_at and n.used_at is not null) as may_retry
  from family f where f.token_sha256 = $1"""

# in: token_sha256 bytea; row: none
_USE = "update gateway.refresh_token set used_at = clock_timestamp() where token_sha256 = $1"

# The answer that got lost: its tokens end before new ones take their place. in: token_sha256 bytea, family_id uuid; row: none
_RETRY = """
with again as (
    update gateway.refresh_token set retried_at = clock_timestamp() where token_sha256 = $1 returning used_at
), lost as (
    update gateway.refresh_token n set revoked_at = clock_timestamp() from again
     where n.family_id = $2 and n.issued_at >= again.used_at and n.token_sha256 <> $1
)
update gateway.access_token t set revoked_at = clock_timestamp() from again
 where t.family_id = $2 and t.issued_at >= date_trunc('second', again.used_at) and t.revoked_at is null"""


class RefreshToken(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib ships no types
    """A refresh token for an access token."""

    GRANT_TYPE: Final = "refresh_token"
    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS

    request: FormRequest

    def validate_token_request(self) -> None:
        """Authenticate the client, settle its key, find what still stands. Raises OAuth2Error."""
        client = self.request.client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError
        self.confirmation = self.server.confirmation(self.request, client)
        check_resource(self.request.payload.datalist.get("resource", ()), self.server.settings)
        text = require(self.request, "refresh_token")
        self.digest = hashlib.sha256(text.encode()).digest()
        self.stands, self.whole = wait(_take(self.server.conn, client, self.digest, self.confirmation.get("jkt")))
        self.wanted = wanted(self.stands, self.request.form)

    def create_token_response(self) -> tuple[int, dict[str, object], list[Any]]:
        """The response of RFC 6749 5.1; with a new refresh token for public clients only."""
        return 200, wait(self._tokens(self.request.client)), []

    async def _tokens(self, client: Client) -> dict[str, object]:
        server = self.server
        body, minted = await access_token(
            server.conn, server.keys, server.settings, client, self.stands, self.wanted, self.confirmation
        )
        if "openid" in self.wanted.scopes:
            body["id_token"] = id_token(server.settings, client, self.stands, minted, None)
        if client.is_public:
            jkt = self.confirmation.get("jkt")
            body["refresh_token"] = await refresh_token(server.conn, server.settings, client, self.stands, self.whole, jkt)
        return body


async def _take(conn: AnyConnection, client: Client, digest: bytes, jkt: str | None) -> tuple[Standing, Wanted]:
    """What the refresh token stands for now, and what it was issued for. Raises InvalidGrantError."""
    row = await conn.fetchrow(_TAKE, digest, RETRY_WITHIN)
    if row is None or row["client_id"] != client.client_id or row["is_expired"]:
        raise InvalidGrantError
    if row["dpop_jkt"] is not None and row["dpop_jkt"] != jkt:
        raise InvalidGrantError
    if row["revoked_at"] is not None:
        if client.is_public:
            await conn.execute(END_FAMILY, row["family_id"])
        raise InvalidGrantError
    stands = await standing(conn, row)
    if client.is_public:
        await _rotate(conn, row, digest)
    return stands, Wanted(stands.scopes, stands.details)


async def _rotate(conn: AnyConnection, row: Record, digest: bytes) -> None:
    if row["used_at"] is None:
        await conn.execute(_USE, digest)
    elif row["may_retry"]:
        await conn.execute(_RETRY, digest, row["family_id"])
    else:
        await conn.execute(END_FAMILY, row["family_id"])
        raise InvalidGrantError
