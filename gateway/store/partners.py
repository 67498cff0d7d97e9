"""Partners and their clients (policy 6.2): who they are, where they process, under which agreement."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from gateway.oauth.registration import validate
from gateway.store.consents import PseudonymKeys, fold_all
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from scopes import Purpose, Role

REGISTER = question("partners", "register")
REGISTER_CLIENT = question("partners", "register_client")
FIND = question("partners", "find")
LIST = question("partners", "list")
SET_STATUS = question("partners", "set_status")
CHANGE_BASIS = question("partners", "change_basis")
PURPOSES_OF = question("partners", "purposes_of")


class PartnerError(Exception):
    """code: PARTNER_UNKNOWN, PARTNER_KNOWN, PARTNER_INVALID, CLIENT_KNOWN. The message holds names and ids, never data."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Registration:
    """What the agreement with a partner says. processing_location: ISO 3166-1 alpha-2; cross_border_mechanism: policy 9.5."""

    name: str
    legal_name: str
    contact: str
    role: Role
    kind: str
    processing_location: str
    agreement_starts_at: datetime
    agreement_ends_at: datetime
    cross_border_mechanism: str | None = None
    agreement_sha256: bytes | None = None


async def register(conn: AnyConnection, partner: Registration) -> UUID:
    """Make a partner known; it may nothing until it is granted a scope. Raises PartnerError: PARTNER_KNOWN, PARTNER_INVALID."""
    partner_id = uuid4()
    try:
        await conn.execute(
            REGISTER,
            partner_id,
            partner.name,
            partner.legal_name,
            partner.contact,
            partner.role.value,
            partner.kind,
            partner.processing_location,
            partner.cross_border_mechanism,
            partner.agreement_sha256,
            partner.agreement_starts_at,
            partner.agreement_ends_at,
        )
    except asyncpg.UniqueViolationError:
        raise PartnerError("PARTNER_KNOWN", "a partner of this name is registered") from None
    except asyncpg.CheckViolationError:
        raise PartnerError("PARTNER_INVALID", "name, location or mechanism is not one that can be") from None
    return partner_id


async def register_client(
    conn: AnyConnection, *, partner_id: UUID, metadata: Mapping[str, object], is_contract_runner: bool = False
) -> str:
    """Register a client of a partner from its RFC 7591 metadata; returns the client_id.

    is_contract_runner: its tokens see synthetic data subjects only. Raises InvalidClientMetadata, and PartnerError: CLIENT_KNOWN,
    PARTNER_UNKNOWN.
    """
    client = validate(metadata)
    try:
        await conn.execute(REGISTER_CLIENT, client.client_id, partner_id, client.document, is_contract_runner)
    except asyncpg.UniqueViolationError:
        raise PartnerError("CLIENT_KNOWN", "a client of this client_id is registered") from None
    except asyncpg.ForeignKeyViolationError:
        raise PartnerError("PARTNER_UNKNOWN", "no such partner") from None
    return client.client_id


async def find(conn: AnyConnection, name: str) -> UUID:
    """The id of a partner by its registered name. Raises PartnerError PARTNER_UNKNOWN."""
    partner_id: UUID | None = await conn.fetchval(FIND, name)
    if partner_id is None:
        raise PartnerError("PARTNER_UNKNOWN", "no partner of this name")
    return partner_id


async def everyone(conn: AnyConnection) -> list[Mapping[str, Any]]:
    """Every partner with its clients and grants, by name."""
    return [{**row, "clients": json.loads(row["clients"]), "grants": json.loads(row["grants"])} for row in await conn.fetch(LIST)]


async def set_status(conn: AnyConnection, *, partner_id: UUID, status: str) -> None:
    """active, suspended or ended; what is not active gets nothing from the next statement on."""
    try:
        changed = await conn.fetchval(SET_STATUS, partner_id, status)
    except asyncpg.CheckViolationError:
        raise PartnerError("PARTNER_INVALID", "status is not one that can be") from None
    if changed is None:
        raise PartnerError("PARTNER_UNKNOWN", "no such partner")


async def change_basis(
    conn: AnyConnection,
    keys: PseudonymKeys,
    *,
    partner_id: UUID,
    role: Role,
    processing_location: str,
    cross_border_mechanism: str | None,
) -> None:
    """Record that a partner's role, location or mechanism has changed, and fold anew what its data subjects' evidence covers.

    Until a subject is folded anew the partner sees nothing of it (policy 6.2, 8.1). Raises PartnerError.
    """
    try:
        changed = await conn.fetchval(CHANGE_BASIS, partner_id, role.value, processing_location, cross_border_mechanism)
    except asyncpg.CheckViolationError:
        raise PartnerError("PARTNER_INVALID", "location or mechanism is not one that can be") from None
    if changed is None:
        raise PartnerError("PARTNER_UNKNOWN", "no such partner")
    for row in await conn.fetch(PURPOSES_OF, partner_id):
        await fold_all(conn, keys, partner_id=partner_id, purpose=Purpose(row["purpose"]))
