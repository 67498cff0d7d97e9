"""A partner as it stands, and as it would once a change is in force.

Computed, not tried out: letting a change take effect in a transaction that is rolled back would lock the rows of partners, and
for a grant or a new location all data subjects, while somebody merely looks at it; and what begins only next month would not
show. That both ways lead to the same is held by tests, which compare with what is there after approval.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import singledispatch
from typing import Final
from uuid import UUID, uuid4

from gateway.oauth.registration import scope_tokens, validate
from gateway.stewardship.content import (
    ClientContent,
    Content,
    GrantContent,
    GrantEndContent,
    PartnerContent,
    ScopeContent,
    ScopeEndContent,
)
from gateway.stewardship.effect import NOW
from gateway.store import grants, partners
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from gateway.store.view import Standing, load_standing, scope_of
from scopes import Grant, ScopeVersion

HOLDERS: Final = question("impact", "holders")
VERSIONS: Final = question("impact", "versions")
CLIENTS: Final = question("impact", "clients")

Scopes = tuple[ScopeVersion, ...]


@dataclass(frozen=True, slots=True)
class Client:
    """may_ask: the scopes it is registered for; None: all that the partner is granted."""

    client_id: str
    status: str
    may_ask: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Prospect:
    """One partner that the change concerns. clients: before and after, by client_id; those of contract runs are left out."""

    before: Standing
    after: Standing
    clients_before: Mapping[str, Client]
    clients_after: Mapping[str, Client]


@dataclass(frozen=True, slots=True)
class Prospects:
    """takes_effect_at: the instant from which the change would hold, if it were approved now. partners: by name."""

    takes_effect_at: datetime
    partners: tuple[Prospect, ...]


@singledispatch
async def prospects(_wanted: Content, conn: AnyConnection) -> Prospects:
    """Every partner that a change concerns; it is one that passes `check`."""
    return Prospects(await conn.fetchval(NOW), ())  # rules bind what is proposed later: nothing in use breaks them


@prospects.register(ScopeContent)
async def _(wanted: ScopeContent, conn: AnyConnection) -> Prospects:
    instant: datetime = await conn.fetchval(grants.INSTANT_OF, wanted.scope, wanted.active_from)
    latest = await conn.fetchrow(grants.LATEST, wanted.scope)
    number = 1 if latest is None else int(latest["version"]) + 1

    def with_it(scopes: Scopes) -> Scopes:
        """As `grants.activate` has it: whatever is active then ends, and the new one is so until the next one begins."""
        mine = [one for one in scopes if one.scope == wanted.scope and one.active_from != one.retired_at]
        next_at = min((one.active_from for one in mine if one.active_from and one.active_from > instant), default=None)
        new = ScopeVersion(wanted.scope, number, wanted.purpose, instant, next_at, wanted.rules())
        cut = (replace(one, retired_at=instant) if one.is_active(instant) else one for one in mine)
        return (*(one for one in scopes if one.scope != wanted.scope), *cut, new)

    return await _of_scope(conn, wanted.scope, instant, with_it)


@prospects.register(ScopeEndContent)
async def _(wanted: ScopeEndContent, conn: AnyConnection) -> Prospects:
    def without_it(scopes: Scopes) -> Scopes:
        return tuple(one for one in scopes if one.scope != wanted.scope)

    return await _of_scope(conn, wanted.scope, await conn.fetchval(grants.INSTANT_OF, wanted.scope, None), without_it)


@prospects.register(GrantContent)
async def _(wanted: GrantContent, conn: AnyConnection) -> Prospects:
    now: datetime = await conn.fetchval(NOW)
    starts_at = wanted.starts_at or now
    known = tuple(scope_of(item) for item in json.loads(await conn.fetchval(VERSIONS, wanted.scope)))
    new = Grant(uuid4(), wanted.scope, starts_at, wanted.ends_at, wanted.retention, None)

    def with_it(standing: Standing) -> Standing:
        others = tuple(one for one in standing.scopes if one.scope != wanted.scope)
        return replace(standing, grants=(*standing.grants, new), scopes=(*others, *known))

    return Prospects(max(now, starts_at), await _of_partner(conn, wanted.partner, with_it))


@prospects.register(GrantEndContent)
async def _(wanted: GrantEndContent, conn: AnyConnection) -> Prospects:
    def without_it(standing: Standing) -> Standing:
        return replace(standing, grants=tuple(one for one in standing.grants if one.grant_id != wanted.grant_id))

    return Prospects(await conn.fetchval(NOW), await _of_partner(conn, wanted.partner, without_it))


@prospects.register(PartnerContent)
async def _(wanted: PartnerContent, conn: AnyConnection) -> Prospects:
    def described(standing: Standing) -> Standing:
        partner = replace(
            standing.partner,
            role=wanted.role,
            processing_location=wanted.processing_location,
            cross_border_mechanism=wanted.cross_border_mechanism,
            agreement_starts_at=wanted.agreement_starts_at,
            agreement_ends_at=wanted.agreement_ends_at,
            status=wanted.status,
        )
        return replace(standing, partner=partner, registered_only=wanted.registered_only)

    return Prospects(await conn.fetchval(NOW), await _of_partner(conn, wanted.name, described))


@prospects.register(ClientContent)
async def _(wanted: ClientContent, conn: AnyConnection) -> Prospects:
    metadata = validate(wanted.metadata)
    new = Client(metadata.client_id, wanted.status, metadata.scopes)
    found = await _of_partner(conn, wanted.partner, lambda standing: standing)
    return Prospects(
        await conn.fetchval(NOW),
        tuple(replace(one, clients_after={**one.clients_after, new.client_id: new}) for one in found),
    )


async def _of_scope(conn: AnyConnection, scope: str, instant: datetime, change: Callable[[Scopes], Scopes]) -> Prospects:
    holders: Sequence[UUID] = [row["partner_id"] for row in await conn.fetch(HOLDERS, scope)]
    found = [
        await _prospect(conn, partner_id, lambda standing: replace(standing, scopes=change(standing.scopes)))
        for partner_id in holders
    ]
    return Prospects(instant, tuple(found))


async def _of_partner(conn: AnyConnection, name: str, change: Callable[[Standing], Standing]) -> tuple[Prospect, ...]:
    """Nobody, where the partner is still to be registered: nothing is granted to it."""
    partner_id: UUID | None = await conn.fetchval(partners.FIND, name)
    return () if partner_id is None else (await _prospect(conn, partner_id, change),)


async def _prospect(conn: AnyConnection, partner_id: UUID, change: Callable[[Standing], Standing]) -> Prospect:
    standing = await load_standing(conn, partner_id)
    assert standing is not None  # noqa: S101 - it was found a moment ago, and partners stay
    clients = {
        row["client_id"]: Client(row["client_id"], row["status"], None if row["scope"] is None else scope_tokens(row["scope"]))
        for row in await conn.fetch(CLIENTS, partner_id)
    }
    return Prospect(standing, change(standing), clients, clients)
