"""What a change was said to do is what it then does: the gate is asked before and after, field by field, token by token."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from gateway.catalogue.weidandan import CATALOGUE
from gateway.request.codes import Code, GatewayError
from gateway.stewardship.actor import ActRefused
from gateway.stewardship.content import ChangeKind
from gateway.stewardship.examine import examine_for_partner
from gateway.stewardship.impact import Effect, PartnerImpact, Seen
from gateway.stewardship.samples import Sampler
from gateway.store import consents, registered
from gateway.store.view import load_view_of_partner
from scopes import MASKS, STEPS, Kind, Purpose, Redaction, Rung
from tests.support.database import Database
from tests.support.stewardship import Office, a_grant, a_partner, an_office, impact
from tests.support.world import POLICY

COLUMNS = {
    "Subject.realName": "real_name",
    "Subject.mobileNumber": "mobile_number",
    "Subject.nationalId": "national_id",
    "Subject.email": "email",
    "Subject.birthDate": "birth_date",
    "Subject.city": "city",
    "Subject.language": "language",
    "Subject.registeredAt": "registered_at",
}
PURPOSES = {"a": Purpose.SERVICE_DELIVERY, "b": Purpose.SERVICE_DELIVERY, "c": Purpose.MESSAGE_DELIVERY}
ROUNDS = 6
SELECTIONS = ("id", "city", "realName email", "birthDate nationalId mobileNumber", "addresses { __typename }", "language")
DOCUMENTS = [f"{{ subjects(first: 5) {{ edges {{ node {{ {selection} }} }} }} }}" for selection in SELECTIONS]

Outcomes = dict[str | tuple[str, Purpose | None], Mapping[str, str] | Code]
Wanted = tuple[ChangeKind, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Values:
    """What comes out of one field: together, under a token with all scopes of the purpose; alone, by scope."""

    together: str | None
    alone: Mapping[str, str]


Answers = dict[tuple[Purpose, str], Values]


@dataclass(frozen=True)
class Shop:
    """One partner, and one data subject who agreed to everything and whose values are the ones that samples are made of."""

    office: Office
    partner_id: UUID
    subject_id: UUID

    async def answers(self) -> Answers:
        """All that its tokens get of the data subject; a field that none gets a value of is not in it."""
        view = await load_view_of_partner(self.office.world.owner, self.partner_id)
        assert view is not None
        found: Answers = {}
        for purpose in {scope.purpose for scope in view.scopes}:
            scopes = [scope.scope for scope in view.scopes if scope.purpose is purpose]
            alone = {scope: await self._values(scope) for scope in scopes}
            together = await self._values(*scopes)
            for path in COLUMNS:
                shown = {scope: value for scope in scopes if (value := alone[scope][path]) is not None}
                if shown:
                    found[purpose, path] = Values(together[path], shown)
        return found

    async def outcomes(self) -> Outcomes:
        """What examining each registered document shows: of each operation, under each purpose, the refusal or the fields."""
        found: Outcomes = {}
        for document in DOCUMENTS:
            examined = await examine_for_partner(
                self.office.world.owner, self.office.settings, partner_id=self.partner_id, document=document
            )
            if examined.hindrance is not None:
                found[examined.document_sha256] = examined.hindrance.code
            for under in [under for operation in examined.operations for under in operation.under]:
                told = {field.path: field.redaction for field in under.fields}
                found[examined.document_sha256, under.purpose] = told if under.hindrance is None else under.hindrance.code
        return found

    async def _values(self, *scopes: str) -> dict[str, str | None]:
        """Each field asked for by itself: None where it is refused or withheld."""
        world, found = self.office.world, dict[str, str | None]()
        token = await world.a_token(self.partner_id, *scopes, bound_to=self.subject_id)
        for path in COLUMNS:
            try:
                answer = await world.ask(token, f"{{ me {{ {path.partition('.')[2]} }} }}")
            except GatewayError:
                found[path] = None
            else:
                me = answer["data"]["me"]
                found[path] = me and next(iter(me.values()))
        return found


async def a_shop(office: Office) -> Shop:
    world = office.world
    partner_id = await world.a_partner(name="shop")
    sampler = Sampler(CATALOGUE, office.settings.key("field"), world.started)
    values: dict[str, Any] = {
        column: sampler.clear(partner_id, Purpose.SERVICE_DELIVERY, path) for path, column in COLUMNS.items()
    }
    values |= {
        "birth_date": date.fromisoformat(values["birth_date"]),
        "registered_at": datetime.fromisoformat(values["registered_at"]),
    }
    subject_id = await world.a_subject(**values)
    for document in DOCUMENTS:
        await registered.register(world.owner, partner_id=partner_id, document=document, label="some")
    await consents.accept_policy(world.owner, world.keys, subject_id=subject_id, policy_version=POLICY)
    for purpose in set(PURPOSES.values()):
        await world.a_consent(subject_id, partner_id, purpose=purpose, cross_border=True)
    return Shop(office, partner_id, subject_id)


async def with_scopes(office: Office, draw: random.Random) -> list[dict[str, Any]]:
    """Each scope with some fields, and granted; returns their content."""
    contents = [{"scope": scope, "purpose": purpose.value, "fields": some_fields(draw)} for scope, purpose in PURPOSES.items()]
    for content in contents:
        await office.make(ChangeKind.SCOPE, content)
        await office.make(ChangeKind.GRANT, a_grant(office.world, "shop", str(content["scope"])))
    return contents


def a_redaction(kind: Kind, draw: random.Random) -> dict[str, Any]:
    """Any that the kind knows."""
    choices = [Redaction(Rung.REVEAL), Redaction(Rung.PSEUDONYMISE), Redaction(Rung.WITHHOLD)]
    choices += [Redaction(Rung.GENERALISE, step=step) for chain in STEPS.get(kind, ()) for step in chain]
    if kind in MASKS:
        choices.append(Redaction(Rung.MASK, head=draw.randint(0, MASKS[kind].head), tail=draw.randint(0, MASKS[kind].tail)))
    return draw.choice(choices).to_wire()


def some_fields(draw: random.Random) -> list[dict[str, Any]]:
    return [
        {"path": path, "redaction": a_redaction(CATALOGUE.fields[path].kind, draw), "justification": "the test needs it"}
        for path in draw.sample([*COLUMNS, "Address.city"], draw.randint(1, 5))
    ]


async def some_changes(shop: Shop, draw: random.Random) -> list[Wanted]:
    """In turn: another version of a scope, the end of something and its beginning anew, a partner changed and back again."""
    world, scope = shop.office.world, draw.choice([*PURPOSES])
    another: Wanted = (ChangeKind.SCOPE, {"scope": scope, "purpose": PURPOSES[scope].value, "fields": some_fields(draw)})
    standing = "select grant_id from gateway.partner_grant where scope = $1 and revoked_at is null"
    end = {"grant_id": str(await world.owner.fetchval(standing, scope)), "partner": "shop", "scope": scope}
    abroad = {"processing_location": "SG", "cross_border_mechanism": draw.choice([None, "assessment"])}
    changed: dict[str, Any] = draw.choice([{"role": "processor"}, {"status": "suspended"}, abroad])
    ended: list[Wanted] = draw.choice(
        [
            [(ChangeKind.GRANT_END, end), (ChangeKind.GRANT, a_grant(world, "shop", scope))],
            [(ChangeKind.SCOPE_END, {"scope": scope}), another],
            [(ChangeKind.PARTNER, a_partner(world, "shop", **changed)), (ChangeKind.PARTNER, a_partner(world, "shop"))],
        ]
    )
    return [another, *ended]


def as_promised(before: Answers, found: PartnerImpact | None) -> Answers:
    """The answers of before, with what the impact says of them."""
    after = dict(before)
    for purpose in found.purposes if found else ():
        for field in [field for field in purpose.fields if field.path in COLUMNS]:
            was = before.get((purpose.purpose, field.path))
            assert was == _values(field.before), field.path
            becomes = _values(field.after)
            after.pop((purpose.purpose, field.path), None)
            if becomes is not None:
                after[purpose.purpose, field.path] = becomes
    return after


def _values(seen: Seen | None) -> Values | None:
    if seen is None:
        return None
    return Values(seen.sample, {alone.scope: alone.sample for alone in seen.alone if alone.sample is not None})


@pytest.mark.parametrize("seed", range(2))
async def test_every_answer_after_approval_is_the_one_that_was_shown_before(
    database: Database, tmp_path: Path, seed: int
) -> None:
    """Random scopes, grants and partners: whatever the gate then gives, to any token, is what the impact said."""
    draw = random.Random(seed)  # noqa: S311 - drawn again the same way
    async with an_office(database, tmp_path) as office:
        shop, effects = await a_shop(office), list[Effect]()
        await with_scopes(office, draw)
        before, outcomes = await shop.answers(), await shop.outcomes()
        for _ in range(ROUNDS):
            for kind, content in await some_changes(shop, draw):
                found = await impact(office, kind, content)
                try:
                    await office.make(kind, content)
                except ActRefused as refused:
                    assert refused.code == "CHANGE_EMPTY"  # noqa: PT017 - what was drawn again is no change
                told, after = next(iter(found.partners), None), await shop.answers()
                assert after == as_promised(before, told), (kind, content)
                fields = [field for purpose in (told.purposes if told else ()) for field in purpose.fields]
                if kind in {ChangeKind.SCOPE_END, ChangeKind.GRANT_END}:
                    assert not any(field.widens for field in fields)
                effects += [field.effect for field in fields]
                was, outcomes, before = outcomes, await shop.outcomes(), after
                places = [place for place in {**was, **outcomes} if was.get(place) != outcomes.get(place)]
                differ = {place if isinstance(place, str) else place[0] for place in places}
                assert {one.document_sha256 for one in (told.operations if told else ())} == differ
        assert {*effects} == {*Effect}


async def test_field_that_is_added_takes_nothing_away(database: Database, tmp_path: Path) -> None:
    """The next version of a scope with one field more: somebody gains, or sees otherwise; nobody loses."""
    draw = random.Random(1)  # noqa: S311 - drawn again the same way
    async with an_office(database, tmp_path) as office:
        await a_shop(office)
        contents = await with_scopes(office, draw)
        for content in contents:
            for path in sorted(COLUMNS.keys() - {field["path"] for field in content["fields"]}):
                more = {"path": path, "redaction": a_redaction(CATALOGUE.fields[path].kind, draw), "justification": "one more"}

                found = await impact(office, ChangeKind.SCOPE, {**content, "fields": [*content["fields"], more]})

                effects = {
                    field.path: field.effect
                    for partner in found.partners
                    for purpose in partner.purposes
                    for field in purpose.fields
                }
                assert Effect.LOSES not in effects.values()
                assert effects.keys() <= {path}
                assert effects or more["redaction"] == {"rung": "withhold"}, more
