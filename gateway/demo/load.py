"""Puts the invented people, partners and wills into the database, once and as a whole."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import asyncpg

from gateway.catalogue.definition import load as load_catalogue
from gateway.demo.canaries import COUNT, Aviary, aviary
from gateway.demo.partners import GRANTED
from gateway.demo.people import COLUMNS, Folk, Row, Rows, batches, folk
from gateway.demo.register import register_partners
from gateway.demo.wills import POLICIES, POLICY, Consent, Will, agree_to_everything, wills
from gateway.settings import Settings
from gateway.store import consents, policy
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Connection
from scopes import pseudonym

SEED: Final = 20241126
PLATFORM: Final = Path(__file__).parents[1] / "catalogue" / "weidandan.sql"
LEDGERS: Final = ("gateway.subject", "gateway.policy_acceptance", "gateway.consent_event", "gateway.setting_event")
TOUCHED: Final = (*LEDGERS, "gateway.consent_state", *(f"platform.{table}" for table in COLUMNS))
# in:  table text
# row: name text (quoted), definition text
# pg_constraint_conrelid_contypid_conname_index
_FOREIGN_KEYS: Final = """
select quote_ident(conname) as name, pg_get_constraintdef(oid) as definition
  from pg_constraint where conrelid = $1::regclass and contype = 'f' order by conname"""
# How many data subjects were invented before, by the platform's rows or, where they are missing, by the gateway's; those that
# contract runs put beside them are none of ours
# row: their number bigint
# subject_pkey
_HELD: Final = """
select coalesce(nullif((select count(*) from platform.account a left join gateway.subject s using (subject_id)
                         where s.is_synthetic is not true), 0),
                (select count(*) from gateway.subject where not is_synthetic))"""
CONSENT_COLUMNS: Final = (
    *("consent_id", "subject_id", "partner_id", "purpose", "kind", "categories"),
    *("cross_border", "policy_version", "ends_at", "recorded_at"),
)

Batch = TypeVar("Batch")
Ledgers = dict[str, tuple[tuple[str, ...], list[tuple[object, ...]]]]


class OtherMasterKey(Exception):
    """The database was filled under another master key: its pseudonyms and signing keys are not ours to continue."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What the database holds. subjects: the canaries among them. is_new: by this call. partner_ids: by name."""

    subjects: int
    is_new: bool
    partner_ids: Mapping[str, UUID]


async def fill(url: str, settings: Settings, subjects: int, *, seed: int = SEED) -> Filled:
    """Fill a migrated database with `subjects` data subjects and five canaries, unless it holds any.

    What the platform holds and what the gateway does go in side by side, each in one transaction: a demo that is interrupted
    leaves nothing half-done, and one without the other is made good by the next. Raises OtherMasterKey.
    """
    keys = PseudonymKeys(settings.key("pseudonym"))
    async with connected(url) as conn, connected(url) as other:
        await conn.execute(PLATFORM.read_text())
        held = await conn.fetchval(_HELD)
        await _check_key(conn, keys)
        everybody, birds = folk(seed, held - COUNT if held else subjects), aviary(seed)
        # While the database folds what everybody agreed to, this process has nothing else to do than invent the platform's rows
        is_folding = asyncio.Event()
        evidence = _fill_evidence(other, keys, settings, everybody, birds, is_folding)
        is_new = any(await asyncio.gather(evidence, _fill_platform(conn, everybody, birds, is_folding)))
        if is_new:
            await conn.execute(f"analyze {', '.join(TOUCHED)}")
        rows = await conn.fetch("select name, partner_id from gateway.partner")
    return Filled(len(everybody.subject_ids) + COUNT, is_new, {row["name"]: row["partner_id"] for row in rows})


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection as the database's owner."""
    conn = await asyncpg.connect(url, server_settings={"timezone": "UTC", "application_name": "gateway demo"})
    try:
        yield conn
    finally:
        await conn.close()


async def _fill_platform(conn: Connection, everybody: Folk, birds: Aviary, may_begin: asyncio.Event) -> bool:
    await may_begin.wait()
    if await conn.fetchval("select exists (select from platform.account)"):
        return False
    async with conn.transaction():
        async for rows in _ahead(chain(batches(everybody), [birds.rows])):
            await copy_platform(conn, rows)
    return True


async def _fill_evidence(
    conn: Connection, keys: PseudonymKeys, settings: Settings, everybody: Folk, birds: Aviary, is_folding: asyncio.Event
) -> bool:
    if await conn.fetchval("select exists (select from gateway.subject)"):
        is_folding.set()
        return False
    canary_ids = [canary.subject_id for canary in birds.canaries]
    fields = load_catalogue(settings.catalogue).fields
    async with conn.transaction():
        for version, effective_at in POLICIES.items():
            text_sha256 = sha256(f"微单单 {version}".encode()).digest()
            await policy.announce(conn, keys, policy_version=version, effective_at=effective_at, text_sha256=text_sha256)
        partner_ids = await register_partners(conn, keys, fields)
        await _load_subjects(conn, everybody, canary_ids)
        async with _checked_as_a_whole(conn, "gateway.consent_event"):
            async for will in _ahead(chain(wills(everybody, fields), [agree_to_everything(canary_ids, everybody.seed)])):
                await consents.load(conn, _ledgers(will, partner_ids))
        # The fold is planned by numbers of rows that only this transaction knows of
        await conn.execute(f"analyze {', '.join(LEDGERS)}")
        is_folding.set()
        for partner, scope in GRANTED:
            await consents.fold_everybody(conn, keys, partner_id=partner_ids[partner.name], purpose=scope.purpose)
    return True


@asynccontextmanager
async def _checked_as_a_whole(conn: Connection, table: str) -> AsyncIterator[None]:
    """Set the table's foreign keys aside while rows go in, and check them all at the end: looked up row by row they take as long
    as everything else about the row. Runs in the caller's transaction, so that nobody ever sees the table without them.
    """
    found = await conn.fetch(_FOREIGN_KEYS, table)
    for row in found:
        await conn.execute(f"alter table {table} drop constraint {row['name']}")
    yield
    for row in found:
        await conn.execute(f"alter table {table} add constraint {row['name']} {row['definition']}")


async def copy_platform(conn: Connection, rows: Rows) -> None:
    """Add platform rows. Runs in the caller's transaction."""
    for table, lines in rows.items():
        await conn.copy_to_table(table, schema_name="platform", columns=COLUMNS[table], source=BytesIO(_text(lines)))


async def _load_subjects(conn: Connection, everybody: Folk, canary_ids: list[str]) -> None:
    subjects = (*everybody.subject_ids, *canary_ids)
    records: list[tuple[object, ...]] = [(UUID(subject), subject not in everybody.abroad) for subject in subjects]
    await consents.load(conn, {"subject": (("subject_id", "collected_in_mainland"), records)})


def _ledgers(will: Will, partner_ids: Mapping[str, UUID]) -> Ledgers:
    """The events as records of the ledgers' tables."""
    return {
        "policy_acceptance": (
            ("subject_id", "policy_version", "accepted_at"),
            [(one.subject_id, one.policy_version, one.accepted_at) for one in will.acceptances],
        ),
        "consent_event": (CONSENT_COLUMNS, [_consent_record(one, partner_ids[one.partner]) for one in will.consents]),
        "setting_event": (
            ("subject_id", "switch", "partner_id", "category", "allowed", "recorded_at"),
            [
                (one.subject_id, one.switch, partner_ids.get(one.partner or ""), one.category, one.allowed, one.recorded_at)
                for one in will.settings
            ],
        ),
    }  # fmt: skip


def _consent_record(one: Consent, partner_id: UUID) -> tuple[object, ...]:
    event = (one.consent_id, one.subject_id, partner_id, one.purpose, one.kind, one.categories, one.cross_border)
    return (*event, POLICY, one.ends_at, one.recorded_at)


async def _ahead(source: Iterator[Batch]) -> AsyncIterator[Batch]:
    """The batches, each made in a thread while the database takes in the one before."""
    coming = asyncio.ensure_future(asyncio.to_thread(next, source, None))
    while (batch := await coming) is not None:
        coming = asyncio.ensure_future(asyncio.to_thread(next, source, None))
        yield batch


def _text(lines: Iterable[Row]) -> bytes:
    """The text format of COPY. The values are ours: none holds a tab, a line break or, but for NULL, a backslash."""
    return ("\n".join(["\t".join(line) for line in lines]) + "\n").encode()


async def _check_key(conn: Connection, keys: PseudonymKeys) -> None:
    row = await conn.fetchrow("select partner_id, purpose, subject_id, pseudonym from gateway.consent_state limit 1")
    if row is not None and row["pseudonym"] != pseudonym(keys.key, row["partner_id"], row["purpose"], row["subject_id"]):
        raise OtherMasterKey("this database was filled under another master key: name the DATA folder it was filled from")
