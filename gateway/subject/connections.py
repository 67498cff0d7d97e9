"""What the overview says: with whom a data subject is connected, and who processes for the controller (policy 1.5, 6.2)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from gateway.catalogue.definition import Catalogue
from gateway.store import subject_pages
from gateway.store.pool import AnyConnection
from gateway.store.subject_pages import Accepted, ConsentNow, KnownPartner, LastAccesses, Reach, SignedIn
from scopes import CATEGORIES, ConsentKind, Purpose, Role


class Standing(StrEnum):
    """What a consent comes to at this instant.

    STOPPED: the partner may not ask now, whatever was agreed. PAUSED: it may, and gets nothing of what was agreed, as where
    settings keep it all back.
    """

    LIVE = "live"
    PAUSED = "paused"
    STOPPED = "stopped"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"

    @property
    def is_over(self) -> bool:
        return self in (Standing.ENDED, Standing.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Agreed:
    """A consent and what it comes to. readable: the categories of it that the partner can read now."""

    consent: ConsentNow
    standing: Standing
    readable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Connection:
    """A partner that the data subject agreed with or signed in to.

    since: the oldest of what still stands, else of what there was.
    """

    partner: KnownPartner
    agreed: tuple[Agreed, ...]
    since: datetime
    last_sign_in: datetime | None
    last_access: datetime | None

    @property
    def is_over(self) -> bool:
        """Nothing stands: what there was is withdrawn or over."""
        return bool(self.agreed) and all(one.standing.is_over for one in self.agreed)

    @property
    def is_live(self) -> bool:
        return any(one.standing is Standing.LIVE for one in self.agreed)


@dataclass(frozen=True, slots=True)
class Entrusted:
    """A processor and a purpose that rest on the policy's acceptance. readable: what it can read now, maybe nothing."""

    partner: KnownPartner
    purpose: Purpose
    readable: tuple[str, ...]
    last_access: datetime | None


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it. looked_back_to: a partner without a last access got nothing since then; None: it never got anything."""

    connected: tuple[Connection, ...]
    earlier: tuple[Connection, ...]
    entrusted: tuple[Entrusted, ...]
    accepted: Accepted | None
    looked_back_to: datetime | None


async def overview(conn: AnyConnection, catalogue: Catalogue, subject_id: UUID) -> Overview:
    """As it stands at one instant."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        partners = await subject_pages.partners_about(conn, subject_id)
        consents = await subject_pages.consents_now(conn, subject_id)
        covers = await subject_pages.covers(conn, subject_id)
        reaches = await subject_pages.reaches(conn)
        signed_in = await subject_pages.signed_in(conn, subject_id)
        accesses = await subject_pages.last_accesses(conn, subject_id)
        accepted = await subject_pages.accepted(conn, subject_id)
    agreed = [weigh(consent, covers, reaches, catalogue) for consent in consents]
    found = tuple(connections(partners, agreed, signed_in, accesses))
    return Overview(
        connected=tuple(one for one in found if not one.is_over),
        earlier=tuple(one for one in found if one.is_over),
        entrusted=tuple(entrusted(partners, covers, reaches, accesses, catalogue)),
        accepted=accepted,
        looked_back_to=accesses.looked_back_to,
    )


def weigh(
    consent: ConsentNow,
    covers: Mapping[tuple[UUID, Purpose], frozenset[str]],
    reaches: Mapping[tuple[UUID, Purpose], Reach],
    catalogue: Catalogue,
) -> Agreed:
    """What a consent comes to, given what may go out and what the partner may ask for."""
    key = consent.partner_id, consent.purpose
    reach = reaches.get(key)
    asked = categories_of(reach, catalogue)
    may_go_out = covers.get(key, frozenset()) & set(consent.categories)
    readable = ordered(may_go_out & asked) if reach is not None and not reach.is_stopped else ()
    if consent.kind is ConsentKind.WITHDRAWN:
        standing = Standing.WITHDRAWN
    elif not consent.is_live:
        standing = Standing.ENDED
    elif reach is None or reach.is_stopped:
        standing = Standing.STOPPED
    else:
        standing = Standing.LIVE if readable else Standing.PAUSED
    return Agreed(consent, standing, readable)


def connections(
    partners: Mapping[UUID, KnownPartner],
    agreed: Iterable[Agreed],
    signed_in: Mapping[UUID, SignedIn],
    accesses: LastAccesses,
) -> Iterable[Connection]:
    """One for each partner, in the order of `partners`."""
    of_partner: dict[UUID, list[Agreed]] = {}
    for one in agreed:
        of_partner.setdefault(one.consent.partner_id, []).append(one)
    for partner_id, partner in partners.items():
        mine, visits = of_partner.get(partner_id, []), signed_in.get(partner_id)
        standing = [one for one in mine if not one.standing.is_over] or mine
        starts = [one.consent.given_at for one in standing] + ([visits.first_at] if visits else [])
        if starts:
            last_access = accesses.at.get(partner_id)
            yield Connection(partner, tuple(mine), min(starts), visits.last_at if visits else None, last_access)


def entrusted(
    partners: Mapping[UUID, KnownPartner],
    covers: Mapping[tuple[UUID, Purpose], frozenset[str]],
    reaches: Mapping[tuple[UUID, Purpose], Reach],
    accesses: LastAccesses,
    catalogue: Catalogue,
) -> Iterable[Entrusted]:
    """Processors with a live grant towards which the policy's acceptance counts for this data subject (policy 6.2)."""
    for (partner_id, purpose), may_go_out in covers.items():
        partner, reach = partners[partner_id], reaches.get((partner_id, purpose))
        if partner.role is Role.PROCESSOR and reach is not None:
            readable = () if reach.is_stopped else ordered(may_go_out & categories_of(reach, catalogue))
            yield Entrusted(partner, purpose, readable, accesses.at.get(partner_id))


def categories_of(reach: Reach | None, catalogue: Catalogue) -> frozenset[str]:
    """The categories behind the schema paths that a partner may ask for. A path that the catalogue dropped has none."""
    paths = reach.paths if reach is not None else ()
    return frozenset(catalogue.fields[path].category for path in paths if path in catalogue.fields)


def ordered(categories: Iterable[str]) -> tuple[str, ...]:
    """In the order of the tree."""
    wanted = set(categories)
    return tuple(name for name in CATEGORIES if name in wanted)
