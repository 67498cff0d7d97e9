"""Makes the demo's partners, scopes, grants and clients known to the gateway, as staff would."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from gateway.demo.partners import AGREED_AT, AGREED_UNTIL, PARTNERS, RETENTION, DemoPartner, DemoScope
from gateway.oauth.registration import validate
from gateway.stewardship.content import DUTIES_NEEDED
from gateway.store import grants, partners
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Connection
from scopes import CatalogueField

# in:  client_id text
# row: partner_id uuid
# client_pkey
_HOLDER: Final = "select partner_id from gateway.client where client_id = $1"

# A demo whose demo.json was removed hands out new keys.
# in:  client_id text, metadata jsonb
_RENEW: Final = "update gateway.client set metadata = $2::jsonb where client_id = $1 and metadata <> $2::jsonb"


# policy 6.2. in:  partner_id uuid, duties text[]
_BIND: Final = "update gateway.partner set duties = $2 where partner_id = $1"


class ClientTaken(Exception):
    """Another partner's client has that name."""


async def register_partners(conn: Connection, keys: PseudonymKeys, catalogue: Mapping[str, CatalogueField]) -> Mapping[str, UUID]:
    """All of them, with their scopes and grants. Returns their ids by name."""
    found: dict[str, UUID] = {}
    for partner in PARTNERS:
        found[partner.name] = await _register(conn, partner)
        if partner.scope is not None:
            await _grant(conn, keys, found[partner.name], partner.scope, catalogue)
    return found


async def register_client(conn: Connection, *, partner_id: UUID, metadata: Mapping[str, Any]) -> None:
    """Register a client (RFC 7591), or renew one that the partner has. Raises InvalidClientMetadata, ClientTaken."""
    checked = validate(metadata)
    holder = await conn.fetchval(_HOLDER, checked.client_id)
    if holder is None:
        await partners.register_client(conn, partner_id=partner_id, client=checked)
    elif holder == partner_id:
        await conn.execute(_RENEW, checked.client_id, checked.document)
    else:
        raise ClientTaken("a client_id belongs to another partner")


async def _register(conn: Connection, partner: DemoPartner) -> UUID:
    partner_id = await partners.register(
        conn,
        name=partner.name,
        legal_name=partner.legal_name,
        contact=partner.contact,
        role=partner.role,
        kind=partner.kind,
        processing_location=partner.location,
        agreement_starts_at=AGREED_AT,
        agreement_ends_at=AGREED_UNTIL,
        cross_border_mechanism=partner.mechanism,
    )
    await conn.execute(_BIND, partner_id, sorted(DUTIES_NEEDED))
    return partner_id


async def _grant(
    conn: Connection, keys: PseudonymKeys, partner_id: UUID, scope: DemoScope, catalogue: Mapping[str, CatalogueField]
) -> None:
    fields = {field.path: field.rule for field in scope.fields}
    version = await grants.propose(conn, scope=scope.name, purpose=scope.purpose, fields=fields)
    await grants.activate(conn, scope=scope.name, version=version, catalogue=catalogue)
    await grants.give(
        conn,
        keys,
        partner_id=partner_id,
        scope=scope.name,
        starts_at=AGREED_AT,
        ends_at=AGREED_UNTIL,
        retention=RETENTION,
    )
