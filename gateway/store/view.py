"""What one partner's grants cover, as of one instant: the ground on which its schema, its plans and its statements are built."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from gateway.store.grants import rules_of
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from scopes import Grant, Partner, Purpose, Redaction, Role, Rung, ScopeVersion

LOAD_VIEW = question("view", "view")


@dataclass(frozen=True, slots=True)
class Offer:
    """What one active scope gives for one field."""

    scope: str
    purpose: Purpose
    redaction: Redaction


@dataclass(frozen=True, slots=True)
class GrantView:
    """One partner's live grants and their active scopes.

    version: the gate's statement gives no data under any other. valid_until: the next instant at which a grant, a scope or the
    agreement begins or ends by itself; the statement gives no data from then on. offers: by schema path; a path without one does
    not exist for this partner. ordinals: category -> bit of consent_state.covered. registered: the documents that it may name by
    their SHA-256 in hexadecimal; registered_only: and no others are answered.
    """

    partner: Partner
    version: int
    loaded_at: datetime
    valid_until: datetime
    grants: tuple[Grant, ...]
    scopes: tuple[ScopeVersion, ...]
    offers: Mapping[str, tuple[Offer, ...]]
    ordinals: Mapping[str, int]
    registered: Mapping[str, str]
    registered_only: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """One partner's grants and scope versions that have not ended, the coming ones among them: what its views are cut from."""

    partner: Partner
    version: int
    loaded_at: datetime
    grants: tuple[Grant, ...]
    scopes: tuple[ScopeVersion, ...]
    ordinals: Mapping[str, int]
    registered: Mapping[str, str]
    registered_only: bool

    def at(self, now: datetime) -> GrantView:
        """The view as of an instant, from `loaded_at` on."""
        grants = tuple(grant for grant in self.grants if grant.is_live(now))
        live = {grant.scope for grant in grants}
        scopes = tuple(scope for scope in self.scopes if scope.scope in live and scope.is_active(now))
        return GrantView(
            partner=self.partner,
            version=self.version,
            loaded_at=now,
            valid_until=min((at for at in self.boundaries() if at > now), default=now + timedelta(days=3650)),
            grants=grants,
            scopes=scopes,
            offers=_offers(scopes),
            ordinals=self.ordinals,
            registered=self.registered,
            registered_only=self.registered_only,
        )

    def boundaries(self) -> list[datetime]:
        """Every instant at which something of it begins or ends, in no order."""
        found = [self.partner.agreement_starts_at, self.partner.agreement_ends_at]
        found += [instant for grant in self.grants for instant in (grant.starts_at, grant.ends_at)]
        found += [at for scope in self.scopes for at in (scope.active_from, scope.retired_at) if at is not None]
        return found


async def load_view(connection: AnyConnection, client_id: str) -> GrantView | None:
    """The view of the partner that `client_id` belongs to, in one snapshot; None where no such client is registered."""
    row = await connection.fetchrow(LOAD_VIEW, client_id, None)
    return None if row is None else _standing(row).at(row["loaded_at"])


async def load_view_of_partner(connection: AnyConnection, partner_id: UUID) -> GrantView | None:
    """The same for a partner, whether it has a client or not; None where no such partner is registered."""
    standing = await load_standing(connection, partner_id)
    return None if standing is None else standing.at(standing.loaded_at)


async def load_standing(connection: AnyConnection, partner_id: UUID) -> Standing | None:
    """What the views of a partner are cut from, in one snapshot; None where no such partner is registered."""
    row = await connection.fetchrow(LOAD_VIEW, None, partner_id)
    return None if row is None else _standing(row)


def _standing(row: asyncpg.Record) -> Standing:
    return Standing(
        partner=Partner(
            partner_id=row["partner_id"],
            name=row["name"],
            role=Role(row["role"]),
            processing_location=row["processing_location"],
            cross_border_mechanism=row["cross_border_mechanism"],
            agreement_starts_at=row["agreement_starts_at"],
            agreement_ends_at=row["agreement_ends_at"],
            status=row["status"],
        ),
        version=row["view_version"],
        loaded_at=row["loaded_at"],
        grants=tuple(_grant(item) for item in json.loads(row["grants"])),
        scopes=tuple(scope_of(item) for item in json.loads(row["scopes"])),
        ordinals=json.loads(row["ordinals"]),
        registered=json.loads(row["registered"]),
        registered_only=row["registered_only"],
    )


def _offers(scopes: tuple[ScopeVersion, ...]) -> Mapping[str, tuple[Offer, ...]]:
    found: dict[str, tuple[Offer, ...]] = {}
    for scope in sorted(scopes, key=lambda scope: scope.scope):
        for path, field in scope.fields.items():
            if field.redaction.rung is not Rung.WITHHOLD:
                found[path] = (*found.get(path, ()), Offer(scope.scope, scope.purpose, field.redaction))
    return found


def _grant(item: Mapping[str, Any]) -> Grant:
    return Grant(
        grant_id=UUID(item["grant_id"]),
        scope=item["scope"],
        starts_at=datetime.fromisoformat(item["starts_at"]),
        ends_at=datetime.fromisoformat(item["ends_at"]),
        retention=timedelta(seconds=float(item["retention_s"])),
        revoked_at=None,
    )


def scope_of(item: Mapping[str, Any]) -> ScopeVersion:
    """One scope version from the JSON that the question `view` gives it in."""
    retired_at = item["retired_at"]
    return ScopeVersion(
        scope=item["scope"],
        version=item["version"],
        purpose=Purpose(item["purpose"]),
        active_from=datetime.fromisoformat(item["active_from"]),
        retired_at=None if retired_at is None else datetime.fromisoformat(retired_at),
        fields=rules_of(item["fields"]),
    )
