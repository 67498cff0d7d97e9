"""What registering a document shows, and that it is what a request then gets."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest

from gateway.catalogue.weidandan import CATALOGUE
from gateway.request.codes import Code, GatewayError
from gateway.request.limits import Limits
from gateway.settings import Settings
from gateway.stewardship.examine import Examined, examine, examine_for_partner
from gateway.store import partners
from gateway.store.partners import PartnerError
from gateway.store.view import load_view_of_partner
from scopes import REVEAL, Purpose, Redaction, Rung, Sensitivity
from tests.support.world import World

MASK = Redaction(Rung.MASK, head=3, tail=4)


async def shown(world: World, partner_id: UUID, document: str, limits: Limits | None = None) -> Examined:
    view = await load_view_of_partner(world.owner, partner_id)
    assert view is not None
    return examine(CATALOGUE, limits or Limits(), view, document)


async def test_each_field_is_shown_as_a_request_then_gets_it(small_world: World) -> None:
    world = small_world
    partner_id, caller = await world.a_reader({"Subject.mobileNumber": MASK, "Subject.nationalId": MASK, "Subject.city": REVEAL})
    document = "query Two($n: Int!) { subjects(first: $n) { edges { node { id mobileNumber nationalId city } } } }"

    found = await shown(world, partner_id, document)

    [operation] = found.operations
    [under] = operation.under
    assert found.document_sha256 == hashlib.sha256(document.encode()).hexdigest()
    assert (operation.name, under.purpose, frozenset(under.scopes)) == ("Two", Purpose.SERVICE_DELIVERY, caller.scopes)
    assert {field.path: (field.category, field.sensitivity) for field in under.fields} == {
        "Subject.mobileNumber": ("identity.mobile_number", Sensitivity.ORDINARY),
        "Subject.nationalId": (CATALOGUE.fields["Subject.nationalId"].category, Sensitivity.SENSITIVE),
        "Subject.city": ("profile.city", Sensitivity.ORDINARY),
    }
    answer = await world.ask(caller, document, n=1)
    redacted = [
        {"field": field.path, "redaction": field.redaction} for field in under.fields if field.redaction != REVEAL.label()
    ]
    assert answer["extensions"]["disclosure"]["redacted"] == redacted
    assert found.can_be_answered


@pytest.mark.parametrize(
    ("document", "least", "most"),
    [
        ("{ subjects(first: 5) { edges { node { city } } } }", 5, 5),
        ("query ($n: Int!) { subjects(first: $n) { edges { node { city } } } }", 1, 500),
        ("query ($n: Int!, $i: ID!) { subjects(first: $n) { edges { node { city } } } subject(id: $i) { city } }", 1, 500),
    ],
)
async def test_the_costs_are_those_of_the_smallest_and_the_largest_request(
    small_world: World, document: str, least: int, most: int
) -> None:
    world = small_world
    partner_id, caller = await world.a_reader(["Subject.city"])

    [operation] = (await shown(world, partner_id, document)).operations

    variables = {"i": "nobody"} if "$i" in document else {}
    for cost, size in ((operation.cost_least, least), (operation.cost_most, most)):
        sized = {**variables, "n": size} if "$n" in document else variables
        answer = await world.ask(caller, document, **sized)
        assert cost == answer["extensions"]["cost"]["requested"]


async def test_a_cost_that_a_variable_can_raise_beyond_the_limit_has_no_most(small_world: World) -> None:
    partner_id, _ = await small_world.a_reader(["Subject.city"])
    document = "query ($n: Int!) { subjects(first: $n) { edges { node { city } } } }"

    [operation] = (await shown(small_world, partner_id, document, Limits(max_cost=100))).operations

    assert (operation.cost_most, operation.hindrance) == (None, None)


async def test_a_field_that_a_variable_may_select_is_shown(small_world: World) -> None:
    partner_id, _ = await small_world.a_reader(["Subject.city", "Subject.language", "Subject.email"])
    document = """query ($a: Boolean!, $b: Boolean!) {
      me { city @include(if: $a) @skip(if: $a) ...Rest @skip(if: $b) email @include(if: false) }
    }
    fragment Rest on Subject { language }"""

    [operation] = (await shown(small_world, partner_id, document)).operations

    assert [field.path for field in operation.under[0].fields] == ["Subject.city", "Subject.language"]


async def test_each_purpose_that_the_partner_holds_is_shown_with_its_own_redaction_or_refusal(small_world: World) -> None:
    world = small_world
    partner_id = await world.a_partner()
    delivery = await world.a_scope({"Subject.mobileNumber": MASK, "Subject.city": REVEAL}, purpose=Purpose.MESSAGE_DELIVERY)
    advertising = await world.a_scope({"Subject.city": REVEAL}, purpose=Purpose.ADVERTISING)
    for scope in (delivery, advertising):
        await world.a_grant(partner_id, scope)

    both = await shown(world, partner_id, "{ me { mobileNumber city } }")
    named = await shown(world, partner_id, "query @purpose(is: message_delivery) { me { mobileNumber } }")

    under = {found.purpose: found for found in both.operations[0].under}
    assert set(under) == {Purpose.MESSAGE_DELIVERY, Purpose.ADVERTISING}
    assert [field.redaction for field in under[Purpose.MESSAGE_DELIVERY].fields] == ["mask(3,4)", "reveal"]
    hindrance = under[Purpose.ADVERTISING].hindrance
    assert hindrance is not None
    assert (hindrance.code, hindrance.extensions["path"]) == (Code.INSUFFICIENT_SCOPE, "Subject.mobileNumber")
    assert both.can_be_answered
    [only] = named.operations[0].under
    assert (only.purpose, only.hindrance) == (Purpose.MESSAGE_DELIVERY, None)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{ me {", Code.SYNTAX),
        ("{ me { realName } }", Code.VALIDATION),
        ("mutation { me { city } }", Code.VALIDATION),
        ("fragment A on Subject { city }", Code.OPERATION_NAME),
        ("{ subjects(first: 501) { edges { node { city } } } }", Code.PAGE_TOO_LARGE),
    ],
)
async def test_a_document_that_would_be_refused_shows_the_error_of_a_request(
    small_world: World, document: str, code: Code
) -> None:
    world = small_world
    partner_id, caller = await world.a_reader(["Subject.city"])

    found = await shown(world, partner_id, document)

    with pytest.raises(GatewayError) as refused:
        await world.ask(caller, document)
    assert found.hindrance is not None
    assert refused.value.code is found.hindrance.code is code
    assert refused.value.problems in {(), found.hindrance.problems}
    assert not found.can_be_answered


async def test_of_several_operations_each_has_its_own_outcome(small_world: World) -> None:
    partner_id, _ = await small_world.a_reader(["Subject.city"])
    document = """query Good { me { city } }
    query Dear { subjects(first: 501) { edges { node { city } } } }
    query Local { __typename }"""

    found = await shown(small_world, partner_id, document)

    good, dear, local = found.operations
    assert [one.name for one in found.operations] == ["Good", "Dear", "Local"]
    assert (good.hindrance, local.hindrance) == (None, None)
    assert dear.hindrance is not None
    assert (dear.hindrance.code, local.under[0].fields) == (Code.PAGE_TOO_LARGE, ())
    assert not found.can_be_answered


async def test_a_partner_that_gets_nothing_or_is_unknown_is_told_so(small_world: World) -> None:
    (partner_id, _), settings = await small_world.a_reader(["Subject.city"], name="gone"), Settings()
    await partners.set_status(small_world.owner, partner_id=partner_id, status="suspended")

    found = await examine_for_partner(small_world.owner, settings, partner_id=partner_id, document="{ me { id } }")

    hindrance = found.operations[0].under[0].hindrance
    assert hindrance is not None
    assert hindrance.code is Code.NO_LIVE_GRANT
    with pytest.raises(PartnerError):
        await examine_for_partner(small_world.owner, settings, partner_id=UUID(int=0), document="{ me { id } }")
