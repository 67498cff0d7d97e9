"""Registered operations as the staff handle them: what would not be answered is not registered, and each act is on record."""

from uuid import UUID

from gateway.settings import Settings
from gateway.stewardship.actor import Actor, ActRefused, Finding, acting, permit
from gateway.stewardship.examine import Examined, Hindrance, examine_for_partner
from gateway.stewardship.roles import Act
from gateway.store import partners, registered
from gateway.store.pool import AnyConnection
from gateway.store.registered import RegisteredOperation

INVALID = "OPERATION_INVALID"


async def look_at(conn: AnyConnection, actor: Actor, settings: Settings, *, partner: str, document: str) -> Examined:
    """What registering would show. Raises ActRefused: ROLE_MISSING, PARTNER_UNKNOWN."""
    permit(actor, Act.REGISTERS_READ)
    return await examine_for_partner(conn, settings, partner_id=await _find(conn, partner), document=document)


async def register(conn: AnyConnection, actor: Actor, settings: Settings, *, partner: str, document: str, label: str) -> Examined:
    """Register a document, to the letter, if each of its operations would be answered.

    Raises ActRefused: ROLE_MISSING, PARTNER_UNKNOWN, OPERATION_INVALID with a finding for each hindrance, OPERATIONS_TOO_MANY.
    """
    async with acting(conn, actor, Act.OPERATION_REGISTER, target=partner[:63]) as entry:
        partner_id = await partners.find(conn, partner)
        examined = await examine_for_partner(conn, settings, partner_id=partner_id, document=document)
        if not examined.can_be_answered:
            raise ActRefused(INVALID, "it would be refused, and is not registered", _findings(examined))
        await registered.register(conn, partner_id=partner_id, document=document, label=label)
        entry.after = {"document_sha256": examined.document_sha256, "label": label}
    return examined


async def end(conn: AnyConnection, actor: Actor, *, partner: str, document_sha256: str) -> None:
    """Raises ActRefused: ROLE_MISSING, PARTNER_UNKNOWN, OPERATION_UNKNOWN."""
    async with acting(conn, actor, Act.OPERATION_END, target=partner[:63]) as entry:
        await registered.end(conn, partner_id=await partners.find(conn, partner), document_sha256=document_sha256)
        entry.before = {"document_sha256": document_sha256}


async def of_partner(conn: AnyConnection, actor: Actor, *, partner: str) -> tuple[RegisteredOperation, ...]:
    """Those that have ended last. Raises ActRefused: ROLE_MISSING, PARTNER_UNKNOWN."""
    permit(actor, Act.REGISTERS_READ)
    return await registered.of_partner(conn, await _find(conn, partner))


async def _find(conn: AnyConnection, partner: str) -> UUID:
    try:
        return await partners.find(conn, partner)
    except partners.PartnerError as refused:
        raise ActRefused(refused.code, str(refused)) from None


def _findings(examined: Examined) -> tuple[Finding, ...]:
    """Where the document would be refused: the operation and the purpose, with the code that a request would get."""
    found = [] if examined.hindrance is None else _of("document", examined.hindrance)
    for operation in examined.operations:
        place = operation.name or "operation"
        if operation.hindrance is not None:
            found += _of(place, operation.hindrance)
        for under in operation.under:
            if under.hindrance is not None:
                found += _of(f"{place}, {under.purpose.value if under.purpose else 'no purpose'}", under.hindrance)
    return tuple(found)


def _of(place: str, hindrance: Hindrance) -> list[Finding]:
    """The code, and the line and column of each problem that has one."""
    places = [f"{place} {line}:{column}" for problem in hindrance.problems for line, column in problem.locations]
    return [Finding(one, hindrance.code.value) for one in places or [place]]
