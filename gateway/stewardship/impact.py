"""What a change would do, before anybody approves it: who sees what otherwise, whose consent covers it, what answers look like.

Names, rules, numbers and made-up values only: nothing here comes from a data subject.
"""

import asyncio
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.catalogue.definition import Catalogue, load
from gateway.request.limits import Limits
from gateway.schema.view import Schemas
from gateway.settings import Settings
from gateway.stewardship.actor import Actor, ActRefused, permit
from gateway.stewardship.asking import CategoryCover, Cover, changes_basis, cover_of
from gateway.stewardship.content import ChangeKind, read
from gateway.stewardship.effect import Ground, base_of, check
from gateway.stewardship.operation_impact import OperationField, OperationImpact, operations_of
from gateway.stewardship.prospect import Client, Prospect, prospects
from gateway.stewardship.roles import Act
from gateway.stewardship.samples import Sampler
from gateway.stewardship.sdl_difference import SchemaChange, SchemaDifference, Severity, difference
from gateway.stewardship.sights import Effect, FieldSight, Sight, effect_of, sight_of, widens
from gateway.store.partners import PartnerError
from gateway.store.pool import AnyConnection
from gateway.store.view import GrantView
from scopes import CATEGORIES, REVEAL, Purpose, Redaction, Sensitivity

__all__ = [
    "CategoryCover",
    "ClientField",
    "ClientImpact",
    "Cover",
    "Effect",
    "FieldImpact",
    "Impact",
    "OperationField",
    "OperationImpact",
    "PartnerImpact",
    "PurposeImpact",
    "SchemaChange",
    "SchemaDifference",
    "Seen",
    "SeenAlone",
    "Severity",
    "impact_of",
]


@dataclass(frozen=True, slots=True)
class SeenAlone:
    """What a token for one scope alone gets. redaction: its label, `mask(3,4)`. sample: made of the field's made-up value."""

    scope: str
    redaction: str
    sample: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """How one field comes out under one purpose, of a data subject whose evidence covers it.

    redaction, sample: under a token with all scopes of the purpose, whose rules all hold: the label may be `withhold`, and the
    sample then is None. alone: by each scope that shows anything; where one shows more, a token for it alone gets that.
    """

    redaction: str
    sample: str | None
    alone: tuple[SeenAlone, ...]


@dataclass(frozen=True, slots=True)
class FieldImpact:
    """One field that a partner gains, loses or sees differently under one purpose.

    widens: some token lets something be inferred that none did before. sample: the made-up value in clear, of which those of
    `before` and `after` are made. before, after: None where nothing of it is seen.
    """

    path: str
    category: str
    sensitivity: Sensitivity
    effect: Effect
    widens: bool
    sample: str
    before: Seen | None
    after: Seen | None


@dataclass(frozen=True, slots=True)
class PurposeImpact:
    """fields: by path; none where only other evidence counts from then on."""

    purpose: Purpose
    fields: tuple[FieldImpact, ...]
    cover: Cover


@dataclass(frozen=True, slots=True)
class ClientField:
    purpose: Purpose
    path: str
    effect: Effect


@dataclass(frozen=True, slots=True)
class ClientImpact:
    """One client for which something changes. status_before: None for one that is new. fields: under a token with all that the
    client may ask for."""

    client_id: str
    status_before: str | None
    status_after: str
    fields: tuple[ClientField, ...]


@dataclass(frozen=True, slots=True)
class PartnerImpact:
    """One partner for which something changes. from_at: the first instant at which it does, which is what is compared here.

    registered_only_before, registered_only_after: whether it is held to its registered operations. operations: the registered
    ones that are answered otherwise. schema: None where its schema stays as it is.
    """

    partner: str
    from_at: datetime
    purposes: tuple[PurposeImpact, ...]
    clients: tuple[ClientImpact, ...]
    registered_only_before: bool
    registered_only_after: bool
    operations: tuple[OperationImpact, ...]
    schema: SchemaDifference | None


@dataclass(frozen=True, slots=True)
class Impact:
    """takes_effect_at: from when the change holds, if it is approved now. partners: by name, those for which it makes a
    difference: none where it makes none."""

    kind: ChangeKind
    target: str
    takes_effect_at: datetime
    partners: tuple[PartnerImpact, ...]


@dataclass(frozen=True, slots=True)
class _Comparison:
    """One partner before and after, at the first instant from which it makes a difference."""

    prospect: Prospect
    before: GrantView
    after: GrantView
    sight_before: Sight
    sight_after: Sight


async def impact_of(
    conn: AnyConnection, actor: Actor, ground: Ground, settings: Settings, *, kind: ChangeKind, content: Mapping[str, Any]
) -> Impact:
    """What a change, proposed or not yet, would do if it were approved now. Nothing of it stays.

    Raises ActRefused as proposing does: ROLE_MISSING, CHANGE_INVALID, RULES_BROKEN, and the store's codes where what it names
    does not exist; but not where it changes nothing.
    """
    permit(actor, Act.CHANGES_READ)
    wanted = read(kind, content)
    try:
        await base_of(wanted, conn)
        await check(wanted, conn, ground)
    except PartnerError as refused:
        raise ActRefused(refused.code, str(refused)) from None
    found = await prospects(wanted, conn)
    work = _Work(conn, load(settings.catalogue), Limits.of(settings), settings.key("field"))
    looked_at = [await work.partner(prospect, found.takes_effect_at) for prospect in found.partners]
    return Impact(kind, wanted.target, found.takes_effect_at, tuple(one for one in looked_at if one is not None))


@dataclass(frozen=True, slots=True, repr=False)
class _Work:
    """conn: counts on it. field_secret: for the pseudonyms of samples."""

    conn: AnyConnection
    catalogue: Catalogue
    limits: Limits
    field_secret: bytes

    async def partner(self, prospect: Prospect, instant: datetime) -> PartnerImpact | None:
        """None where the change makes no difference to it."""
        compared = self._compared(prospect, instant)
        schemas = Schemas(self.catalogue)
        built = (schemas.of(compared.before), schemas.of(compared.after))
        views = (compared.before, compared.after)
        purposes = await self._purposes(compared)
        clients = self._clients(compared)
        operations: tuple[OperationImpact, ...] = ()
        if _ground_of(compared.before) != _ground_of(compared.after):
            # A partner may have hundreds of documents: requests of others are answered meanwhile
            operations = await asyncio.to_thread(operations_of, self.catalogue, self.limits, views, built)
        changed = difference(*built, views)
        held = (compared.before.registered_only, compared.after.registered_only)
        if not (purposes or clients or operations or changed) and held[0] == held[1]:
            return None
        name = compared.before.partner.name
        return PartnerImpact(name, compared.before.loaded_at, purposes, clients, *held, operations, changed)

    def _compared(self, prospect: Prospect, instant: datetime) -> _Comparison:
        """At the first instant at which the partner sees anything otherwise; at once where it never does."""
        later = {at for standing in (prospect.before, prospect.after) for at in standing.boundaries() if at > instant}
        at_once = self._at(prospect, instant)
        for compared in (at_once, *(self._at(prospect, at) for at in sorted(later))):
            if compared.sight_before != compared.sight_after:
                return compared
        return at_once

    def _at(self, prospect: Prospect, instant: datetime) -> _Comparison:
        before, after = prospect.before.at(instant), prospect.after.at(instant)
        return _Comparison(prospect, before, after, sight_of(self.catalogue, before), sight_of(self.catalogue, after))

    async def _purposes(self, compared: _Comparison) -> tuple[PurposeImpact, ...]:
        places = {*compared.sight_before, *compared.sight_after}
        is_moved = changes_basis(compared.prospect.before, compared.prospect.after)
        found = []
        for purpose in sorted({purpose for purpose, _ in places}):
            paths = sorted(path for one, path in places if one is purpose)
            fields = tuple(field for path in paths if (field := self._field(compared, purpose, path)) is not None)
            if fields or is_moved:
                found.append(PurposeImpact(purpose, fields, await self._cover(compared, purpose)))
        return tuple(found)

    async def _cover(self, compared: _Comparison, purpose: Purpose) -> Cover:
        before, after = (
            {self.catalogue.fields[path].category for one, path in sight if one is purpose}
            for sight in (compared.sight_before, compared.sight_after)
        )
        return await cover_of(self.conn, compared.prospect.before, compared.prospect.after, purpose, reads=(before, after))

    def _field(self, compared: _Comparison, purpose: Purpose, path: str) -> FieldImpact | None:
        before, after = compared.sight_before.get((purpose, path)), compared.sight_after.get((purpose, path))
        effect = effect_of(before, after)
        if effect is None:
            return None
        offered = self.catalogue.fields[path]
        sampler = Sampler(self.catalogue, self.field_secret, compared.before.loaded_at)
        sample = functools.partial(sampler.shown, compared.before.partner.partner_id, purpose, path)
        return FieldImpact(
            path=path,
            category=offered.category,
            sensitivity=CATEGORIES[offered.category].sensitivity,
            effect=effect,
            widens=widens(offered.kind, before, after),
            sample=sample(REVEAL) or "",
            before=_seen(before, sample),
            after=_seen(after, sample),
        )

    def _clients(self, compared: _Comparison) -> tuple[ClientImpact, ...]:
        prospect, found = compared.prospect, []
        for client_id, after in sorted(prospect.clients_after.items()):
            before = prospect.clients_before.get(client_id)
            was, becomes = self._sight(compared.before, before), self._sight(compared.after, after)
            fields = tuple(
                ClientField(*place, effect)
                for place in sorted({*was, *becomes})
                if (effect := effect_of(was.get(place), becomes.get(place))) is not None
            )
            status = None if before is None else before.status
            if fields or status != after.status:
                found.append(ClientImpact(client_id, status, after.status, fields))
        return tuple(found)

    def _sight(self, view: GrantView, client: Client | None) -> Sight:
        if client is None or client.status != "active":
            return {}
        return sight_of(self.catalogue, view, may_ask=client.may_ask)


def _ground_of(view: GrantView) -> tuple[object, ...]:
    """All that decides how an operation is answered."""
    return view.partner, view.scopes, sorted({grant.scope for grant in view.grants})


def _seen(sight: FieldSight | None, sample: Callable[[Redaction], str | None]) -> Seen | None:
    if sight is None:
        return None
    alone = tuple(SeenAlone(scope, rule.label(), sample(rule)) for scope, rule in sight.alone.items())
    return Seen(sight.together.label(), sample(sight.together), alone)
