"""How many data subjects' evidence covers what a change opens, and how many would have to be asked: numbers, never who."""

from collections.abc import Collection, Iterable, Mapping, Sequence
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

COVERED: Final = question("impact", "covered")
COVERED_OTHERWISE: Final = question("impact", "covered_otherwise")
IS_FOLDED: Final = question("impact", "is_folded")
BASIS_VERSION: Final = question("impact", "basis_version")
CHANGE_BASIS: Final = question("partners", "change_basis")

_Group = tuple[int | None, int | None, int]  # what is covered before and after, None without live evidence; how many


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


@dataclass(frozen=True, slots=True)
class _Reads:
    """The categories that a purpose reads, before and after."""

    before: frozenset[str]
    after: frozenset[str]

    @property
    def new(self) -> frozenset[str]:
        return self.after - self.before


def changes_basis(before: Standing, after: Standing) -> bool:
    """Whether other evidence counts: then consents may no longer do, though no field changes (policy 6.1, 6.2, 8.1)."""
    return _basis(before) != _basis(after)


async def cover_of(
    conn: AnyConnection, before: Standing, after: Standing, purpose: Purpose, *, reads: tuple[Collection[str], Collection[str]]
) -> Cover:
    """As of now, under the partner as it stands and as the change makes it. reads: the categories that the purpose reads, before
    and after."""
    wanted = _Reads(frozenset(reads[0]), frozenset(reads[1]))
    mask = _mask(wanted.before | wanted.after, before.ordinals)
    if changes_basis(before, after):
        found = await _under_another_basis(conn, after, purpose, mask)
    elif await _opens_to_everybody(conn, after, purpose):
        found = await _folded_anew(conn, after, purpose, mask, await _basis_version(conn, after))
    else:
        found = await conn.fetch(COVERED, after.partner.partner_id, purpose.value, mask)
    return _counted([(row["before"], row["after"], row["subjects"]) for row in found], wanted, after, purpose)


async def _under_another_basis(conn: AnyConnection, after: Standing, purpose: Purpose, mask: int) -> list[asyncpg.Record]:
    """The fold reads the partner's row: it is changed for as long as it takes to count, and nobody else sees that. Only writers
    of this one partner wait meanwhile; data subjects and requests do not."""
    attempt = conn.transaction()
    await attempt.start()
    try:
        version = await _basis_version(conn, after)
        await conn.execute(CHANGE_BASIS, after.partner.partner_id, *_basis(after))
        return await _folded_anew(conn, after, purpose, mask, version)
    finally:
        await attempt.rollback()


async def _folded_anew(conn: AnyConnection, of: Standing, purpose: Purpose, mask: int, version: int) -> list[asyncpg.Record]:
    return await conn.fetch(COVERED_OTHERWISE, of.partner.partner_id, purpose.value, mask, version)


async def _opens_to_everybody(conn: AnyConnection, after: Standing, purpose: Purpose) -> bool:
    """Whether a processor's first grant for the purpose makes those visible who accepted the policy (policy 6.2)."""
    if BASIS[purpose, after.partner.role, Sensitivity.ORDINARY] is not Basis.POLICY_ACCEPTANCE:
        return False
    return not await conn.fetchval(IS_FOLDED, after.partner.partner_id, purpose.value)


async def _basis_version(conn: AnyConnection, of: Standing) -> int:
    found: int = await conn.fetchval(BASIS_VERSION, of.partner.partner_id)
    return found


def _basis(of: Standing) -> tuple[str, str, str | None]:
    return of.partner.role.value, of.partner.processing_location, of.partner.cross_border_mechanism


def _mask(categories: Iterable[str], ordinals: Mapping[str, int]) -> int:
    return reduce(or_, (1 << ordinals[category] for category in categories), 0)


def _counted(found: Sequence[_Group], reads: _Reads, after: Standing, purpose: Purpose) -> Cover:
    new, used = (_mask(categories, after.ordinals) for categories in (reads.new, reads.after))
    subjects = sum(count for _, _, count in found)
    to_ask = sum(count for was, becomes, count in found if (new | used & (was or 0)) & ~(becomes or 0))
    categories = []
    for category in sorted(reads.after):
        bit = 1 << after.ordinals[category]
        covered = sum(count for _, becomes, count in found if (becomes or 0) & bit)
        categories.append(
            CategoryCover(
                category=category,
                sensitivity=CATEGORIES[category].sensitivity,
                is_new=category in reads.new,
                requires=tuple(requirements(after.partner, purpose, category)),
                covered=covered,
                missing=subjects - covered,
            )
        )
    return Cover(
        subjects_before=sum(count for was, _, count in found if was is not None),
        subjects_after=sum(count for _, becomes, count in found if becomes is not None),
        covered=subjects - to_ask,
        to_ask=to_ask,
        categories=tuple(categories),
    )
