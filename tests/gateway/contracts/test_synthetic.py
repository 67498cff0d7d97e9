"""Synthetic data subjects: put in place beside the real ones, seen by contract runs alone, and taken away again."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import strawberry
from joserfc.jwk import ECKey

from gateway.catalogue.definition import Catalogue, Table, value, values
from gateway.catalogue.weidandan import CATALOGUE
from gateway.contracts import enrolment
from gateway.contracts.client import GatewayClient, NoToken, Unreachable
from gateway.contracts.planting import Fault, Unplantable, plant
from gateway.contracts.subjects import Synthetic, default_path, read
from gateway.contracts.synthetic import NotOurs, client_id_of, enrol, withdraw
from gateway.oauth.registration import validate
from gateway.store import consents, partners, policy, subjects
from gateway.store.consents import PseudonymKeys, verify
from gateway.store.pool import Connection
from gateway.strict_yaml import InvalidFile
from scopes import CATEGORIES, Kind, Purpose
from tests.gateway.contracts.conftest import Place
from tests.support.served import free_port, served
from tests.support.world import POLICY

AD = Purpose.AD_MEASUREMENT
EVERYBODY = "{ subjects(first: 100) { edges { node { id city } } } }"


def the_default() -> tuple[Synthetic, ...]:
    return read(default_path(), CATALOGUE)


async def counts(conn: Connection) -> dict[str, int]:
    """Rows of every table that enrolling writes to."""
    tables = ("gateway.subject", "gateway.consent_event", "gateway.setting_event", "gateway.policy_acceptance", "gateway.client")
    platform = ("platform.account", "platform.address", "platform.post", "platform.photo", "platform.device")
    return {table: await conn.fetchval(f"select count(*) from {table}") for table in (*tables, *platform)}


async def test_enrolling_again_changes_nothing(place: Place) -> None:
    """Ids derive from names, and what was said already is not said again: twice is once."""
    first = await enrol(place.conn, place.settings, CATALOGUE, the_default())
    before = await counts(place.conn)

    second = await enrol(place.conn, place.settings, CATALOGUE, the_default(), first)

    assert await counts(place.conn) == before
    assert before["platform.account"] == len(the_default())
    for name, runner in first.runners.items():
        assert second.runners[name].private_key_jwk == runner.private_key_jwk
        assert second.runners[name].pseudonyms == runner.pseudonyms
    assert await verify(place.conn, PseudonymKeys(place.settings.key("pseudonym"))) == []


async def test_only_contract_runs_see_them_and_they_see_nobody_else(place: Place) -> None:
    """The real data subject who agreed to the same is not there for a runner; the partner's own client sees nobody else."""
    real, keys = uuid4(), PseudonymKeys(place.settings.key("pseudonym"))
    await place.conn.execute("insert into platform.account (subject_id, city) values ($1, '桂林市')", real)
    adlens = await place.conn.fetchval("select partner_id from gateway.partner where name = 'adlens'")
    agreed = {"partner_id": adlens, "purpose": AD, "categories": CATEGORIES, "policy_version": POLICY}
    await consents.give(place.conn, keys, subject_id=real, **agreed)
    enrolled = await enrol(place.conn, place.settings, CATALOGUE, the_default())

    alice = enrolled.runners["adlens"].pseudonyms[AD]["alice"]
    own = enrolment.Enrolment("", {"adlens": await a_real_client(place.conn, adlens, enrolled.runners["adlens"])})

    async with served(place.url, place.data) as port, GatewayClient(enrolled, f"http://localhost:{port}") as client:
        answer = await client.ask("adlens", AD, EVERYBODY)
        async with GatewayClient(own, f"http://localhost:{port}") as partner:
            listed = await partner.ask("adlens", AD, EVERYBODY)
            by_id = await partner.ask("adlens", AD, "query ($id: ID!) { subject(id: $id) { id city } }", {"id": str(alice)})

    assert [edge["node"]["city"] for edge in listed.data["subjects"]["edges"]] == ["桂林市"]
    assert by_id.body["data"] == {"subject": None}
    cities = {edge["node"]["id"]: edge["node"]["city"] for edge in answer.data["subjects"]["edges"]}
    names = {str(pseudonym): name for name, pseudonym in enrolled.runners["adlens"].pseudonyms[AD].items()}
    assert {names[one] for one in cities} >= {"alice", "grace"}
    assert "桂林市" not in answer.text


async def a_real_client(conn: Connection, partner_id: UUID, runner: enrolment.Runner) -> enrolment.Runner:
    """A client of the partner's own, with the runner's key and scopes: it runs no contracts."""
    public = ECKey.import_key({**runner.private_key_jwk}).as_dict(private=False)
    client = validate(
        {
            "client_id": "adlens-itself",
            "client_name": "adlens",
            "jwks": {"keys": [{**public, "kid": runner.private_key_jwk["kid"], "use": "sig", "alg": "ES256"}]},
            "grant_types": ["client_credentials"],
        }
    )
    await partners.register_client(conn, partner_id=partner_id, client=client)
    return replace(runner, client_id="adlens-itself")


async def test_what_was_withdrawn_is_gone_and_its_runners_get_no_token(place: Place) -> None:
    """`gateway contracts withdraw` leaves the adopter's tables as they were."""
    enrolled = await enrol(place.conn, place.settings, CATALOGUE, the_default())

    gone = await withdraw(place.conn, place.settings, CATALOGUE)

    assert (gone.subjects, gone.runners) == (len(the_default()), len(enrolled.runners))
    after = await counts(place.conn)
    assert {table: count for table, count in after.items() if table.startswith("platform.") and count} == {}
    async with served(place.url, place.data) as port, GatewayClient(enrolled, f"http://localhost:{port}") as client:
        with pytest.raises(NoToken, match=r"^adlens: invalid_client$"):
            await client.token("adlens", AD)
    again = await enrol(place.conn, place.settings, CATALOGUE, the_default(), enrolled)
    assert again.runners.keys() == enrolled.runners.keys()
    assert (await counts(place.conn))["platform.account"] == len(the_default())


async def test_an_id_of_a_real_data_subject_is_never_taken(place: Place) -> None:
    alice = the_default()[0]
    await subjects.register(place.conn, subject_id=alice.subject_id)

    with pytest.raises(NotOurs):
        await enrol(place.conn, place.settings, CATALOGUE, the_default())


async def test_a_client_of_the_partner_is_never_made_a_runner(place: Place) -> None:
    await place.conn.execute(
        "insert into gateway.client (client_id, partner_id, metadata) select $1, partner_id, '{}' from gateway.partner limit 1",
        client_id_of("adlens"),
    )

    with pytest.raises(NotOurs):
        await enrol(place.conn, place.settings, CATALOGUE, the_default())


SHOP = """
create schema shop;
create table shop.customer (id uuid primary key, tenant integer not null, login text not null unique, city text);
create table shop.note (number bigint generated always as identity primary key, customer uuid not null, text text not null)"""


@strawberry.type
class Customer:
    city: str | None = value(Kind.CITY, "profile.city", "city", description="Where.")
    notes: list[str | None] | None = values(
        Kind.TEXT,
        "support.cases",
        "text",
        table=Table("shop.note x", order="x.number", subject="x.customer"),
        description="What was said.",
    )


async def test_tables_of_an_adopters_own_hold_what_they_insist_on(place: Place, tmp_path: Path) -> None:
    """Columns that no field names are told in subjects.yaml; keys that the table makes itself are left to it."""
    await place.conn.execute(SHOP)
    catalogue = Catalogue(subject=Customer, table="shop.customer x", key="x.id")
    (tmp_path / "subjects.yaml").write_text(
        'columns: {shop.customer: {tenant: "7", login: "contract-${name}"}}\n'
        "subjects:\n  zoe: {values: {Customer.city: 大理市, Customer.notes: [first, second]}}\n"
        "  yan: {values: {Customer.city: 大理市}}\n"
    )

    for _ in range(2):
        for one in read(tmp_path / "subjects.yaml", catalogue):
            await plant(place.conn, catalogue, one)

    customers = await place.conn.fetch("select tenant, login, city from shop.customer order by login")
    assert [tuple(row) for row in customers] == [(7, "contract-yan", "大理市"), (7, "contract-zoe", "大理市")]
    assert [row["text"] for row in await place.conn.fetch("select text from shop.note order by number")] == ["first", "second"]


async def test_a_table_that_refuses_is_named_by_its_path(place: Place) -> None:
    await place.conn.execute(SHOP)
    catalogue = Catalogue(subject=Customer, table="shop.customer x", key="x.id")
    one = Synthetic("zoe", "", {"Customer.city": "大理市"}, (), frozenset(), True, True, True)  # noqa: FBT003 - as in the file

    with pytest.raises(Unplantable) as refused:
        await plant(place.conn, catalogue, one)

    assert (refused.value.fault, refused.value.path) == (Fault.REFUSED_BY_TABLE, "Customer")


async def test_a_list_of_a_join_cannot_be_planted_and_says_so(place: Place) -> None:
    """The catalogue tells no single table to write to: a typed error names the path, never the value."""
    one = Synthetic("zoe", "", {"Subject.mentions": ("秘密",)}, (), frozenset(), True, True, True)  # noqa: FBT003 - as in the file

    with pytest.raises(Unplantable) as refused:
        await plant(place.conn, CATALOGUE, one)

    assert (refused.value.fault, refused.value.path) == (Fault.NOT_ONE_TABLE, "Subject.mentions")


async def test_a_value_of_the_wrong_form_is_not_quoted(place: Place) -> None:
    one = Synthetic("zoe", "", {"Subject.birthDate": "no day"}, (), frozenset(), True, True, True)  # noqa: FBT003 - as in the file

    with pytest.raises(Unplantable) as refused:
        await plant(place.conn, CATALOGUE, one)

    assert str(refused.value) == "Subject: wrong_form"


def test_a_flaw_of_the_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "subjects.yaml"
    path.write_text("subjects:\n  zoe:\n    values:\n      Subject.city: 12\n")

    with pytest.raises(InvalidFile, match=r"subjects.yaml:4: subjects.zoe.values.Subject.city"):
        read(path, CATALOGUE)


def test_the_enrolment_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "contracts.json"
    enrolment.write(path, enrolment.Enrolment("http://localhost:1", {}))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert enrolment.read(path).gateway_url == "http://localhost:1"
    path.write_text("{}")
    with pytest.raises(enrolment.NoEnrolment):
        enrolment.read(path)


async def test_nobody_at_the_address_is_told_as_such() -> None:
    empty = enrolment.Runner("adlens", "contracts-adlens", {}, {}, {})
    async with GatewayClient(enrolment.Enrolment(f"http://localhost:{free_port()}", {"adlens": empty})) as client:
        with pytest.raises(Unreachable):
            await client.ask("adlens", AD, "{ access { partner } }")


async def test_they_agree_to_the_policy_that_is_in_force_now(place: Place) -> None:
    later = PseudonymKeys(place.settings.key("pseudonym"))
    await policy.announce(place.conn, later, policy_version="2030", effective_at=await _future(place.conn), text_sha256=bytes(32))
    await enrol(place.conn, place.settings, CATALOGUE, the_default())

    found = await place.conn.fetch("select distinct policy_version from gateway.consent_event")
    assert [row["policy_version"] for row in found] == [POLICY]


async def _future(conn: Connection) -> Any:
    return await conn.fetchval("select statement_timestamp() + interval '1 year'")
