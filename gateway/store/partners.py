"""Partners and their clients (policy 6.2): who they are, where they process, under which agreement."""

import json
from collections.abc import Mapping
from datetime import datetime
from types import EllipsisType
from typing import Any, Final, Protocol
from uuid import UUID, uuid4

import asyncpg

from gateway.store.consents import PseudonymKeys, fold_all
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from scopes import Purpose, Role

REGISTER = question("partners", "register")
REGISTER_CLIENT = question("partners", "register_client")
FIND = question("partners", "find")
STATUS_OF = question("partners", "status_of")
LIST = question("partners", "list")
SET_STATUS = question("partners", "set_status")
LOCK_EVERYBODY = question("partners", "lock_everybody")
BASIS_OF = question("partners", "basis_of")
CHANGE_BASIS = question("partners", "change_basis")
PURPOSES_OF = question("partners", "purposes_of")

# policy 6.2: whom the controller may entrust with processing
KINDS: Final = frozenset(
    {"vendor", "contractor", "agent", "advertising_partner", "app_developer", "messaging_provider", "map_provider"}
)


class PartnerError(Exception):
    """code: PARTNER_UNKNOWN, PARTNER_KNOWN, PARTNER_INVALID, PARTNER_ENDED, CLIENT_KNOWN. The message never holds data."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class CheckedClient(Protocol):
    """RFC 7591 metadata that has been checked: what `gateway.oauth.registration.validate` returns.

    document: the normalised metadata as JSON text, without any secret.
    """

    @property
    def client_id(self) -> str: ...

    @property
    def document(self) -> str: ...


async def register(
    conn: AnyConnection,
    *,
    name: str,
    legal_name: str,
    contact: str,
    role: Role,
    kind: str,
    processing_location: str,
    agreement_starts_at: datetime,
    agreement_ends_at: datetime,
    cross_border_mechanism: str | None = None,
    agreement_sha256: bytes | None = None,
) -> UUID:
    """Make a partner known; it may nothing until it is granted a scope.

    processing_location: ISO 3166-1 alpha-2. cross_border_mechanism: assessment, standard_contract or certification (policy 9.5).
    Raises PartnerError: PARTNER_KNOWN, PARTNER_INVALID (a processor is of one of KINDS, an agreement ends after it starts).
    """
    if agreement_ends_at <= agreement_starts_at or (role is Role.PROCESSOR and kind not in KINDS):
        raise PartnerError("PARTNER_INVALID", "kind or agreement is not one that can be")
    partner_id = uuid4()
    described = (name, legal_name, contact, role.value, kind, processing_location, cross_border_mechanism)
    try:
        async with conn.transaction():
            await conn.execute(REGISTER, partner_id, *described, agreement_sha256, agreement_starts_at, agreement_ends_at)
    except asyncpg.UniqueViolationError:
        raise PartnerError("PARTNER_KNOWN", "a partner of this name is registered") from None
    except asyncpg.CheckViolationError:
        raise PartnerError("PARTNER_INVALID", "name, location or mechanism is not one that can be") from None
    return partner_id


async def register_client(
    conn: AnyConnection, *, partner_id: UUID, client: CheckedClient, is_contract_runner: bool = False
) -> str:
    """Register a client of a partner; returns the client_id. is_contract_runner: its tokens see synthetic data subjects only.

    Raises PartnerError: CLIENT_KNOWN, PARTNER_UNKNOWN.
    """
    try:
        async with conn.transaction():
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
        raise PartnerError("PARTNER_UNKNOWN", "no partner of this name is registered")
    return partner_id


async def everyone(conn: AnyConnection) -> list[Mapping[str, Any]]:
    """Every partner with its clients and its grants that have neither ended nor been revoked, by name."""
    return [{**row, "clients": json.loads(row["clients"]), "grants": json.loads(row["grants"])} for row in await conn.fetch(LIST)]


async def set_status(conn: AnyConnection, *, partner_id: UUID, status: str) -> None:
    """active, suspended or ended; nothing goes to a partner that is not active, from the next statement on.

    Raises PartnerError: PARTNER_UNKNOWN, PARTNER_INVALID, PARTNER_ENDED (what has ended with a partner does not begin again).
    """
    try:
        async with conn.transaction():
            if await conn.fetchval(SET_STATUS, partner_id, status) is not None:
                return
    except asyncpg.CheckViolationError:
        raise PartnerError("PARTNER_INVALID", "status is not one that can be") from None
    if await conn.fetchval(STATUS_OF, partner_id) is None:
        raise PartnerError("PARTNER_UNKNOWN", "no such partner")
    raise PartnerError("PARTNER_ENDED", "this partner has been ended")


async def change_basis(
    conn: AnyConnection,
    keys: PseudonymKeys,
    *,
    partner_id: UUID,
    role: Role | None = None,
    processing_location: str | None = None,
    cross_border_mechanism: str | EllipsisType | None = ...,
) -> None:
    """Record that a partner's role, location or mechanism has changed, and fold anew what its data subjects' evidence covers.

    What is left out stays as it is; None as the mechanism takes it away. Raises PartnerError: PARTNER_UNKNOWN, PARTNER_INVALID.
    """
    is_other = await record_basis(
        conn,
        partner_id=partner_id,
        role=role,
        processing_location=processing_location,
        cross_border_mechanism=cross_border_mechanism,
    )
    if is_other:
        await fold_for(conn, keys, partner_id=partner_id)


async def record_basis(
    conn: AnyConnection,
    *,
    partner_id: UUID,
    role: Role | None = None,
    processing_location: str | None = None,
    cross_border_mechanism: str | EllipsisType | None = ...,
) -> bool:
    """The record alone, for who calls `fold_for` once it is committed; whether anything has changed. Until a data subject is
    folded anew the partner sees nothing of it (policy 6.2, 8.1). Raises PartnerError as `change_basis`.
    """
    async with conn.transaction():
        # Nobody is being folded by the old rules when the new ones commit: such a row would be unreadable until the next fold
        await conn.execute(LOCK_EVERYBODY)
        row = await conn.fetchrow(BASIS_OF, partner_id)
        if row is None:
            raise PartnerError("PARTNER_UNKNOWN", "no such partner")
        wanted = (
            row["role"] if role is None else role.value,
            row["processing_location"] if processing_location is None else processing_location,
            row["cross_border_mechanism"] if isinstance(cross_border_mechanism, EllipsisType) else cross_border_mechanism,
        )
        if wanted == tuple(row)[:3]:
            return False
        if wanted[0] == Role.PROCESSOR and row["kind"] not in KINDS:
            raise PartnerError("PARTNER_INVALID", "a partner of this kind cannot be a processor")
        try:
            await conn.execute(CHANGE_BASIS, partner_id, *wanted)
        except asyncpg.CheckViolationError:
            raise PartnerError("PARTNER_INVALID", "location or mechanism is not one that can be") from None
    return True


async def fold_for(conn: AnyConnection, keys: PseudonymKeys, *, partner_id: UUID) -> None:
    """Fold everybody anew towards a partner, for each purpose that it has or had a grant for."""
    for purpose in await conn.fetch(PURPOSES_OF, partner_id):
        await fold_all(conn, keys, partner_id=partner_id, purpose=Purpose(purpose["purpose"]))
