"""How many data subjects' evidence covers what a change opens, and how many would have to be asked: numbers, never who."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final

import asyncpg

from gateway.request.local import requirements
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from gateway.store.view import Standing
from scopes import BASIS, CATEGORIES, Basis, Purpose, Sensitivity

COVERED: Final = question("impact", "covered").rstrip(";")
COVERED_OTHERWISE: Final = question("impact", "covered_otherwise").rstrip(";")
IS_FOLDED: Final = question("impact", "is_folded")
BASIS_VERSION: Final = question("impact", "basis_version")
CHANGE_BASIS: Final = question("partners", "change_basis")


@dataclass(frozen=True, slots=True)
class CategoryCover:
    """One category that the purpose reads once the change is in force. is_new: it did not before.

    requires: what each value needs (policy 6, 9.5). covered, missing: data subjects whose evidence gives it then, or does not.
    """

    category: str
    sensitivity: Sensitivity
    is_new: bool
    requires: tuple[Basis, ...]
    covered: int
    missing: int


@dataclass(frozen=True, slots=True)
class Cover:
    """Real data subjects with live evidence towards one partner and purpose; synthetic ones do not count.

    subjects_before, subjects_after: for how many there is any evidence, as things are and once the change is in force. They
    differ where the change moves what evidence counts (a role, a place), or opens a processor's first grant to all who accepted
    the policy. to_ask: those of either who would have to be asked, for a category that is new or is no longer covered; covered:
    the others.
    """

    subjects_before: int
    subjects_after: int
    covered: int
    to_ask: int
    categories: tuple[CategoryCover, ...]


def changes_basis(before: Standing, after: Standing) -> bool:
    """Whether other evidence counts: then consents may no longer do, though no field changes (policy 6.1, 6.2, 8.1)."""
    return _basis(before) != _basis(after)


async def cover_of(
    conn: AnyConnection, before: Standing, after: Standing, purpose: Purpose, *, reads: tuple[Collection[str], Collection[str]]
) -> Cover:
    """As of now, under the partner as it stands and as the change makes it. reads: the categories that the purpose reads, before
    and after."""
    used, new = sorted(reads[1]), set(reads[1]) - set(reads[0])
    bits = [1 << after.ordinals[category] for category in used]
    asked = reduce(or_, (1 << after.ordinals[category] for category in new), 0)
    row = await _counted(conn, before, after, purpose, _counting(bits, asked))
    categories = (
        CategoryCover(
            category=category,
            sensitivity=CATEGORIES[category].sensitivity,
            is_new=category in new,
            requires=tuple(requirements(after.partner, purpose, category)),
            covered=covered,
            missing=row["subjects"] - covered,
        )
        for category, covered in zip(used, row["covered"], strict=True)
    )
    return Cover(row["subjects_before"], row["subjects_after"], row["subjects"] - row["to_ask"], row["to_ask"], tuple(categories))


def _counting(bits: Sequence[int], asked: int) -> str:
    """A SELECT list over `before` and `after`, written with whole numbers alone. bits: of the categories in use, asked: of those
    among them that are new."""
    each = ", ".join(f"count(*) filter (where (after & {bit}) <> 0)" for bit in bits)
    needed = f"({asked} | ({sum(bits)} & coalesce(before, 0)))"
    return f"""count(before) as subjects_before, count(after) as subjects_after, count(*) as subjects,
       count(*) filter (where ({needed} & ~coalesce(after, 0)) <> 0) as to_ask, array[{each}]::bigint[] as covered"""


async def _counted(conn: AnyConnection, before: Standing, after: Standing, purpose: Purpose, counting: str) -> asyncpg.Record:
    """The one row of counts, over the data subjects whom either basis makes visible."""
    partner_id, name = after.partner.partner_id, purpose.value
    if not changes_basis(before, after) and not await _opens_to_everybody(conn, after, purpose):
        rows = await conn.fetch(f"select {counting} from ({COVERED}) c", partner_id, name)
        return rows[0]
    # The fold reads the partner's row: it is changed for as long as it takes to count, and nobody else sees that. Only writers of
    # this one partner wait meanwhile; data subjects and requests do not.
    attempt = conn.transaction()
    await attempt.start()
    try:
        version = await conn.fetchval(BASIS_VERSION, partner_id)
        if changes_basis(before, after):
            await conn.execute(CHANGE_BASIS, partner_id, *_basis(after))
        rows = await conn.fetch(f"select {counting} from ({COVERED_OTHERWISE}) c", partner_id, name, version)
        return rows[0]
    finally:
        await attempt.rollback()


async def _opens_to_everybody(conn: AnyConnection, after: Standing, purpose: Purpose) -> bool:
    """Whether a processor's first grant for the purpose makes those visible who accepted the policy (policy 6.2)."""
    if BASIS[purpose, after.partner.role, Sensitivity.ORDINARY] is not Basis.POLICY_ACCEPTANCE:
        return False
    return not await conn.fetchval(IS_FOLDED, after.partner.partner_id, purpose.value)


def _basis(of: Standing) -> tuple[str, str, str | None]:
    return of.partner.role.value, of.partner.processing_location, of.partner.cross_border_mechanism
