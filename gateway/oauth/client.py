"""A registered client as Authlib's grants want to see it, with the scopes that its partner's live grants allow just now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from authlib.oauth2.rfc6749 import ClientMixin

from gateway.oauth import registration
from gateway.oauth.keys import AnyConnection

MANAGEMENT_SCOPES: Final = frozenset({"grant_management_query", "grant_management_revoke"})
"""Open nothing but what was given to this very client (Grant Management for OAuth 2.0, section 6); they have to be named."""

# Suspended and ended clients and partners are unknown here. A grant is live from starts_at up to ends_at, while the agreement
# that it rests on is in force; what it allows in the end is the gate's to say, on every query.
# in: client_id text
# row: client_id text, partner_id uuid, metadata text, is_resource_server boolean, read_at timestamptz, scopes text[]
# primary key of client; partner_grant_by_partner
_FIND = """
select c.client_id, c.partner_id, c.metadata::text as metadata, c.is_resource_server, statement_timestamp() as read_at,
       array(select distinct g.scope from gateway.partner_grant g
              where g.partner_id = c.partner_id and g.revoked_at is null
                and g.starts_at <= statement_timestamp() and g.ends_at > statement_timestamp()
                and p.agreement_starts_at <= statement_timestamp() and p.agreement_ends_at > statement_timestamp()) as scopes
  from gateway.client c join gateway.partner p using (partner_id)
 where c.client_id = $1 and c.status = 'active' and p.status = 'active'"""


@dataclass(frozen=True, slots=True)
class Client(ClientMixin):  # type: ignore[misc]  # Authlib ships no types
    """read_at: the database's clock when this was read, against which everything the client says about time is held."""

    client_id: str
    partner_id: UUID
    metadata: registration.ClientMetadata
    scopes: frozenset[str]
    is_resource_server: bool
    read_at: datetime

    @property
    def is_public(self) -> bool:
        """Whether it has nothing to prove itself by (RFC 6749 2.1)."""
        return self.metadata.token_endpoint_auth_method == "none"  # noqa: S105  # RFC 7591's word

    def get_client_id(self) -> str:
        """Authlib's name for `client_id`."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """None: OAuth 2.1 wants it in every request."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The scopes to issue for a request: all the client may have where it names none; None where it names one too many."""
        requested = registration.scope_tokens(scope or "")
        if requested is None or not requested <= self.scopes | MANAGEMENT_SCOPES:
            return None
        return " ".join(sorted(requested or self.scopes))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Registered ones only, compared as text (RFC 9700 2.1)."""
        return redirect_uri in self.metadata.redirect_uris

    def check_client_secret(self, _client_secret: str) -> bool:
        """There are no client secrets."""
        return False

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """One registered method, at every endpoint."""
        return method == self.metadata.token_endpoint_auth_method

    def check_response_type(self, response_type: str) -> bool:
        """Registered ones only."""
        return response_type in self.metadata.response_types

    def check_grant_type(self, grant_type: str) -> bool:
        """Registered ones only."""
        return grant_type in self.metadata.grant_types


async def find_client(conn: AnyConnection, client_id: str) -> Client | None:
    """The active client of this id, under an active partner; None for every other id, and where its metadata no longer holds."""
    row = await conn.fetchrow(_FIND, client_id)
    if row is None:
        return None
    try:
        metadata = registration.stored(row["metadata"])
    except registration.InvalidClientMetadata:
        return None
    live = frozenset(row["scopes"])
    # RFC 7591 2: a registered `scope` is all that this one of the partner's clients may ask for
    scopes = live if metadata.scopes is None else live & metadata.scopes
    return Client(row["client_id"], row["partner_id"], metadata, scopes, row["is_resource_server"], row["read_at"])
