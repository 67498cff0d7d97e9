"""What the staff read: each root field is one function of `gateway.stewardship`, under the act that it stands for."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import strawberry

from gateway.admin.api import people, records, registers
from gateway.admin.api.ask import Ask, offers
from gateway.admin.api.impact import Impact
from gateway.admin.api.inputs import ChangeInput, DisclosureFilter
from gateway.admin.api.paging import PAGE_DEFAULT, Page, instant_cursor, page_of, read_id, read_instant
from gateway.admin.api.words import ChangeState
from gateway.request.codes import Code, GatewayError
from gateway.stewardship import changes as change_keeping
from gateway.stewardship import examine, operations, reviews
from gateway.stewardship import impact as impact_telling
from gateway.stewardship import overview as day_counting
from gateway.stewardship import records as record_keeping
from gateway.stewardship import registers as register_keeping
from gateway.stewardship import staff as staff_keeping
from gateway.stewardship.content import ChangeKind
from gateway.stewardship.records import Wanted
from gateway.stewardship.roles import Act
from gateway.store.registered import RegisteredOperation


@strawberry.type
class Query:
    @offers(None, people.Me, "Who asks, and what this person may do.")
    async def me(self, info: Ask) -> people.Me:
        return people.Me.of(info.context.actor, has_accepted=info.context.actor.has_accepted)

    @offers(None, list[people.Token], "One's own tokens that open a door now.")
    async def my_tokens(self, info: Ask) -> Sequence[people.Token]:
        async with info.context.connection() as conn:
            return [people.Token(**row) for row in await staff_keeping.own_tokens(conn, info.context.actor)]

    @offers(Act.REGISTERS_READ, list[registers.Partner], "Every partner, by name.")
    async def partners(self, info: Ask) -> Sequence[register_keeping.PartnerEntry]:
        async with info.context.connection() as conn:
            return await register_keeping.partners(conn, info.context.actor)

    @offers(Act.REGISTERS_READ, list[registers.Client], "Every client, by partner.")
    async def clients(self, info: Ask) -> Sequence[register_keeping.ClientEntry]:
        async with info.context.connection() as conn:
            return await register_keeping.clients(conn, info.context.actor)

    @offers(Act.REGISTERS_READ, list[registers.Grant], "Every grant, those that stand before those that do not.")
    async def grants(self, info: Ask) -> Sequence[register_keeping.GrantEntry]:
        async with info.context.connection() as conn:
            return await register_keeping.grants(conn, info.context.actor)

    @offers(Act.REGISTERS_READ, list[registers.ScopeVersion], "Every version of every scope, newest first within a scope.")
    async def scopes(self, info: Ask) -> Sequence[register_keeping.ScopeEntry]:
        async with info.context.connection() as conn:
            return await register_keeping.scopes(conn, info.context.actor, info.context.desk.catalogue)

    @offers(Act.REGISTERS_READ, list[registers.Halt], "The halts in force, oldest first.")
    async def halts(self, info: Ask) -> Sequence[register_keeping.HaltEntry]:
        async with info.context.connection() as conn:
            return await register_keeping.halts(conn, info.context.actor)

    @offers(Act.REGISTERS_READ, registers.RulesInForce, "The rules that every scope keeps to.")
    async def rules(self, info: Ask) -> register_keeping.RulesEntry:
        async with info.context.connection() as conn:
            return await register_keeping.rules(conn, info.context.actor)

    @offers(
        Act.REGISTERS_READ, registers.Matrix, "What each partner may see of each field, and how, as the gate would plan it now."
    )
    async def matrix(self, info: Ask) -> register_keeping.Matrix:
        async with info.context.connection() as conn:
            return await register_keeping.matrix(conn, info.context.actor, info.context.desk.catalogue)

    @offers(
        Act.REGISTERS_READ, list[people.RegisteredOperation], "A partner's registered operations, those that have ended last."
    )
    async def registered_operations(self, info: Ask, partner: str) -> Sequence[RegisteredOperation]:
        async with info.context.connection() as conn:
            return await operations.of_partner(conn, info.context.actor, partner=partner)

    @offers(
        Act.REGISTERS_READ,
        people.ExaminedDocument,
        "What registering a document for a partner would show; nothing is registered.",
    )
    async def examine_operation(self, info: Ask, partner: str, document: str) -> examine.Examined:
        asking = info.context
        async with asking.connection() as conn:
            return await operations.look_at(conn, asking.actor, asking.desk.settings, partner=partner, document=document)

    @offers(Act.OVERVIEW_READ, list[registers.Day], "The last days in numbers, today included, oldest first; at most 92.")
    async def overview(self, info: Ask, days: int = 30) -> Sequence[day_counting.Day]:
        async with info.context.connection() as conn:
            return await day_counting.days(conn, info.context.actor, day_count=days)

    @offers(Act.CHANGES_READ, records.Change, "One change.")
    async def change(self, info: Ask, change_id: UUID) -> change_keeping.Change:
        async with info.context.connection() as conn:
            return await change_keeping.find(conn, info.context.actor, change_id)

    @offers(Act.CHANGES_READ, records.ChangePage, "Changes, those that wait first, then newest first.")
    async def changes(
        self,
        info: Ask,
        state: ChangeState | None = None,
        target: str | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Page:
        async with info.context.connection() as conn:
            found = await change_keeping.listed(
                conn, info.context.actor, state=state, target=target, after=read_id(after), row_count=first + 1
            )
        return page_of(found, first, lambda change: str(change.change_id))

    @offers(Act.CHANGES_READ, Impact, "What a change that was proposed would do if it were approved now.")
    async def impact(self, info: Ask, change_id: UUID) -> impact_telling.Impact:
        async with info.context.connection() as conn:
            change = await change_keeping.find(conn, info.context.actor, change_id)
        return await _impact(info, change.kind, change.content)

    @offers(Act.CHANGES_READ, Impact, "What a change that is not proposed yet would do.")
    async def impact_of(self, info: Ask, change: ChangeInput) -> impact_telling.Impact:
        return await _impact(info, *change.read())

    @offers(Act.DISCLOSURES_READ, records.DisclosurePage, "What went out, to whom and why, newest first; no values.")
    async def disclosures(
        self, info: Ask, where: DisclosureFilter | None = None, first: int = PAGE_DEFAULT, after: str | None = None
    ) -> Page:
        async with info.context.connection() as conn:
            found = await record_keeping.disclosures(
                conn, info.context.actor, wanted(where), before=read_id(after), row_count=first + 1
            )
        return page_of(found, first, lambda disclosure: str(disclosure.disclosure_id))

    @offers(Act.ACTS_READ, records.ActPage, "Every act of the staff, refused ones too, newest first. by: a login.")
    async def acts(
        self,
        info: Ask,
        by: str | None = None,
        target: str | None = None,
        act: str | None = None,
        first: int = PAGE_DEFAULT,
        after: str | None = None,
    ) -> Page:
        before = read_instant(after)
        async with info.context.connection() as conn:
            found = await record_keeping.acts(
                conn, info.context.actor, before=before, by=by, target=target, act=_act(act), row_count=first + 1
            )
        return page_of(found, first, lambda one: instant_cursor(one.acted_at, one.act_id))

    @offers(Act.ACCESS_REVIEW, registers.AccessReview, "Who has what, and when it was last used.")
    async def access_review(self, info: Ask) -> reviews.Review:
        async with info.context.connection() as conn:
            return await reviews.access(conn, info.context.actor)

    @offers(Act.STAFF_READ, list[people.Member], "Everybody of the staff, those who have ended last.")
    async def staff(self, info: Ask) -> Sequence[staff_keeping.Member]:
        async with info.context.connection() as conn:
            return await staff_keeping.everybody(conn, info.context.actor)


async def _impact(info: Ask, kind: ChangeKind, content: Mapping[str, Any]) -> impact_telling.Impact:
    asking, desk = info.context, info.context.desk
    async with asking.connection() as conn:
        return await impact_telling.impact_of(conn, asking.actor, desk.ground, desk.settings, kind=kind, content=content)


def wanted(where: DisclosureFilter | None) -> Wanted:
    if where is None:
        return Wanted()
    return Wanted(where.partner, where.purpose, where.since, where.until, where.subject_id)


def _act(name: str | None) -> Act | None:
    """Their names have a dot, which no enum value of GraphQL has."""
    try:
        return None if name is None else Act(name)
    except ValueError:
        raise GatewayError(Code.VARIABLES) from None
