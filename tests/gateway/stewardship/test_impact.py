"""What a change would do is shown before anybody approves it: fields, clients, operations, consents and schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from gateway.catalogue.weidandan import CATALOGUE
from gateway.request.codes import Code
from gateway.stewardship.actor import ActRefused
from gateway.stewardship.content import ChangeKind
from gateway.stewardship.examine import examine_for_partner
from gateway.stewardship.impact import Effect, PartnerImpact, Severity, impact_of
from gateway.stewardship.roles import StaffRole
from gateway.stewardship.samples import Sampler
from gateway.store import consents, registered
from scopes import MASKS, STEPS, Basis, Purpose, Redaction, Role, Rung
from tests.support.database import Database
from tests.support.stewardship import CITY, NATIONAL_ID, REAL_NAME, REVEAL, Office, a_grant, a_partner, a_scope, an_office, impact
from tests.support.world import ACCOUNT, EVERYTHING, POLICY

MASK: dict[str, Any] = {"rung": "mask", "head": 1, "tail": 0}


@pytest_asyncio.fixture
async def office(database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    """A shop that sees names and cities for its orders."""
    async with an_office(database, tmp_path) as made:
        await made.world.a_partner(name="shop")
        await made.make(ChangeKind.SCOPE, a_scope("orders", CITY, REAL_NAME))
        await made.make(ChangeKind.GRANT, a_grant(made.world, "shop", "orders"))
        yield made


async def the_partner(office: Office, kind: ChangeKind, content: dict[str, Any]) -> PartnerImpact:
    """The only one that it makes a difference to."""
    [found] = (await impact(office, kind, content)).partners
    return found


async def id_of(office: Office, partner: str) -> UUID:
    found: UUID = await office.world.owner.fetchval("select partner_id from gateway.partner where name = $1", partner)
    return found


def rules(scope: str, **paths: dict[str, Any]) -> dict[str, Any]:
    """Content of kind `scope`, with a redaction for each field of the data subject."""
    content = a_scope(scope)
    content["fields"] = [
        {"path": f"Subject.{name}", "redaction": redaction, "justification": "the test needs it"}
        for name, redaction in paths.items()
    ]
    return content


async def test_next_version_of_a_scope_shows_each_field_that_is_gained_lost_or_seen_otherwise(office: Office) -> None:
    """With what an answer looks like before and after, on a made-up value; what stays as it is is not there."""
    wanted = rules("orders", realName=MASK, nationalId=REVEAL)

    found = await the_partner(office, ChangeKind.SCOPE, wanted)

    [purpose] = found.purposes
    assert (found.partner, purpose.purpose) == ("shop", Purpose.SERVICE_DELIVERY)
    assert {field.path: (field.effect, field.widens) for field in purpose.fields} == {
        CITY: (Effect.LOSES, False),
        REAL_NAME: (Effect.DIFFERS, False),
        NATIONAL_ID: (Effect.GAINS, True),
    }
    name = next(field for field in purpose.fields if field.path == REAL_NAME)
    assert name.before is not None
    assert name.after is not None
    assert (name.before.redaction, name.before.sample) == ("reveal", name.sample)
    assert (name.after.redaction, name.after.sample) == ("mask(1,0)", f"{name.sample[0]}**")
    back = await the_partner(office, ChangeKind.SCOPE, a_scope("orders", CITY, REAL_NAME, NATIONAL_ID))
    assert [field.path for field in back.purposes[0].fields] == [NATIONAL_ID]


async def test_second_scope_that_shows_more_is_told_though_both_together_show_less(office: Office) -> None:
    """A token for it alone gets what it shows: nothing is widened quietly."""
    await office.make(ChangeKind.SCOPE, rules("orders", realName=MASK, city=REVEAL))
    await office.make(ChangeKind.SCOPE, rules("parcels", realName=REVEAL, city={"rung": "withhold"}))

    found = await the_partner(office, ChangeKind.GRANT, a_grant(office.world, "shop", "parcels"))

    name, city = sorted(found.purposes[0].fields, key=lambda field: field.path != REAL_NAME)
    assert name.after is not None
    assert (name.after.redaction, [(one.scope, one.redaction) for one in name.after.alone], name.widens) == (
        "mask(1,0)",
        [("orders", "mask(1,0)"), ("parcels", "reveal")],
        True,
    )
    assert city.after is not None
    assert (city.effect, city.after.redaction, city.after.sample, city.widens) == (Effect.DIFFERS, "withhold", None, False)


async def test_every_field_of_the_catalogue_has_a_sample_under_every_rule_of_its_kind(office: Office) -> None:
    """Made up, the same each time, and never in clear where the rule hides anything."""
    partner_id, purpose = await id_of(office, "shop"), Purpose.SURVEY
    sampler = Sampler(CATALOGUE, bytes(32), datetime(2025, 1, 1, tzinfo=UTC))
    for path, field in CATALOGUE.fields.items():
        clear = sampler.clear(partner_id, purpose, path)
        assert clear == sampler.clear(partner_id, purpose, path) != ""
        for redaction in (
            Redaction(Rung.PSEUDONYMISE),
            *(Redaction(Rung.GENERALISE, step=step) for chain in STEPS.get(field.kind, ()) for step in chain),
            *([MASKS[field.kind].default] if field.kind in MASKS else []),
        ):
            assert sampler.shown(partner_id, purpose, path, redaction) not in {None, clear}, (path, redaction)
        assert sampler.shown(partner_id, purpose, path, Redaction(Rung.WITHHOLD)) is None


async def test_consents_are_counted_by_what_they_cover_and_who_would_have_to_be_asked(office: Office) -> None:
    """Policy 6.1. Withdrawn, expired, switched off, never given: and synthetic data subjects are nobody."""
    world, partner_id = office.world, await id_of(office, "shop")

    async def somebody(categories: Collection[str] = EVERYTHING, **changed: Any) -> UUID:
        subject_id = await world.a_subject(is_synthetic=changed.pop("is_synthetic", False))
        await world.a_consent(subject_id, partner_id, categories=categories, **changed)
        return subject_id

    await somebody()
    await somebody(ends_at=world.started + timedelta(days=1))
    for _ in range(3):
        await somebody({"profile.city", "identity.real_name"})
    await somebody(EVERYTHING - {"identity.email"})
    await consents.set_sharing(
        world.owner, world.keys, subject_id=await somebody(), allowed=False, category="identity.national_id"
    )
    await consents.withdraw(
        world.owner, world.keys, subject_id=await somebody(), partner_id=partner_id, purpose=Purpose.SERVICE_DELIVERY
    )
    await somebody(ends_at=world.started - timedelta(days=1))
    await somebody(is_synthetic=True)
    await world.a_subject()

    found = await the_partner(office, ChangeKind.SCOPE, a_scope("orders", CITY, NATIONAL_ID, "Subject.email"))

    [purpose] = found.purposes
    cover = purpose.cover
    assert (cover.subjects_before, cover.subjects_after, cover.covered, cover.to_ask) == (7, 7, 2, 5)
    assert {one.category: (one.is_new, one.covered, one.missing, one.requires) for one in cover.categories} == {
        "profile.city": (False, 7, 0, (Basis.SEPARATE_CONSENT,)),
        "identity.national_id": (True, 3, 4, (Basis.SENSITIVE_CONSENT,)),
        "identity.email": (True, 3, 4, (Basis.SEPARATE_CONSENT,)),
    }
    narrower = await the_partner(office, ChangeKind.SCOPE, a_scope("orders", CITY))
    assert (narrower.purposes[0].cover.covered, narrower.purposes[0].cover.to_ask) == (7, 0)


async def test_first_grant_of_a_processor_counts_those_who_accepted_the_policy(office: Office) -> None:
    """Policy 6.2: nobody has been folded for it yet, and whoever accepted the policy will be there once it is granted."""
    world = office.world
    await world.a_partner(name="parcels", role=Role.PROCESSOR)
    for _ in range(3):
        await consents.accept_policy(world.owner, world.keys, subject_id=await world.a_subject(), policy_version=POLICY)
    await world.a_consent(await world.a_subject(), await id_of(office, "parcels"), categories={"identity.national_id"})
    await office.make(ChangeKind.SCOPE, a_scope("orders", CITY, NATIONAL_ID))

    found = await the_partner(office, ChangeKind.GRANT, a_grant(world, "parcels", "orders"))

    cover = found.purposes[0].cover
    assert (cover.subjects_before, cover.subjects_after, cover.covered, cover.to_ask) == (1, 4, 0, 4)
    assert [(one.category, one.covered) for one in cover.categories] == [("identity.national_id", 1), ("profile.city", 3)]
    await office.make(ChangeKind.GRANT, a_grant(world, "parcels", "orders"))
    assert len(await world.see(await world.a_token(await id_of(office, "parcels"), "orders"), "id")) == cover.subjects_after


async def test_partner_that_moves_abroad_shows_whose_consent_no_longer_does(office: Office) -> None:
    """Policy 8.1, 9.5: without consent to the transfer they would have to be asked again. Nothing of the attempt stays."""
    world, partner_id = office.world, await id_of(office, "shop")
    await world.a_consent(await world.a_subject(), partner_id, cross_border=True)
    for _ in range(2):
        await world.a_consent(await world.a_subject(), partner_id)
    everything = "select to_jsonb(p) from gateway.partner p union all select to_jsonb(s) from gateway.consent_state s"
    before = {row[0] for row in await world.owner.fetch(everything)}
    abroad = a_partner(world, "shop", processing_location="SG", cross_border_mechanism="assessment")

    found = await the_partner(office, ChangeKind.PARTNER, abroad)

    [purpose] = found.purposes
    assert (purpose.fields, found.schema) == ((), None)
    cover = purpose.cover
    assert (cover.subjects_before, cover.subjects_after, cover.covered, cover.to_ask) == (3, 1, 1, 2)
    assert cover.categories[0].requires == (Basis.SEPARATE_CONSENT, Basis.CROSS_BORDER_CONSENT)
    assert {row[0] for row in await world.owner.fetch(everything)} == before
    await office.make(ChangeKind.PARTNER, abroad)
    assert len(await world.see(await world.a_token(partner_id, "orders"), "id")) == cover.subjects_after


async def test_nobody_waits_for_whoever_looks(office: Office, database: Database) -> None:
    """A scope or a grant is looked at while its partners, scopes and data subjects are locked by others."""
    await office.make(ChangeKind.SCOPE, a_scope("parcels", NATIONAL_ID))
    other = await database.owner()
    try:
        async with other.transaction():
            await other.execute("select from gateway.partner for update")
            await other.execute("lock table gateway.subject in exclusive mode")
            await other.execute("select pg_advisory_xact_lock(hashtextextended('gateway.scope:orders', 0))")
            await office.world.owner.execute("set lock_timeout = '100ms'")
            assert (await impact(office, ChangeKind.SCOPE, a_scope("orders", NATIONAL_ID))).partners
            assert (await impact(office, ChangeKind.GRANT, a_grant(office.world, "shop", "parcels"))).partners
            assert (await impact(office, ChangeKind.SCOPE_END, {"scope": "orders"})).partners
    finally:
        await other.close()


async def test_schema_difference_marks_what_breaks_and_what_changes_its_meaning(office: Office) -> None:
    """A field that goes breaks operations; one that is redacted otherwise is the same type and not the same answer."""
    found = await the_partner(office, ChangeKind.SCOPE, rules("orders", realName=MASK, nationalId=REVEAL))

    assert found.schema is not None
    assert found.schema.is_breaking
    removed, redacted = found.schema.changes
    assert (removed.severity, removed.kind) == (Severity.BREAKING, "FIELD_REMOVED")
    assert CITY in removed.text
    assert (redacted.severity, redacted.kind) == (Severity.MEANING, "REDACTION_CHANGED")
    assert redacted.text == "Subject.realName: orders: reveal became orders: mask(1,0)."
    lines = {line[0] + line[1:].strip().split("(")[0].split(":")[0] for line in found.schema.diff if "@personal" in line}
    assert {"-city", "-realName", "+realName", "+nationalId"} <= lines
    more = await the_partner(office, ChangeKind.SCOPE, a_scope("orders", CITY, REAL_NAME, NATIONAL_ID))
    assert more.schema is not None
    assert (more.schema.is_breaking, more.schema.changes) == (False, ())


async def test_registered_operations_show_what_they_would_get_or_the_code_of_their_refusal(office: Office) -> None:
    """As registering them again would show, before and after."""
    partner_id = await id_of(office, "shop")
    for name, fields in (("Where", "city"), ("Who", "realName"), ("Nothing", "id")):
        document = f"query {name} {{ subjects(first: 5) {{ edges {{ node {{ {fields} }} }} }} }}"
        await registered.register(office.world.owner, partner_id=partner_id, document=document, label=name)
    wanted = rules("orders", realName=MASK)

    found = await the_partner(office, ChangeKind.SCOPE, wanted)

    told = {one.operation: one for one in found.operations}
    assert {name: (one.refused_before, one.refused_after) for name, one in told.items()} == {
        "Where": (None, Code.VALIDATION),
        "Who": (None, None),
    }
    [field] = told["Who"].fields
    assert (field.path, field.redaction_before, field.redaction_after) == (REAL_NAME, "reveal", "mask(1,0)")
    ended = await the_partner(office, ChangeKind.PARTNER, a_partner(office.world, "shop", status="suspended"))
    assert {(one.operation, one.refused_after) for one in ended.operations} == {
        (name, Code.NO_LIVE_GRANT) for name in ("Where", "Who", "Nothing")
    }
    await office.make(ChangeKind.SCOPE, wanted)
    for digest in {one.document_sha256 for one in found.operations}:
        held = await registered.of_partner(office.world.owner, partner_id)
        document = next(one.document for one in held if one.document_sha256 == digest)
        now = await examine_for_partner(office.world.owner, office.settings, partner_id=partner_id, document=document)
        assert now.can_be_answered is ("Who" in document)
    only = await the_partner(office, ChangeKind.PARTNER, a_partner(office.world, "shop", registered_only=True))
    assert (only.registered_only_before, only.registered_only_after, only.operations) == (False, True, ())


async def test_clients_show_what_each_of_them_may_still_ask_for(office: Office) -> None:
    """RFC 7591 2: one that is registered for other scopes has nothing of it; nor has one that has ended."""
    world, partner_id = office.world, await id_of(office, "shop")
    for client_id, scope, status in (
        ("orders-app", "orders", "active"),
        ("other-app", "parcels", "active"),
        ("old", None, "ended"),
    ):
        metadata = "{}" if scope is None else f'{{"scope": "{scope}"}}'
        await world.owner.execute(
            "insert into gateway.client (client_id, partner_id, metadata, status) values ($1, $2, $3, $4)",
            client_id,
            partner_id,
            metadata,
            status,
        )
    new = {
        "client_id": "new-app",
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["https://shop.example/back"],
        "scope": "orders",
    }

    found = await the_partner(office, ChangeKind.SCOPE, a_scope("orders", REAL_NAME))
    added = await the_partner(office, ChangeKind.CLIENT, {"partner": "shop", "metadata": new})

    lost = [(Purpose.SERVICE_DELIVERY, CITY, Effect.LOSES)]
    assert {one.client_id: [(field.purpose, field.path, field.effect) for field in one.fields] for one in found.clients} == {
        world.client_of(partner_id): lost,
        "orders-app": lost,
    }
    [client] = added.clients
    assert (client.client_id, client.status_before, client.status_after, added.purposes) == ("new-app", None, "active", ())
    assert [(field.path, field.effect) for field in client.fields] == [(CITY, Effect.GAINS), (REAL_NAME, Effect.GAINS)]


async def test_change_is_compared_at_the_first_instant_at_which_it_makes_a_difference(office: Office) -> None:
    """What begins later, or goes on where it would have ended, is shown from then on."""
    world, soon = office.world, office.world.started + timedelta(days=10)
    later = await impact(office, ChangeKind.SCOPE, a_scope("orders", CITY, active_from=soon.isoformat()))
    longer = a_grant(world, "shop", "orders", ends_at=(world.started + timedelta(days=60)).isoformat())

    goes_on = await impact(office, ChangeKind.GRANT, longer)
    shorter = await impact(office, ChangeKind.PARTNER, a_partner(world, "shop", agreement_ends_at=soon.isoformat()))

    assert later.takes_effect_at == later.partners[0].from_at == soon
    assert goes_on.takes_effect_at < goes_on.partners[0].from_at == world.started + timedelta(days=30)
    assert {field.effect for field in goes_on.partners[0].purposes[0].fields} == {Effect.GAINS}
    assert shorter.partners[0].from_at == soon
    assert {field.effect for field in shorter.partners[0].purposes[0].fields} == {Effect.LOSES}


async def test_what_concerns_nobody_yet_has_no_impact(office: Office) -> None:
    """A scope that nobody holds, a partner that is new, rules for what is to come, what is so already."""
    world = office.world
    needs = {purpose.value: ["profile.city", "identity.real_name"] for purpose in Purpose}
    for kind, content in (
        (ChangeKind.SCOPE, a_scope("parcels", NATIONAL_ID)),
        (ChangeKind.PARTNER, a_partner(world, "newcomer")),
        (ChangeKind.RULES, {"needs": needs, "floors": {}}),
        (ChangeKind.SCOPE, a_scope("orders", CITY, REAL_NAME)),
        (ChangeKind.GRANT, a_grant(world, "shop", "orders")),
    ):
        assert (await impact(office, kind, content)).partners == (), kind


async def test_change_that_could_not_be_proposed_has_no_impact_but_a_refusal(office: Office) -> None:
    """The same as proposing would give; and only who may read changes is told."""
    world = office.world
    wrong: list[tuple[ChangeKind, dict[str, Any], str]] = [
        (ChangeKind.SCOPE, {"scope": "orders"}, "CHANGE_INVALID"),
        (ChangeKind.SCOPE, a_scope("orders", "Subject.shoeSize"), "RULES_BROKEN"),
        (ChangeKind.SCOPE_END, {"scope": "nothing"}, "SCOPE_UNKNOWN"),
        (ChangeKind.GRANT, a_grant(world, "nobody", "orders"), "PARTNER_UNKNOWN"),
        (ChangeKind.GRANT, a_grant(world, "shop", "nothing"), "SCOPE_UNKNOWN"),
        (ChangeKind.GRANT_END, {"grant_id": str(UUID(int=1)), "partner": "shop", "scope": "orders"}, "GRANT_UNKNOWN"),
        (ChangeKind.PARTNER, a_partner(world, "shop", role="processor", kind="friend"), "RULES_BROKEN"),
        (ChangeKind.CLIENT, {"partner": "nobody", "metadata": {}}, "PARTNER_UNKNOWN"),
        (ChangeKind.CLIENT, {"partner": "shop", "metadata": {"client_id": 5}}, "CHANGE_INVALID"),
        (ChangeKind.RULES, {"needs": {}, "floors": {}}, "RULES_BROKEN"),
    ]
    for kind, content, code in wrong:
        with pytest.raises(ActRefused) as refused:
            await impact(office, kind, content)
        assert refused.value.code == code, (kind, content)
    for role in (StaffRole.OPERATOR, StaffRole.SUPPORT):
        with pytest.raises(ActRefused, match="roles"):
            await impact_of(
                world.owner,
                office.people[role],
                office.ground,
                office.settings,
                kind=ChangeKind.SCOPE_END,
                content={"scope": "orders"},
            )


async def test_impact_holds_nothing_of_a_data_subject(office: Office) -> None:
    """Policy 9.2: somebody who agreed to everything is a number in it."""
    world = office.world
    subject_id = await world.a_subject(rows={"post": [{"text": "今天在海边"}]})
    await world.a_consent(subject_id, await id_of(office, "shop"))

    found = await the_partner(office, ChangeKind.SCOPE, a_scope("orders", *CATALOGUE.fields))

    assert {field.path for field in found.purposes[0].fields} == CATALOGUE.fields.keys() - {CITY, REAL_NAME}
    told = repr(found)
    values = {str(value) for column, value in ACCOUNT.items() if column not in {"city", "language"}} | {"今天在海边"}
    assert not [value for value in values if value in told]
    assert str(subject_id) not in told
    assert world.id_of(subject_id, await id_of(office, "shop")) not in told
