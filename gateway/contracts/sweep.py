"""The sweep: for every partner, purpose and field, does what comes out follow from the scopes, and nothing else?

It plants values of its own into synthetic data subjects beside those of the contracts, asks for every field alone and in drawn
combinations, holds each answer against `scopes`, looks for raw values in every byte of it, and asks once more after changing what
may not matter: a value that is withheld, a data subject who agreed to nothing. In the end it takes its data subjects away again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from gateway.contracts.canaries import with_canaries
from gateway.contracts.client import Answer, GatewayClient
from gateway.contracts.encodings import views
from gateway.contracts.expected import Promise, evidence_of, raw_items, view_of
from gateway.contracts.observe import Seen, observe
from gateway.contracts.operations import Draw, Operation
from gateway.contracts.planting import plant, uproot
from gateway.contracts.run import NOT_CONSENTED, Finding, Result, Run
from gateway.contracts.subjects import Synthetic
from gateway.contracts.synthetic import enrol, take_away
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Connection
from scopes import Plan, Purpose

TITLE: Final = "sweep"
DRAWN: Final = 40
"""Combinations for each partner and purpose."""
PROMISED: Final = "what follows from the scopes"
OWN: Final = "sweep-"
"""What the names of its own data subjects begin with: their values stand nowhere else."""
REPEATED: Final = 8
"""Of them, those that are asked again in a world that differs in what may not matter."""
WINDOW: Final = 7
"""Characters of a raw value in a row that the rule does not keep: a breach."""


class Breach(StrEnum):
    """In what way an answer is not what it has to be."""

    REFUSAL = "another refusal than the scopes ask for"
    VALUE = "another value than the rule gives"
    NOT_WITHHELD = "a value that is withheld"
    VISIBLE = "a data subject who may not be seen"
    INVISIBLE = "a data subject who may be seen is missing"
    COUNT = "withheld counts that do not follow from those shown"
    UNASKED = "something that was not asked for"
    RAW = "a part of a raw value"
    RAW_ID = "a raw id"
    EXISTENCE = "an answer that depends on what may not be known"


@dataclass(slots=True)
class _Sweep:
    """One partner and purpose being swept. parts: of raw values, with whose and which field's they are; raw_ids: with whose."""

    run: Run
    promise: Promise
    partner: str
    findings: list[Finding]
    parts: Mapping[str, tuple[str, str]]
    raw_ids: Mapping[str, str]
    checks: int = 0

    @property
    def purpose(self) -> Purpose:
        return self.promise.purpose

    def add(self, breach: Breach, operation: Operation, *, subject: str = "", path: str = "", found: str = "") -> None:
        said = f"{breach.value}: {found}" if found else breach.value
        where = f"{operation.shape} of {', '.join(operation.paths)}"
        self.findings.append(
            Finding(TITLE, self.partner, self.purpose.value, subject, path, "what follows from the scopes", said, where)
        )


async def sweep(
    run: Run,
    *,
    drawn: int = DRAWN,
    partners: Collection[str] | None = None,
    tell: Callable[[str, int, int], object] | None = None,
) -> list[Result]:
    """One result for each partner and purpose. partners: these only; None: all. tell: hears whose turn it is, and how far.

    Needs the database: without one there is nothing, and an empty list says so. Raises Unreachable, NoToken.
    """
    if run.conn is None:
        return []
    async with _planted(run, run.conn) as own:
        pairs = [
            (one.partner, purpose)
            for one in own.client.enrolment.runners.values()
            for purpose in one.scopes or (Purpose.SERVICE_DELIVERY,)  # a partner that is granted nothing gets nothing
        ]
        wanted = [pair for pair in pairs if partners is None or pair[0] in partners]
        results = []
        for done, (partner, purpose) in enumerate(wanted):
            if tell is not None:
                tell(partner, done, len(wanted))
            results.append(await _one(own, run.conn, partner, purpose, drawn))
        return results


@asynccontextmanager
async def _planted(run: Run, conn: Connection) -> AsyncIterator[Run]:
    """A run over the data subjects of the contracts and over the sweep's own, which go again in the end."""
    fields = list(run.catalogue.fields.values())
    own = [with_canaries(one, fields, name=f"{OWN}{name}") for name, one in run.subjects.items()]
    wanted = [*run.subjects.values(), *own]
    enrolment = await enrol(conn, run.settings, run.catalogue, wanted, run.client.enrolment)
    try:
        async with GatewayClient(enrolment, run.client.url) as client:
            yield Run(client, run.settings, run.catalogue, {one.name: one for one in wanted}, conn)
    finally:
        keys = PseudonymKeys(run.settings.key("pseudonym"))
        async with conn.transaction():
            for one in own:
                await take_away(conn, keys, run.catalogue, one.subject_id)


async def _one(run: Run, conn: Connection, partner: str, purpose: Purpose, drawn: int) -> Result:
    promise = await _promise(run, conn, partner, purpose)
    raw_ids = {one.subject_id.hex: name for name, one in run.subjects.items()}
    found = _Sweep(run, promise, partner, [], _parts_of(promise), raw_ids)
    ids = list(run.pseudonyms(partner, purpose).values())
    draw = Draw(run.catalogue, f"{partner}:{purpose}", size=len(ids) + 1)
    for path in run.catalogue.fields:
        for operation in draw.alone(path, ids):
            await _ask(found, operation)
    offered = [path for path in found.promise.view.offers if isinstance(found.promise.plan([path]), Plan)]
    some = [draw.drawn(offered, ids) for _ in range(drawn)] if offered else []
    for operation in some:
        await _ask(found, operation)
    for operation in [draw.drawn(list(run.catalogue.fields), ids) for _ in range(REPEATED)]:
        await _ask(found, operation)
    if offered:
        document = f"{{ subjects(first: {len(ids) + 1}) {{ edges {{ node {{ id {draw.selection(offered)} }} }} }} }}"
        await _compare_worlds(found, conn, [Operation("page", document, tuple(offered)), *some[:REPEATED]])
    return Result(TITLE, partner, purpose.value, "", found.checks, tuple(found.findings))


async def _promise(run: Run, conn: Connection, partner: str, purpose: Purpose) -> Promise:
    view = await view_of(conn, partner)
    assert view is not None  # noqa: S101 - its runner was enrolled a moment ago
    evidence = {name: await evidence_of(conn, one.subject_id) for name, one in run.subjects.items()}
    held = frozenset(run.client.enrolment.runners[partner].scopes.get(purpose, ()))
    secret = run.settings.key("field")
    return Promise(view, purpose, held, run.catalogue, run.subjects, evidence, secret, view.loaded_at)


async def _ask(found: _Sweep, operation: Operation) -> Answer:
    """Put one operation and hold its answer against the promise."""
    answer = await found.run.client.ask(found.partner, found.purpose, operation.document, operation.variables)
    found.checks += 1
    plan = found.promise.plan(operation.paths)
    if isinstance(plan, str):
        if plan not in answer.codes or answer.data:
            found.add(Breach.REFUSAL, operation, path=operation.paths[0], found=", ".join(answer.codes) or "data")
        _look_for_raw(found, operation, answer, allowed=set())
        return answer
    if answer.codes:
        found.add(Breach.REFUSAL, operation, path=operation.paths[0], found=", ".join(answer.codes))
        _look_for_raw(found, operation, answer, allowed=set())
        return answer
    schema = await found.run.schema(found.partner, found.purpose)
    seen = observe(operation.document, operation.variables, schema, found.run.catalogue.subject.name, answer.data)
    names = {str(one): name for name, one in found.run.pseudonyms(found.partner, found.purpose).items()}
    allowed = _compare(found, operation, plan, seen, names)
    _compare_counts(found, operation, plan, seen, names, answer)
    _look_for_raw(found, operation, answer, allowed)
    return answer


def _compare(found: _Sweep, operation: Operation, plan: Plan, seen: Seen, names: Mapping[str, str]) -> set[str]:
    """Every value of every data subject. Returns the texts that came out by right."""
    allowed: set[str] = set()
    if seen.unasked:
        found.add(Breach.UNASKED, operation)
    for known_as, fields in seen.shown.items():
        name = names.get(known_as)
        if name is None or not found.promise.sees(name):
            found.add(Breach.VISIBLE, operation, subject=name or "")
            continue
        for path, values in fields.items():
            allowed |= _compare_field(found, operation, plan, name, path, values)
    shown = {names.get(known_as) for known_as in seen.shown}
    for name in sorted(set(names.values()) - shown if operation.pages else ()):
        if found.promise.sees(name):
            found.add(Breach.INVISIBLE, operation, subject=name)
    return allowed


def _compare_field(
    found: _Sweep, operation: Operation, plan: Plan, name: str, path: str, values: Sequence[str | None]
) -> set[str]:
    wanted = found.promise.shown(plan, name, path)
    if wanted is None:
        if any(value is not None for value in values):
            found.add(Breach.NOT_WITHHELD, operation, subject=name, path=path)
        return set()
    if _is_planted(found, path) and not _follows(values, wanted):
        found.add(Breach.VALUE, operation, subject=name, path=path)
        return set()
    return {value for value in (*values, *wanted) if value is not None}


def _is_planted(found: _Sweep, path: str) -> bool:
    """Whether the values behind a field are the sweep's: keys of rows and what others wrote are not."""
    return any(path in one.values for one in found.run.subjects.values())


def _follows(values: Sequence[str | None], wanted: Sequence[str | None]) -> bool:
    """Aliases repeat a field, and an operation may cut a list short: every round begins anew, and none goes beyond."""
    if not wanted or not values:
        return not values or values == [None]
    for length in range(1, len(wanted) + 1):
        if len(values) % length == 0 and list(values) == list(wanted[:length]) * (len(values) // length):
            return True
    return False


def _compare_counts(
    found: _Sweep, operation: Operation, plan: Plan, seen: Seen, names: Mapping[str, str], answer: Answer
) -> None:
    """`withheld` counts those shown whose evidence withholds a field, and no others: anybody else's no would be told by it."""
    if answer.reasons - {NOT_CONSENTED}:
        found.add(Breach.COUNT, operation, found="another reason")
    expected: dict[str, int] = {}
    for known_as, fields in seen.shown.items():
        name = names.get(known_as)
        if name is not None:
            for path in found.promise.withheld(plan, name) & fields.keys():
                expected[path] = expected.get(path, 0) + 1
    told = answer.withheld
    for path in sorted(expected.keys() | told.keys()):
        if told.get(path, 0) != expected.get(path, 0):
            found.add(Breach.COUNT, operation, path=path, found=f"{told.get(path, 0)} instead of {expected.get(path, 0)}")


def _look_for_raw(found: _Sweep, operation: Operation, answer: Answer, allowed: set[str]) -> None:
    """Raw values and ids, whole or in part, in any encoding, anywhere in the answer."""
    text = "\n".join([answer.text, *(f"{name}: {value}" for name, value in answer.headers.items())])
    kept = {part for value in (*allowed, operation.document) for part in _windows(value)}
    for encoding, view in views(text):
        folded = view.casefold()
        present = {found.parts[part] for part in (_windows(folded) & found.parts.keys()) - kept}
        for name, path in sorted(present):
            found.add(Breach.RAW, operation, subject=name, path=path, found=encoding)
        dashless = folded.replace("-", "")
        for raw, name in found.raw_ids.items():
            if raw in dashless:
                found.add(Breach.RAW_ID, operation, subject=name, found=encoding)


def _parts_of(promise: Promise) -> dict[str, tuple[str, str]]:
    """Of the values that the sweep planted: those of others may stand somewhere else by right."""
    return {
        part: (name, path)
        for name, subject in promise.subjects.items()
        if name.startswith(OWN)
        for path in subject.values
        for value in raw_items(promise, name, path)
        for part in _windows(value or "")
    }


def _windows(text: str) -> set[str]:
    folded = text.casefold()
    return {folded[start : start + WINDOW] for start in range(len(folded) - WINDOW + 1)}


async def _compare_worlds(found: _Sweep, conn: Connection, operations: Sequence[Operation]) -> None:
    """The same answers before and after a change of what may not matter to this partner under this purpose."""
    ask, purpose = found.run.client.ask, found.purpose
    before = [_normal(await ask(found.partner, purpose, one.document, one.variables)) for one in operations]
    for changed in _irrelevant(found, operations[0]):
        async with _other_world(found.run, conn, changed):
            for operation, known in zip(operations, before, strict=True):
                answer = await ask(found.partner, purpose, operation.document, operation.variables)
                found.checks += 1
                if _normal(answer) != known:
                    found.add(Breach.EXISTENCE, operation, subject=changed.name)


def _irrelevant(found: _Sweep, everything: Operation) -> Sequence[Synthetic]:
    """Data subjects of the sweep with other values where none of theirs comes out; one who may not be seen has none at all."""
    plan, changed = found.promise.plan(everything.paths), []
    assert isinstance(plan, Plan)  # noqa: S101 - each of the fields has one
    fields = found.run.catalogue.fields
    for name, one in found.run.subjects.items():
        if not name.startswith(OWN):
            continue
        other = with_canaries(one, list(fields.values()), name=f"{name}-other")
        seen = found.promise.sees(name)
        shown = {path for path in plan.fields if seen and found.promise.shown(plan, name, path) is not None}
        values = {path: value if path in shown else other.values[path] for path, value in one.values.items()}
        if values != one.values:
            changed.append(replace(one, values=values if seen else {}))
    return changed


@asynccontextmanager
async def _other_world(run: Run, conn: Connection, changed: Synthetic) -> AsyncIterator[None]:
    """With these values in place of the data subject's own; none at all: without its rows."""
    own = run.subjects[changed.name]
    async with conn.transaction():
        await uproot(conn, run.catalogue, own.subject_id)
        if changed.values:
            await plant(conn, run.catalogue, changed)
    try:
        yield
    finally:
        async with conn.transaction():
            await plant(conn, run.catalogue, own)


def _normal(answer: Answer) -> str:
    """An answer without what differs every time: the record's id and the rate limiter's state."""
    body = json.loads(answer.text)
    extensions = body.get("extensions") or {}
    (extensions.get("disclosure") or {}).pop("id", None)
    (extensions.get("cost") or {}).pop("throttle", None)
    return json.dumps([answer.status, body], sort_keys=True)
