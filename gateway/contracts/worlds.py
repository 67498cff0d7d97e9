"""Two worlds that differ in what a partner may not know have to give it the same answers: nobody's existence leaks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from gateway.catalogue.definition import Catalogue
from gateway.contracts.breach import Breach, Sweeping
from gateway.contracts.canaries import columns_of, with_canaries
from gateway.contracts.client import Answer
from gateway.contracts.operations import Operation
from gateway.contracts.planting import plant, uproot
from gateway.contracts.subjects import Synthetic, Value
from gateway.store.consents import PseudonymKeys, fold_one
from gateway.store.pool import Connection
from scopes import Plan

# What the gate reads of a data subject towards one partner and purpose; folding puts it back.
# in:  subject_id, partner_id uuid, purpose text
# consent_state_pkey
_FORGET: Final = "delete from gateway.consent_state where subject_id = $1 and partner_id = $2 and purpose = $3"


@dataclass(frozen=True, slots=True)
class Worlds:
    """What is asked in each of them. by_id: a document with $id for one data subject and every field."""

    found: Sweeping
    conn: Connection
    operations: Sequence[Operation]
    by_id: str

    async def compare(self, plan: Plan, own: Sequence[Synthetic]) -> None:
        """own: the data subjects that may be changed. All at once, and one by one where that shows."""
        before = [_normal(await self.found.ask(one)) for one in self.operations]
        irrelevant = [other for one in own if (other := _other(self.found, plan, one)) != one]
        if await self._differing(irrelevant, before):
            for changed in irrelevant:
                for operation in await self._differing([changed], before):
                    self.found.add(Breach.EXISTENCE, operation, subject=changed.name)
        await self._compare_with_nobody(tuple(plan.fields))

    async def _differing(self, changed: Sequence[Synthetic], before: Sequence[str]) -> Sequence[Operation]:
        async with _other_world(self.found, self.conn, changed):
            pairs = zip(self.operations, before, strict=True)
            return [one for one, known in pairs if _normal(await self.found.ask(one)) != known]

    async def _compare_with_nobody(self, paths: tuple[str, ...]) -> None:
        """Whoever may not be seen is, by id, the same as an id that nobody has."""
        nobody = _normal(await self.found.ask(Operation("by id", self.by_id, paths, {"id": str(uuid4())})))
        for known_as, name in self.found.names.items():
            if not self.found.promise.sees(name):
                operation = Operation("by id", self.by_id, paths, {"id": known_as})
                if _normal(await self.found.ask(operation)) != nobody:
                    self.found.add(Breach.EXISTENCE, operation, subject=name)


def _other(found: Sweeping, plan: Plan, one: Synthetic) -> Synthetic:
    """With other values where none of its own comes out, and no rows where none of a list's do: their number is withheld as well.

    One who may not be seen has none at all.
    """
    if not found.promise.sees(one.name):
        return replace(one, values={})
    catalogue = found.run.catalogue
    other = with_canaries(one, columns_of([one], catalogue), catalogue, name=f"{one.name}-other")
    shown = {path for path in plan.fields if found.promise.shown(plan, one.name, path) is not None}
    told = {_list_of(catalogue, path) for path in shown}
    values = {
        path: _other_value(path in shown, _list_of(catalogue, path) in told, value, other.values[path])
        for path, value in one.values.items()
    }
    return replace(one, values=values)


def _list_of(catalogue: Catalogue, path: str) -> str:
    """What shares its rows with the field: its type, of the data subject's own lists each one itself."""
    owner = path.partition(".")[0]
    return path if owner == catalogue.subject.name else owner


def _other_value(is_shown: bool, is_told: bool, value: Value, other: Value) -> Value:
    if is_shown:
        return value
    return other if is_told or other is None or isinstance(other, str) else ()


@asynccontextmanager
async def _other_world(found: Sweeping, conn: Connection, changed: Sequence[Synthetic]) -> AsyncIterator[None]:
    """With these values in place of the data subjects' own; without any: as if nobody of that id had ever been there."""
    run, partner_id, purpose = found.run, found.promise.view.partner.partner_id, found.purpose
    keys = PseudonymKeys(run.settings.key("pseudonym"))
    async with conn.transaction():
        for one in changed:
            await uproot(conn, run.catalogue, one.subject_id)
            if one.values:
                await plant(conn, run.catalogue, one)
            else:
                await conn.execute(_FORGET, one.subject_id, partner_id, purpose.value)
    try:
        yield
    finally:
        async with conn.transaction():
            for one in changed:
                await plant(conn, run.catalogue, run.subjects[one.name])
                await fold_one(conn, keys, subject_id=one.subject_id, partner_id=partner_id, purpose=purpose)


def _normal(answer: Answer) -> str:
    """An answer without what differs every time: the record's id and the rate limiter's state."""
    body = json.loads(answer.text)
    extensions = body.get("extensions") or {}
    (extensions.get("disclosure") or {}).pop("id", None)
    (extensions.get("cost") or {}).pop("throttle", None)
    return json.dumps([answer.status, body], sort_keys=True)
