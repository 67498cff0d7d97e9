"""What the admin API reads: every field of the schema can be selected, pages follow one another, and no value of anybody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from graphql import GraphQLField, GraphQLObjectType, get_named_type, is_leaf_type

from gateway.admin.api.schema import SCHEMA
from gateway.stewardship.content import ChangeKind
from tests.support.admin import AdminDoor, an_admin_door
from tests.support.database import Database
from tests.support.stewardship import CITY, REAL_NAME, a_grant, a_partner, a_scope
from tests.support.world import ACCOUNT

DOCUMENT = "query Cities { subjects(first: 2) { edges { node { city realName } } } }"

REGISTER = (
    'mutation ($document: String!) { registerOperation(partner: "shop", document: $document, label: "cities")'
    " { documentSha256 } }"
)


def everything(type_: GraphQLObjectType) -> str:
    """A selection of all fields, down to the leaves; the types have no circle."""
    return "{ " + " ".join(name + selected(field) for name, field in type_.fields.items()) + " }"


def selected(field: GraphQLField) -> str:
    named = get_named_type(field.type)
    if is_leaf_type(named):
        return ""
    assert isinstance(named, GraphQLObjectType)
    return " " + everything(named)


def root(name: str, arguments: str = "") -> str:
    """An operation that selects everything under one root field."""
    assert SCHEMA.query_type is not None
    assert SCHEMA.mutation_type is not None
    is_query = name in SCHEMA.query_type.fields
    type_ = SCHEMA.query_type if is_query else SCHEMA.mutation_type
    return f"{'query' if is_query else 'mutation'} {{ {name}{arguments}{selected(type_.fields[name])} }}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def inhabited(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AdminDoor]:
    """A partner that has read one of two data subjects, and has a registered operation; a change that waits."""
    async with an_admin_door(module_database, tmp_path_factory.mktemp("served")) as door:
        office, world = door.office, door.office.world
        await office.make(ChangeKind.PARTNER, a_partner(world, "shop"))
        await office.make(ChangeKind.SCOPE, a_scope("orders", CITY, REAL_NAME))
        await office.make(ChangeKind.GRANT, a_grant(world, "shop", "orders"))
        partner_id = await world.owner.fetchval("select partner_id from gateway.partner where name = 'shop'")
        await world.owner.execute(
            "insert into gateway.client (client_id, partner_id, metadata) values ($1, $2, $3)",
            world.client_of(partner_id),
            partner_id,
            json.dumps({"scope": "orders"}),
        )
        subject_id = await world.a_subject()
        await world.a_consent(subject_id, partner_id, categories=["profile.city"])
        await world.see(await world.a_token(partner_id, "orders"), "city realName")
        await office.propose(ChangeKind.SCOPE, a_scope("orders", CITY))
        await door.done("steward", REGISTER, document=DOCUMENT)
        await door.done("operator", 'mutation { halt(reason: "to be seen", scope: "orders") }')
        yield door


READS = [
    ("steward", "me", ""),
    ("steward", "myTokens", ""),
    ("support", "partners", ""),
    ("steward", "clients", ""),
    ("steward", "grants", ""),
    ("steward", "scopes", ""),
    ("steward", "halts", ""),
    ("steward", "rules", ""),
    ("steward", "matrix", ""),
    ("steward", "registeredOperations", '(partner: "shop")'),
    ("steward", "examineOperation", f'(partner: "shop", document: "{DOCUMENT}")'),
    ("approver", "overview", "(days: 2)"),
    ("approver", "changes", "(state: proposed)"),
    ("auditor", "disclosures", '(where: {partner: "shop", purpose: service_delivery})'),
    ("auditor", "exportDisclosures", '(where: {partner: "shop"})'),
    ("auditor", "exportConfiguration", ""),
    ("auditor", "acts", "(first: 5)"),
    ("approver", "accessReview", ""),
    ("auditor", "staff", ""),
]


@pytest.mark.parametrize(("login", "name", "arguments"), READS)
async def test_every_field_can_be_selected(inhabited: AdminDoor, login: str, name: str, arguments: str) -> None:
    """And holds something, but no value of a data subject (policy 9.3)."""
    found = await inhabited.done(login, root(name, arguments))

    assert found
    text = json.dumps(found, ensure_ascii=False)
    assert not [value for value in ACCOUNT.values() if isinstance(value, str) and value in text and value != "zh-CN"]


async def test_a_change_and_its_impact_are_told_together(inhabited: AdminDoor) -> None:
    """Before anybody approves it; what is not proposed yet, too."""
    (waiting,) = (await inhabited.done("approver", root("changes", "(state: proposed)")))["nodes"]

    change = await inhabited.done("approver", root("change", f'(changeId: "{waiting["changeId"]}")'))
    impact = await inhabited.done("approver", root("impact", f'(changeId: "{waiting["changeId"]}")'))
    end = await inhabited.done("steward", root("impactOf", '(change: {scopeEnd: {scope: "orders"}})'))

    assert change == waiting
    (partner,) = impact["partners"]
    assert [(field["path"], field["effect"]) for field in partner["purposes"][0]["fields"]] == [(REAL_NAME, "loses")]
    assert partner["schema"]["isBreaking"] is True
    assert [one["path"] for one in end["partners"][0]["purposes"][0]["fields"]] == [CITY, REAL_NAME]


async def test_support_sees_one_subjects_consents_for_a_reason_and_takes_one_back(inhabited: AdminDoor) -> None:
    """Policy 9.3: with the reason on record; and no data of the subject's."""
    subject_id = await inhabited.office.world.owner.fetchval("select subject_id from platform.account")
    which = f'(subjectId: "{subject_id}", reason: "ticket 17")'
    read = root("readSubjectConsents", which)

    found = await inhabited.done("support", read)
    withdrawal = f'(subjectId: "{subject_id}", partner: "shop", purpose: service_delivery, reason: "ticket 17")'
    withdrawn = await inhabited.done("support", root("withdrawConsent", withdrawal))
    after = await inhabited.done("support", read)

    assert [(one["partner"], one["kind"], one["isLive"]) for one in found["consents"]] == [("shop", "given", True)]
    assert withdrawn == found["consents"][0]["consentId"]
    assert [(one["kind"], one["isLive"]) for one in after["consents"]] == [("withdrawn", False)]
    told = await inhabited.done("auditor", root("acts", f'(target: "{subject_id}")'))
    assert [(act["act"], act["reason"]) for act in told["nodes"]] == [
        ("subject_consents.read", "ticket 17"),
        ("subject_consents.withdraw", "ticket 17"),
        ("subject_consents.read", "ticket 17"),
    ]


async def test_pages_follow_one_another_to_the_end(inhabited: AdminDoor) -> None:
    """Nothing twice, nothing left out, in one order."""
    for login, name, key, more in (
        ("approver", "changes", "changeId", ""),
        ("auditor", "acts", "actId", ', by: "steward"'),
        ("auditor", "disclosures", "disclosureId", ""),
    ):
        whole = await pages(inhabited, login, name, key, f"first: 50{more}")
        assert len(whole) == 1
        assert [one for page in await pages(inhabited, login, name, key, f"first: 1{more}") for one in page] == whole[0]
        assert len(whole[0]) == len({*whole[0]}) > 0


async def pages(door: AdminDoor, login: str, name: str, key: str, arguments: str) -> list[list[Any]]:
    found: list[list[Any]] = []
    after = "null"
    while True:
        page = await door.done(
            login, f"{{ {name}({arguments}, after: {after}) {{ nodes {{ {key} }} pageInfo {{ hasNextPage endCursor }} }} }}"
        )
        found.append([node[key] for node in page["nodes"]])
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = json.dumps(page["pageInfo"]["endCursor"])


async def test_an_operation_that_would_be_refused_is_not_registered(inhabited: AdminDoor) -> None:
    """What it lacks is a finding."""
    reply = await inhabited.by("steward", REGISTER, document="{ subjects(first: 1) { edges { node { email } } } }")

    assert reply.code == "OPERATION_INVALID"
    assert reply.body["errors"][0]["extensions"]["findings"] == [{"path": "document 1:39", "fault": "VALIDATION"}]
