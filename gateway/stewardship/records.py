"""The records as the staff read them: disclosures with the exact reasons and no value, and the acts of the staff themselves."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from gateway.stewardship.actor import Actor, acting, permit
from gateway.stewardship.roles import Act
from gateway.store.pool import AnyConnection, Pool
from gateway.store.questions import question
from scopes import Purpose, Reason, Rung

DISCLOSURES = question("reading", "disclosures")
OUTCOMES = question("reading", "outcomes")
ACTS = question("stewardship", "acts")

PAGE_MOST: Final = 200
BATCH: Final = 200  # of an export, each with a connection of its own: a slow reader holds none
WITHHELD_BY_RULE: Final = Rung.WITHHOLD.name.lower()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which disclosures: None leaves out a condition. since is included, until is not. partner: its registered name."""

    partner: str | None = None
    purpose: Purpose | None = None
    since: datetime | None = None
    until: datetime | None = None
    subject_id: UUID | None = None

    def wire(self) -> dict[str, Any]:
        """For the record of an export: names, instants and ids."""
        named = {name: getattr(self, name) for name in self.__slots__}
        return {name: str(value) for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class FieldOutcome:
    """A field under one root field of the operation, over the data subjects that are asked about.

    shown: how many it went out for, in the form of `redaction`. kept: how many not, by exact reason; SCOPE_RULE where the scope
    keeps it back from everybody.
    """

    path: str
    category: str
    redaction: str
    root: str
    shown: int
    kept: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DisclosureEntry:
    """scopes: `name@version`. in_content_of_others: data subjects that it concerned only as people in what others shared."""

    disclosure_id: UUID
    disclosed_at: datetime
    partner: str
    client_id: str
    purpose: Purpose
    scopes: tuple[str, ...]
    roots: tuple[str, ...]
    subject_count: int
    is_contract_run: bool
    fields: tuple[FieldOutcome, ...]
    in_content_of_others: int


@dataclass(frozen=True, slots=True)
class ActEntry:
    """refused: the code of the refusal; None: it was done."""

    act_id: UUID
    acted_at: datetime
    actor: str
    door: str
    act: str
    target: str
    reason: str
    refused: str | None
    before: Any
    after: Any


async def disclosures(
    conn: AnyConnection, actor: Actor, wanted: Wanted, *, before: UUID | None = None, row_count: int = 50
) -> tuple[DisclosureEntry, ...]:
    """Newest first. before: id of the last one seen. row_count: at most 200. Raises ActRefused ROLE_MISSING."""
    permit(actor, Act.DISCLOSURES_READ)
    return await _page(conn, wanted, before, min(max(row_count, 1), PAGE_MOST))


async def export(pool: Pool, actor: Actor, wanted: Wanted) -> AsyncIterator[DisclosureEntry]:
    """All of them, newest first, read while they are taken; that they were exported is on record before the first one comes.

    Raises ActRefused ROLE_MISSING, at once.
    """
    async with pool.acquire() as conn, acting(conn, actor, Act.DISCLOSURES_EXPORT, target=wanted.partner or "") as entry:
        entry.after = wanted.wire()
    return _everything(pool, wanted)


async def acts(
    conn: AnyConnection,
    actor: Actor,
    *,
    before: tuple[datetime, UUID] | None = None,
    by: str | None = None,
    target: str | None = None,
    act: Act | None = None,
    row_count: int = 50,
) -> tuple[ActEntry, ...]:
    """Newest first. before: instant and id of the last one seen. by: a login. Raises ActRefused ROLE_MISSING."""
    permit(actor, Act.ACTS_READ)
    at, act_id = before or (None, None)
    rows = await conn.fetch(ACTS, at, act_id, by, target, None if act is None else act.value, min(max(row_count, 1), PAGE_MOST))
    return tuple(
        ActEntry(**{**row, **{name: None if row[name] is None else json.loads(row[name]) for name in ("before", "after")}})
        for row in rows
    )


async def export_acts(
    pool: Pool, actor: Actor, *, by: str | None = None, target: str | None = None, act: Act | None = None
) -> AsyncIterator[ActEntry]:
    """As `export`, of the acts; the first of them is this one."""
    async with pool.acquire() as conn, acting(conn, actor, Act.ACTS_READ, target="export") as entry:
        wanted = {"by": by, "target": target, "act": None if act is None else act.value}
        entry.after = {name: value for name, value in wanted.items() if value is not None}
    return _every_act(pool, actor, by, target, act)


async def _every_act(pool: Pool, actor: Actor, by: str | None, target: str | None, act: Act | None) -> AsyncIterator[ActEntry]:
    before = None
    while True:
        async with pool.acquire() as conn:
            batch = await acts(conn, actor, before=before, by=by, target=target, act=act, row_count=BATCH)
        for one in batch:
            yield one
        if len(batch) < BATCH:
            return
        before = batch[-1].acted_at, batch[-1].act_id


async def _everything(pool: Pool, wanted: Wanted) -> AsyncIterator[DisclosureEntry]:
    before = None
    while True:
        async with pool.acquire() as conn:
            batch = await _page(conn, wanted, before, BATCH)
        for one in batch:
            yield one
        if len(batch) < BATCH:
            return
        before = batch[-1].disclosure_id


async def _page(conn: AnyConnection, wanted: Wanted, before: UUID | None, row_count: int) -> tuple[DisclosureEntry, ...]:
    purpose = None if wanted.purpose is None else wanted.purpose.value
    about = (wanted.partner, purpose, wanted.since, wanted.until, wanted.subject_id)
    rows = await conn.fetch(DISCLOSURES, before, *about, row_count)
    instants, ids = sorted({row["disclosed_at"] for row in rows}), [row["disclosure_id"] for row in rows]
    groups: dict[UUID, list[asyncpg.Record]] = {}
    for group in await conn.fetch(OUTCOMES, instants, ids, wanted.subject_id):
        groups.setdefault(group["disclosure_id"], []).append(group)
    return tuple(_entry(row, groups.get(row["disclosure_id"], [])) for row in rows)


def _entry(row: asyncpg.Record, groups: Sequence[asyncpg.Record]) -> DisclosureEntry:
    return DisclosureEntry(
        disclosure_id=row["disclosure_id"],
        disclosed_at=row["disclosed_at"],
        partner=row["partner"],
        client_id=row["client_id"],
        purpose=Purpose(row["purpose"]),
        scopes=tuple(row["scope_versions"]),
        roots=tuple(row["roots"]),
        subject_count=row["subject_count"],
        is_contract_run=row["is_contract_run"],
        fields=tuple(_outcome(one, row["roots"], groups) for one in json.loads(row["fields"])),
        in_content_of_others=sum(group["subjects"] for group in groups if group["roots"] == 0),
    )


def _outcome(field: Mapping[str, Any], roots: Sequence[str], groups: Sequence[asyncpg.Record]) -> FieldOutcome:
    """What was selected under another root field than a data subject was seen under did not concern it."""
    shown, kept = 0, Counter[str]()
    for group in groups:
        if not group["roots"] >> field["root"] & 1:
            continue
        if field["redaction"] == WITHHELD_BY_RULE:
            kept["SCOPE_RULE"] += group["subjects"]
        elif group["covered"] >> field["ordinal"] & 1:
            shown += group["subjects"]
        else:
            reasons = group["reasons"] or ()
            reason = Reason(reasons[field["ordinal"]]) if field["ordinal"] < len(reasons) else Reason.NO_BASIS
            kept[reason.wire] += group["subjects"]
    root = roots[field["root"]]
    return FieldOutcome(field["path"], field["category"], field["redaction"], root, shown, dict(sorted(kept.items())))
