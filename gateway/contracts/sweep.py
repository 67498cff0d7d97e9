"""The sweep: for every partner, purpose and field, does what comes out follow from the scopes, and nothing else?

It plants values of its own into synthetic data subjects beside those of the contracts, asks for every field alone, in drawn
combinations and page by page, holds each answer against `scopes`, looks for raw values in every byte of it, and asks once more
after changing what may not matter: a value that is withheld, a data subject who agreed to nothing. In the end it takes its data
subjects away again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from gateway.catalogue.definition import Catalogue
from gateway.contracts.breach import TITLE, Breach, Sweeping
from gateway.contracts.canaries import columns_of, with_canaries
from gateway.contracts.client import Answer, GatewayClient
from gateway.contracts.compare import follows
from gateway.contracts.expected import Promise, evidence_of, view_of
from gateway.contracts.observe import Seen, observe
from gateway.contracts.operations import FEW, ROOTS, Draw, Operation
from gateway.contracts.planting import Unplantable, is_plantable
from gateway.contracts.run import NOT_CONSENTED, Result, Run
from gateway.contracts.subjects import Synthetic
from gateway.contracts.synthetic import enrol, take_away
from gateway.contracts.traces import traces_of
from gateway.contracts.worlds import Worlds
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Connection
from scopes import Kind, Plan, Purpose

DRAWN: Final = 40
"""Combinations for each partner and purpose."""
REPEATED: Final = 8
"""Of them, those that are asked again in a world that differs in what may not matter."""
TOGETHER: Final = 4
"""Operations under way."""
OWN: Final = "sweep-"
"""What the names of its own data subjects begin with: their values stand nowhere else."""
MISSHAPEN: Final = "-misshapen"
"""What the name of the one ends with whose values no rule expects."""


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


def own_subjects(subjects: Sequence[Synthetic], catalogue: Catalogue) -> list[Synthetic]:
    """A twin of each, with a value in every column that any of them has one in; the last is the first one's, and misshapen."""
    columns = columns_of(subjects, catalogue)
    own = [with_canaries(one, columns, catalogue, name=f"{OWN}{one.name}") for one in subjects]
    odd = with_canaries(subjects[0], columns, catalogue, name=f"{own[0].name}{MISSHAPEN}", is_misshapen=True)
    return [*own, odd]


@asynccontextmanager
async def _planted(run: Run, conn: Connection) -> AsyncIterator[Run]:
    """A run over the data subjects of the contracts and over the sweep's own, which go again in the end."""
    named = list(run.subjects.values())
    own = own_subjects(named, run.catalogue)
    try:
        enrolment = await enrol(conn, run.settings, run.catalogue, [*named, *own], run.client.enrolment)
    except Unplantable:  # tables may take no misshapen value at all
        own.pop()
        enrolment = await enrol(conn, run.settings, run.catalogue, [*named, *own], run.client.enrolment)
    try:
        async with GatewayClient(enrolment, run.client.url) as client:
            yield Run(client, run.settings, run.catalogue, {one.name: one for one in (*named, *own)}, conn)
    finally:
        keys = PseudonymKeys(run.settings.key("pseudonym"))
        async with conn.transaction():
            for one in own:
                await take_away(conn, keys, run.catalogue, one.subject_id)


async def _one(run: Run, conn: Connection, partner: str, purpose: Purpose, drawn: int) -> Result:
    promise = await _promise(run, conn, partner, purpose)
    own = [one for one in run.subjects.values() if one.name.startswith(OWN)]
    known_as = run.pseudonyms(partner, purpose)
    found = Sweeping(run, promise, partner, traces_of(promise, [one.name for one in own], list(map(str, known_as.values()))))
    ids = list(known_as.values())
    draw = Draw(run.catalogue, f"{partner}:{purpose}", purpose=purpose, size=len(ids) + 1)
    for path in run.catalogue.fields:  # what is refused is refused before it matters whom it is about
        await _ask_all(found, draw.alone(path, ids if path in promise.view.offers else ids[:ROOTS]))
    offered = [path for path in promise.view.offers if isinstance(promise.plan([path]), Plan)]
    some = [draw.drawn(offered, ids) for _ in range(drawn)] if offered else []
    await _ask_all(found, [*some, *(draw.drawn(list(run.catalogue.fields), ids) for _ in range(REPEATED))])
    plan = promise.plan(offered)
    if offered and isinstance(plan, Plan):
        _require_planted(found, draw, offered)
        asked = [draw.page(offered), *some[:REPEATED], *await _walk(found, draw, offered)]
        await Worlds(found, conn, asked, draw.by_id(offered)).compare(plan, own)
    return Result(TITLE, partner, purpose.value, "", found.checks, tuple(found.findings))


async def _promise(run: Run, conn: Connection, partner: str, purpose: Purpose) -> Promise:
    view = await view_of(conn, partner)
    assert view is not None  # noqa: S101 - its runner was enrolled a moment ago
    evidence = {name: await evidence_of(conn, one.subject_id) for name, one in run.subjects.items()}
    held = frozenset(run.client.enrolment.runners[partner].scopes.get(purpose, ()))
    secret = run.settings.key("field")
    return Promise(view, purpose, held, run.catalogue, run.subjects, evidence, secret, view.loaded_at)


async def _walk(found: Sweeping, draw: Draw, offered: Sequence[str]) -> Sequence[Operation]:
    """Every page of a few: whoever may be seen comes once, and whoever may not leaves no gap. Returns what was asked."""
    expected = sum(map(found.promise.sees, found.run.subjects))
    asked, met, after = list[Operation](), 0, None
    while len(asked) * FEW <= len(found.run.subjects):
        operation = draw.page_after(offered, after)
        asked.append(operation)
        page = (await _ask(found, operation)).data.get("subjects") or {}
        told: Mapping[str, Any] = page.get("pageInfo") or {}
        count, has_next = len(page.get("edges") or ()), told.get("hasNextPage") is True
        met += count
        if count != min(FEW, expected - met + count) or has_next != (met < expected):
            found.add(Breach.PAGES, operation, found=f"{met} of {expected} after {len(asked)} pages")
            break
        if not has_next:
            break
        after = told.get("endCursor")
    return asked


def _require_planted(found: Sweeping, draw: Draw, offered: Sequence[str]) -> None:
    """A field that could be looked for and is not would look like a proof."""
    for path in offered:
        if not any(_is_planted(found, name, path) for name in found.run.subjects) and is_plantable(found.run.catalogue, path):
            found.add(Breach.NOT_PLANTED, draw.page([path]), path=path)


async def _ask_all(found: Sweeping, operations: Iterable[Operation]) -> None:
    """A few at a time. Raises Unreachable, NoToken."""
    waiting = iter(operations)

    async def ask() -> None:
        for operation in waiting:
            await _ask(found, operation)

    together = [asyncio.create_task(ask()) for _ in range(TOGETHER)]
    try:
        await asyncio.gather(*together)
    finally:
        for task in together:
            task.cancel()


async def _ask(found: Sweeping, operation: Operation) -> Answer:
    """Put one operation and hold its answer against the promise."""
    answer = await found.ask(operation)
    plan = found.promise.plan(operation.paths, names_purpose=operation.names_purpose)
    allowed: set[str] = set()
    if isinstance(plan, str):
        if plan not in answer.codes or answer.data:
            found.add(Breach.REFUSAL, operation, path=operation.paths[0], found=", ".join(answer.codes) or "data")
    elif answer.codes:
        found.add(Breach.REFUSAL, operation, path=operation.paths[0], found=", ".join(answer.codes))
    else:
        schema = await found.run.schema(found.partner, found.purpose)
        seen = observe(operation.document, operation.variables, schema, found.run.catalogue.subject.name, answer.data)
        allowed = _compare(found, operation, plan, seen)
        _compare_counts(found, operation, plan, seen, answer)
    for trace in found.traces.of(answer, operation.document, allowed):
        breach = Breach.RAW if trace.path else Breach.RAW_ID
        found.add(breach, operation, subject=trace.subject, path=trace.path, found=trace.encoding)
    return answer


def _compare(found: Sweeping, operation: Operation, plan: Plan, seen: Seen) -> set[str]:
    """Every value of every data subject. Returns the texts that came out by right."""
    names, allowed = found.names, set[str]()
    if seen.unasked:
        found.add(Breach.UNASKED, operation)
    for known_as, fields in seen.shown.items():
        name = names.get(known_as)
        if name is None or not found.promise.sees(name):
            found.add(Breach.VISIBLE, operation, subject=name or "")
            continue
        for path, values in fields.items():
            allowed |= _compare_field(found, operation, plan, name, path, values)
    asked = names.keys() if operation.pages else seen.missing
    for name in sorted(names[one] for one in asked & names.keys() - seen.shown.keys()):
        if found.promise.sees(name):
            found.add(Breach.INVISIBLE, operation, subject=name)
    return allowed


def _compare_field(
    found: Sweeping, operation: Operation, plan: Plan, name: str, path: str, values: Sequence[str | None]
) -> set[str]:
    wanted = found.promise.shown(plan, name, path)
    if wanted is None:
        if any(value is not None for value in values):
            found.add(Breach.NOT_WITHHELD, operation, subject=name, path=path)
        return set()
    is_empty = not wanted and values == [None]
    if _is_planted(found, name, path) and not is_empty and not follows(values, wanted):
        found.add(Breach.VALUE, operation, subject=name, path=path)
        return set()
    return {value for value in (*values, *wanted) if value is not None}


def _is_planted(found: Sweeping, name: str, path: str) -> bool:
    """Whether it is known what stands behind a field: what others wrote is not, nor are keys that the planting drew."""
    if path in found.run.subjects[name].values:
        return True
    is_key = found.run.catalogue.fields[path].kind is Kind.IDENTIFIER
    return not is_key and any(path in one.values for one in found.run.subjects.values())


def _compare_counts(found: Sweeping, operation: Operation, plan: Plan, seen: Seen, answer: Answer) -> None:
    """Counts are of those shown, and of nobody else: anybody else's no would be told by them."""
    if answer.reasons - {NOT_CONSENTED}:
        found.add(Breach.COUNT, operation, found="another reason")
    if answer.subjects != len(seen.shown):
        found.add(Breach.COUNT, operation, found=f"{answer.subjects} data subjects instead of {len(seen.shown)}")
    expected: dict[str, int] = {}
    for known_as, fields in seen.shown.items():
        name = found.names.get(known_as)
        if name is not None:
            for path in found.promise.withheld(plan, name) & fields.keys():
                expected[path] = expected.get(path, 0) + 1
    told = answer.withheld
    for path in sorted(expected.keys() | told.keys()):
        if told.get(path, 0) != expected.get(path, 0):
            found.add(Breach.COUNT, operation, path=path, found=f"{told.get(path, 0)} instead of {expected.get(path, 0)}")
