"""The demo's data in a real database."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from argon2 import PasswordHasher

from gateway.catalogue.definition import RowList
from gateway.catalogue.weidandan import CATALOGUE
from gateway.demo.canaries import COUNT, aviary
from gateway.demo.load import SEED, Filled, OtherMasterKey, connected, fill
from gateway.demo.partners import GRANTED
from gateway.demo.register import ClientTaken, register_client
from gateway.demo.sign_ins import SIGN_INS, give_sign_ins
from gateway.settings import Settings
from gateway.store import consents, subjects
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Connection
from scopes import CATEGORIES, pseudonym
from tests.support.database import Database

SUBJECTS = 2000
PUBLIC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data=tmp_path_factory.mktemp("data"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled(module_database: Database, settings: Settings) -> Filled:
    return await fill(module_database.owner_url, settings, SUBJECTS)


@pytest_asyncio.fixture(loop_scope="session")
async def conn(module_database: Database) -> AsyncIterator[Connection]:
    async with connected(module_database.owner_url) as conn:
        yield conn


async def test_the_folded_state_follows_from_the_ledgers(filled: Filled, conn: Connection, settings: Settings) -> None:
    assert filled == Filled(subjects=SUBJECTS + COUNT, is_new=True, partner_ids=filled.partner_ids)
    assert await consents.verify(conn, PseudonymKeys(settings.key("pseudonym"))) == []


@pytest.mark.usefixtures("filled")
async def test_the_ledger_keeps_its_foreign_keys(conn: Connection, database: Database) -> None:
    """They are set aside while it is filled; a database that was only migrated has the same."""
    text = """select conname, pg_get_constraintdef(oid), convalidated from pg_constraint
               where conrelid = 'gateway.consent_event'::regclass order by conname"""
    untouched = await asyncpg.connect(database.owner_url)

    assert await conn.fetch(text) == await untouched.fetch(text)

    await untouched.close()


async def test_a_second_filling_changes_nothing(filled: Filled, module_database: Database, settings: Settings) -> None:
    again = await fill(module_database.owner_url, settings, 50)

    assert again == Filled(subjects=SUBJECTS + COUNT, is_new=False, partner_ids=filled.partner_ids)


async def test_data_subjects_of_contract_runs_are_none_of_the_demos(
    filled: Filled, conn: Connection, module_database: Database, settings: Settings
) -> None:
    synthetic = uuid4()
    await subjects.register(conn, subject_id=synthetic, is_synthetic=True)
    await conn.execute("insert into platform.account (subject_id) values ($1)", synthetic)

    again = await fill(module_database.owner_url, settings, 50)

    assert again.subjects == filled.subjects
    await conn.execute("delete from platform.account where subject_id = $1", synthetic)
    await conn.execute("delete from gateway.subject where subject_id = $1", synthetic)


@pytest.mark.usefixtures("filled")
async def test_a_database_filled_under_another_master_key_is_left_alone(module_database: Database, tmp_path: Path) -> None:
    """Its pseudonyms could not be continued, and its signing keys not be opened."""
    with pytest.raises(OtherMasterKey):
        await fill(module_database.owner_url, Settings(data=tmp_path), SUBJECTS)


async def test_every_partner_sees_most_subjects_and_not_all(filled: Filled, conn: Connection) -> None:
    for partner, scope in GRANTED:
        visible = await conn.fetchval(
            "select count(*) from gateway.consent_state where partner_id = $1 and purpose = $2 and visible_until > now()",
            filled.partner_ids[partner.name],
            scope.purpose.value,
        )
        assert SUBJECTS / 3 < visible < SUBJECTS


async def test_canaries_are_covered_in_every_category_that_a_partner_may_have(filled: Filled, conn: Connection) -> None:
    for partner, scope in GRANTED:
        for canary in aviary(SEED).canaries:
            covered: int = await conn.fetchval(
                "select covered from gateway.consent_state where partner_id = $1 and purpose = $2 and subject_id = $3",
                filled.partner_ids[partner.name],
                scope.purpose.value,
                UUID(canary.subject_id),
            )
            assert covered.bit_count() == len(CATEGORIES)


async def test_pseudonyms_are_those_that_the_settings_key_gives(filled: Filled, conn: Connection, settings: Settings) -> None:
    subject_id = UUID(aviary(SEED).canaries[0].subject_id)
    partner, scope = GRANTED[0]
    partner_id = filled.partner_ids[partner.name]

    stored = await conn.fetchval(
        "select pseudonym from gateway.consent_state where partner_id = $1 and subject_id = $2", partner_id, subject_id
    )

    assert stored == pseudonym(settings.key("pseudonym"), partner_id, scope.purpose.value, subject_id)


@pytest.mark.usefixtures("filled")
async def test_the_lists_of_a_canary_stand_in_the_order_of_the_answer(conn: Connection) -> None:
    canary = aviary(SEED).canaries[0]
    for column, name, path in (("text", "posts", "Post.text"), ("street", "addresses", "Address.street")):
        listed = CATALOGUE.subject.members[name].shared
        assert isinstance(listed, RowList)
        text = (
            f"select {column} as value from {listed.table.source} where {listed.table.subject} = $1 order by {listed.table.order}"
        )
        rows = await conn.fetch(text, UUID(canary.subject_id))
        assert [row["value"] for row in rows] == list(canary.values[path])


async def test_a_client_is_renewed_by_its_partner_and_never_taken_over(filled: Filled, conn: Connection) -> None:
    metadata = {"client_id": "extra", "jwks": {"keys": [PUBLIC_KEY]}}
    await register_client(conn, partner_id=filled.partner_ids["shopmate"], metadata=metadata)
    await register_client(conn, partner_id=filled.partner_ids["shopmate"], metadata=metadata | {"client_name": "Extra"})

    with pytest.raises(ClientTaken):
        await register_client(conn, partner_id=filled.partner_ids["adlens"], metadata=metadata)

    assert await conn.fetchval("select metadata ->> 'client_name' from gateway.client where client_id = 'extra'") == "Extra"


@pytest.mark.usefixtures("filled")
async def test_the_serving_role_may_read_the_platform_and_not_change_it(module_database: Database) -> None:
    conn = await module_database.connect()
    try:
        assert await conn.fetchval("select count(*) from platform.account") == SUBJECTS + COUNT
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("delete from platform.account")
    finally:
        await conn.close()


async def test_sign_ins_open_with_the_passwords_handed_out_and_stay_as_they_are(filled: Filled, conn: Connection) -> None:
    canaries = [UUID(canary.subject_id) for canary in aviary(SEED).canaries]
    given = await give_sign_ins(conn, canaries, filled.partner_ids, {})
    document = {"subjects": [{"subject_id": str(subject_id), **sign_in} for subject_id, sign_in in given]}
    first = await conn.fetch("select * from gateway.account order by login")

    again = await give_sign_ins(conn, canaries, filled.partner_ids, document)

    assert again == given
    assert await conn.fetch("select * from gateway.account order by login") == first
    assert len(first) == SIGN_INS
    passwords = {sign_in["login"]: sign_in["password"] for _, sign_in in given}
    assert all(PasswordHasher().verify(row["password_hash"], passwords[row["login"]]) for row in first)
    assert all(row["login"] == row["login"].lower() for row in first)


async def test_a_demo_whose_file_was_removed_hands_out_new_passwords(filled: Filled, conn: Connection) -> None:
    canaries = [UUID(canary.subject_id) for canary in aviary(SEED).canaries]
    await give_sign_ins(conn, canaries, filled.partner_ids, {})

    ((subject_id, sign_in), *_) = await give_sign_ins(conn, canaries, filled.partner_ids, {})

    stored = await conn.fetchval("select password_hash from gateway.account where subject_id = $1", subject_id)
    assert PasswordHasher().verify(stored, sign_in["password"])


async def test_the_second_who_can_sign_in_was_never_asked_by_shopmate(filled: Filled, conn: Connection) -> None:
    """Whoever follows the demo's invitation is asked, and has not agreed beforehand."""
    canaries = [UUID(canary.subject_id) for canary in aviary(SEED).canaries]

    _, (subject_id, _), *_ = await give_sign_ins(conn, canaries, filled.partner_ids, {})

    text = "select count(*) from gateway.consent_event where subject_id = $1 and partner_id = $2"
    assert await conn.fetchval(text, subject_id, filled.partner_ids["shopmate"]) == 0


async def test_whoever_could_sign_in_still_can_after_a_decision(filled: Filled, conn: Connection) -> None:
    canaries = [UUID(canary.subject_id) for canary in aviary(SEED).canaries]
    given = await give_sign_ins(conn, canaries, filled.partner_ids, {})
    document = {"subjects": [{"subject_id": str(subject_id), **sign_in} for subject_id, sign_in in reversed(given)]}

    assert await give_sign_ins(conn, canaries, filled.partner_ids, document) == [*reversed(given)]
