"""The database's copy of what `scopes` says: categories, purposes, and the basis each needs. The copy follows the code.

It is written only where it differs, because every write to it makes all workers build their views anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import asyncpg

from scopes import BASIS, CATEGORIES, PURPOSES, Basis

Connection: TypeAlias = "asyncpg.Connection[Any]"

# What the fold can test. A basis that no evidence of a data subject satisfies covers nothing.
FOLDED = frozenset({Basis.POLICY_ACCEPTANCE, Basis.SEPARATE_CONSENT, Basis.SENSITIVE_CONSENT})
LAST_ORDINAL = 62


class TooManyCategories(Exception):
    """Every bit of consent_state.covered has been given to a category, and none is ever given twice."""


async def sync(conn: Connection) -> bool:
    """Bring categories, purposes and basis rules in, in one transaction. True where anything differed.

    Where a rule or a sensitivity changed that states may rest on, every partner's basis_version is raised: states folded before
    are not read until they are folded again. Raises TooManyCategories.
    """
    async with conn.transaction():
        await conn.execute("lock table gateway.category, gateway.purpose, gateway.basis_rule in share row exclusive mode")
        purposes = await _sync_purposes(conn)
        categories = await _sync_categories(conn)
        rules = await _sync_rules(conn)
        if categories or rules:
            await conn.execute("update gateway.partner set basis_version = basis_version + 1")
        return purposes or categories or rules


async def _sync_purposes(conn: Connection) -> bool:
    wanted = {(str(purpose), rule.is_analytics, rule.is_advertising) for purpose, rule in PURPOSES.items()}
    held = {tuple(row) for row in await conn.fetch("select purpose, is_analytics, is_advertising from gateway.purpose")}
    # A purpose that the code no longer knows stays: ledgers refer to it
    changed = sorted(wanted - held)
    if changed:
        await conn.executemany(
            """insert into gateway.purpose (purpose, is_analytics, is_advertising) values ($1, $2, $3)
               on conflict (purpose) do update
               set is_analytics = excluded.is_analytics, is_advertising = excluded.is_advertising""",
            changed,
        )
    return bool(changed)


async def _sync_categories(conn: Connection) -> bool:
    """True where a category that was there changed, or one was added."""
    rows = await conn.fetch("select category, ordinal, sensitivity, is_identity from gateway.category")
    held = {row["category"]: (row["sensitivity"], row["is_identity"]) for row in rows}
    # A category that the code no longer knows keeps its row, so that its ordinal is never given to another
    free = max((row["ordinal"] for row in rows), default=-1) + 1
    wanted = {name: (str(category.sensitivity), category.is_identity) for name, category in CATEGORIES.items()}
    added = sorted(wanted.keys() - held.keys())
    changed = sorted(name for name in wanted.keys() & held.keys() if wanted[name] != held[name])
    if free + len(added) - 1 > LAST_ORDINAL:
        raise TooManyCategories
    if added:
        await conn.executemany(
            "insert into gateway.category (category, ordinal, sensitivity, is_identity) values ($1, $2, $3, $4)",
            [(name, free + index, *wanted[name]) for index, name in enumerate(added)],
        )
    if changed:
        await conn.executemany(
            "update gateway.category set sensitivity = $2, is_identity = $3 where category = $1",
            [(name, *wanted[name]) for name in changed],
        )
    return bool(added or changed)


async def _sync_rules(conn: Connection) -> bool:
    wanted = set(_rules())
    held = {tuple(row) for row in await conn.fetch("select purpose, role, sensitivity, basis from gateway.basis_rule")}
    if wanted == held:
        return False
    await conn.execute("delete from gateway.basis_rule")
    await conn.copy_records_to_table(
        "basis_rule", schema_name="gateway", records=sorted(wanted), columns=["purpose", "role", "sensitivity", "basis"]
    )
    return True


def _rules() -> Iterable[tuple[str, str, str, str]]:
    for (purpose, role, sensitivity), basis in BASIS.items():
        yield str(purpose), str(role), str(sensitivity), str(basis if basis in FOLDED else Basis.NONE)
