"""Migrations: each once, in order, all or nothing, never edited; and what has to be ready before a month or a rule changes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from gateway.control.upkeep import fold_what_is_stale
from gateway.store import vocabulary
from gateway.store.migrate import FOLDER, MigrationRefused, may_migrate, migrate, status, verify
from gateway.store.partitions import make_ahead
from gateway.store.stale import stale
from scopes import BASIS, CATEGORIES, PURPOSES, Basis, Category, Purpose, Role, Sensitivity
from tests.support.database import Database
from tests.support.world import World


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's migrations, to add to and spoil."""
    return Path(shutil.copytree(FOLDER, tmp_path / "migrations"))


async def test_four_runs_at_once_apply_every_file_exactly_once(empty_database: Database) -> None:
    """Workers that start together do not race."""
    counts = await asyncio.gather(*(migrate(empty_database.owner_url) for _ in range(4)))
    assert sorted(counts) == [0, 0, 0, len(list(FOLDER.glob("*.sql")))]
    assert await verify(empty_database.owner_url)


async def test_status_tells_what_is_applied_and_what_is_pending(database: Database, folder: Path) -> None:
    """`gateway migrate status`."""
    (folder / "9998_more.sql").write_text("create table gateway.more (n int)")
    found = await status(database.owner_url, folder)
    assert [row.version for row in found.applied] == sorted(path.stem for path in FOLDER.glob("*.sql"))
    assert found.pending == ("9998_more",)
    assert not await verify(database.owner_url, folder)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda folder: next(folder.glob("0002*")).write_text("select 1"), "EDITED"),
        (lambda folder: next(folder.glob("0003*")).unlink(), "MISSING"),
        (lambda folder: (folder / "0000_late.sql").write_text("select 1"), "OUT_OF_ORDER"),
        (lambda folder: (folder / "0002_twice.sql").write_text("select 1"), "BAD_NAME"),
        (lambda folder: (folder / "later.sql").write_text("select 1"), "BAD_NAME"),
    ],
)
async def test_history_that_was_changed_is_refused_and_nothing_is_done(
    database: Database, folder: Path, spoil: object, code: str
) -> None:
    """The checksum and the order are what makes two databases the same."""
    assert callable(spoil)
    spoil(folder)
    (folder / "9998_more.sql").write_text("create table gateway.more (n int)")
    with pytest.raises(MigrationRefused) as refused:
        await migrate(database.owner_url, folder)
    assert refused.value.code == code
    owner = await database.owner()
    assert await owner.fetchval("select to_regclass('gateway.more')") is None
    await owner.close()


async def test_a_file_that_fails_leaves_nothing_behind_and_its_error_quotes_nothing(database: Database, folder: Path) -> None:
    """One transaction a file; an error's text could hold a row."""
    (folder / "9998_more.sql").write_text("create table gateway.more (n int); select 'MARKER-1'::int")
    with pytest.raises(MigrationRefused) as refused:
        await migrate(database.owner_url, folder)
    assert (refused.value.code, refused.value.version, refused.value.sqlstate) == ("FAILED", "9998_more", "22P02")
    assert "MARKER" not in str(refused.value)
    owner = await database.owner()
    assert await owner.fetchval("select to_regclass('gateway.more')") is None
    await owner.close()


async def test_the_serving_role_sees_the_book_but_may_not_migrate(database: Database) -> None:
    """A process without the owner's rights can still say that somebody has to migrate."""
    owner, conn = await database.owner(), await database.connect()
    assert await may_migrate(owner)
    assert not await may_migrate(conn)
    assert await conn.fetchval("select count(*) from gateway_migration.applied") > 0
    await owner.close()
    await conn.close()


async def test_partitions_are_there_before_their_month_begins(database: Database) -> None:
    """Records are kept for years: no append ever has to wait for a partition, or fall into the default one."""
    owner = await database.owner()
    now = datetime.now(UTC)
    months = [f"{(now.year * 12 + now.month - 1 + n) // 12}_{(now.month - 1 + n) % 12 + 1:02}" for n in range(4)]
    for table in ("disclosure", "disclosure_subject", "refusal"):
        found = await owner.fetch(
            "select relid::regclass::text from pg_partition_tree($1::text::regclass) where isleaf", f"gateway.{table}"
        )
        assert {row[0] for row in found} == {f"gateway.{table}_{suffix}" for suffix in [*months, "default"]}
    await owner.close()


async def test_rows_that_fell_into_the_default_partition_move_to_their_months_own(database: Database) -> None:
    """A gateway that nobody migrated for months keeps every record, and finds it again."""
    owner = await database.owner()
    await owner.execute(
        """insert into gateway.refusal (refusal_id, refused_at, client_id, code)
           select gen_random_uuid(), date_trunc('month', now(), 'UTC') + interval '4 months 1 day', 'c', 'HALTED'"""
    )
    assert await owner.fetchval("select count(*) from gateway.refusal_default") == 1

    made = await make_ahead(owner, months=4)

    assert len(made) == 3
    assert await owner.fetchval("select count(*) from gateway.refusal_default") == 0
    assert await owner.fetchval("select count(*) from gateway.refusal") == 1
    await owner.close()


async def test_the_databases_vocabulary_is_that_of_scopes(database: Database) -> None:
    """The fold reads the same rules as scopes.decide."""
    owner = await database.owner()
    purposes = {
        row["purpose"]: (row["is_analytics"], row["is_advertising"]) for row in await owner.fetch("select * from gateway.purpose")
    }
    assert purposes == {str(purpose): (rule.is_analytics, rule.is_advertising) for purpose, rule in PURPOSES.items()}
    categories = {
        row["category"]: (row["sensitivity"], row["is_identity"]) for row in await owner.fetch("select * from gateway.category")
    }
    assert categories == {name: (str(category.sensitivity), category.is_identity) for name, category in CATEGORIES.items()}
    rules = {
        (row["purpose"], row["role"], row["sensitivity"]): row["basis"]
        for row in await owner.fetch("select * from gateway.basis_rule")
    }
    tested = {"policy_acceptance", "separate_consent", "sensitive_consent"}
    assert rules == {tuple(map(str, key)): str(basis) if str(basis) in tested else "none" for key, basis in BASIS.items()}
    await owner.close()


async def test_a_vocabulary_that_has_not_changed_is_not_written(database: Database) -> None:
    """A write would make every worker build every view anew."""
    owner = await database.owner()
    assert await vocabulary.sync(owner) is False
    await owner.close()


async def test_an_ordinal_is_never_given_twice(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """consent_state.covered and old records speak in ordinals: a category that is gone keeps its own."""
    owner = await database.owner()
    before = dict(await owner.fetch("select category, ordinal from gateway.category"))
    gone = max(before, key=lambda name: before[name])
    pattern = CATEGORIES[gone]
    kept: Mapping[str, Category] = {name: category for name, category in CATEGORIES.items() if name != gone}
    new = Category(name="profile.nickname", sensitivity=Sensitivity.ORDINARY, is_identity=False, clause=pattern.clause)

    monkeypatch.setattr(vocabulary, "CATEGORIES", {**kept, new.name: new})
    assert await vocabulary.sync(owner)

    after = dict(await owner.fetch("select category, ordinal from gateway.category"))
    assert {name: after[name] for name in before} == before
    assert after[new.name] == max(before.values()) + 1
    await owner.close()


async def test_a_changed_rule_makes_states_folded_under_the_old_one_unreadable(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """policy 6.1: no answer rests on a basis that no longer is one."""
    owner = await database.owner()
    await owner.execute(
        """insert into gateway.partner (partner_id, name, legal_name, contact, role, kind, processing_location,
                                        agreement_starts_at, agreement_ends_at)
           values (gen_random_uuid(), 'adlens', 'AdLens Ltd', 'privacy@adlens.example', 'recipient', 'vendor', 'CN',
                   now(), 'infinity')"""
    )
    before = await owner.fetchrow("select basis_version, view_version from gateway.partner")
    key = (Purpose.SURVEY, Role.RECIPIENT, Sensitivity.ORDINARY)

    monkeypatch.setattr(vocabulary, "BASIS", {**BASIS, key: Basis.NONE})
    assert await vocabulary.sync(owner)

    after = await owner.fetchrow("select basis_version, view_version from gateway.partner")
    assert before is not None
    assert after is not None
    assert after["basis_version"] == before["basis_version"] + 1
    assert after["view_version"] > before["view_version"]
    await owner.close()


async def test_migrating_folds_what_a_changed_rule_left_unread(
    small_world: World, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """policy 6.1: until then its partner sees nobody; afterwards, whoever the rule of today covers."""
    partner_id, caller = await small_world.a_reader(["Subject.city"], name="reader")
    await small_world.a_consent(await small_world.a_subject(), partner_id)
    monkeypatch.setenv("GATEWAY_DATA", str(tmp_path))
    key = (Purpose.SURVEY, Role.RECIPIENT, Sensitivity.ORDINARY)
    monkeypatch.setattr(vocabulary, "BASIS", {**BASIS, key: Basis.NONE})
    assert await fold_what_is_stale(database.owner_url, is_quiet=False) == 0

    await migrate(database.owner_url)
    unread = await small_world.see(caller, "city")
    changed = await fold_what_is_stale(database.owner_url, is_quiet=False)

    assert unread == []
    assert changed == 1
    assert len(await small_world.see(caller, "city")) == 1
    assert "reader service_delivery: 1 unread, 1 folded" in capsys.readouterr().out
    assert await stale(small_world.owner) == []


async def test_a_purpose_that_nobody_was_folded_for_is_folded_where_the_rules_changed(
    small_world: World, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed rule can cover people who have no row yet."""
    await small_world.a_reader(["Subject.city"], name="reader")
    monkeypatch.setenv("GATEWAY_DATA", str(tmp_path))
    monkeypatch.setattr(vocabulary, "BASIS", {**BASIS, (Purpose.SURVEY, Role.RECIPIENT, Sensitivity.ORDINARY): Basis.NONE})
    await small_world.owner.execute("delete from gateway.consent_state")

    await migrate(database.owner_url)

    assert [(one.partner, one.subjects) for one in await stale(small_world.owner)] == [("reader", 0)]


async def test_folding_under_another_master_key_is_refused(
    small_world: World, database: Database, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pseudonyms would be strangers to every partner, and stay."""
    partner_id, _ = await small_world.a_reader(["Subject.city"], name="reader")
    await small_world.a_consent(await small_world.a_subject(), partner_id)
    await small_world.owner.execute("update gateway.partner set basis_version = basis_version + 1")
    monkeypatch.setenv("GATEWAY_DATA", str(tmp_path_factory.mktemp("another")))

    with pytest.raises(typer.Exit) as refused:
        await fold_what_is_stale(database.owner_url, is_quiet=True)

    assert refused.value.exit_code == 2
    assert [one.subjects for one in await stale(small_world.owner)] == [1]
