"""A partner request, from bytes to bytes, through the rooms in order: receive, authenticate, parse, authorise, admit, consent,
fetch, redact, record, respond.

`consent`, `fetch`, `redact` and `record` each write their part of one SQL statement. That statement is the gate; here it is run.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import asyncpg

from gateway.catalogue.definition import Catalogue
from gateway.request import local
from gateway.request.admit import RateLimiter, Throttle
from gateway.request.authenticate import Caller
from gateway.request.authorise import Authoriser, Planned
from gateway.request.codes import Code, GatewayError
from gateway.request.limits import Limits
from gateway.request.lru import Lru
from gateway.request.parse import Operation, coerce, parse, requested_cost
from gateway.request.receive import Received
from gateway.request.record import Projection, add_projection, add_refusal
from gateway.request.registered import resolve, sha256_of
from gateway.request.run import Run, reader
from gateway.request.statement import Statement, liveness
from gateway.schema.view import PartnerSchema, Schemas
from gateway.store.pool import DoubtfulCommit, GatePool, Pool
from gateway.store.uuid7 import uuid7
from gateway.store.view import GrantView, load_view
from scopes import Refusal, Refused

UNREACHABLE = (
    OSError,
    TimeoutError,
    DoubtfulCommit,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,  # no connection left, no room on the disk
    asyncpg.ReadOnlySQLTransactionError,  # a failover has left this server behind
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

# A tree takes some 120 times its document's length, a prepared plan several times its statement's: large ones count for many
DOCUMENT_UNIT = 512
STATEMENT_UNIT = 16_384

VERDICTS = {
    "TOKEN_REVOKED": Code.TOKEN_REVOKED,
    "TOKEN_EXPIRED": Code.TOKEN_EXPIRED,
    "HALTED": Code.HALTED,
    None: Code.TOKEN_INVALID,
}
LIVENESS = liveness()
DENIALS = frozenset(
    {
        *(Code(refusal.value) for refusal in Refusal),
        Code.OPERATION_NOT_REGISTERED,
        Code.STEP_UP_REQUIRED,
        Code.TOKEN_REVOKED,
        Code.TOKEN_EXPIRED,
    }
)
UNKNOWN_FIELD = "FieldsOnCorrectType"  # how validation names a field that the partner's schema does not have


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """The body of a successful answer: redacted, and still personal data. Only `respond` opens it.

    partner: to whom something was disclosed; None where no data subject was asked about. withheld: fields, over all subjects.
    """

    sealed: bytes
    partner: str | None
    subjects: int
    withheld: int

    def __repr__(self) -> str:
        return f"<answer of {len(self.sealed)} bytes>"


@dataclass(frozen=True, slots=True)
class Sight:
    """A partner's view with the schema built from it."""

    view: GrantView
    schema: PartnerSchema


@dataclass(frozen=True, slots=True)
class Prepared:
    """All of a request but what the database has to say. cost: requested points."""

    operation: Operation
    planned: Planned
    variables: Mapping[str, object]
    cost: int


@dataclass(frozen=True, slots=True, repr=False)
class Ran:
    """What the statement was run with, and the row that it gave."""

    run: Run
    row: asyncpg.Record


class Gate:
    """Runs partner operations. One for each worker; everything it keeps is bounded and holds no data subject's data."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        field_secret: bytes,
        limits: Limits,
        limiter: RateLimiter,
        gate: GatePool,
        pool: Pool,
        kept: int,
        step_up_after_s: int,
    ) -> None:
        self._step_up_after_s = step_up_after_s
        self._catalogue, self._limits, self._limiter, self._gate, self._pool = catalogue, limits, limiter, gate, pool
        self._schemas = Schemas(catalogue)
        self._authoriser = Authoriser(catalogue, field_secret)
        self._sights: Lru[str, Sight] = Lru(kept)
        self._operations: Lru[object, Operation | GatewayError] = Lru(kept)
        self._planned: Lru[object, Planned | GatewayError] = Lru(kept)
        self._projections: Lru[bytes, Projection] = Lru(4 * kept)

    async def answer(self, caller: Caller, received: Received) -> Answer:
        """Raises GatewayError; what it refuses of an authenticated caller is recorded."""
        try:
            return await self._answer(caller, received)
        except GatewayError as raised:
            error = raised
        except UNREACHABLE as unreachable:
            raise GatewayError(Code.UNAVAILABLE) from unreachable
        if is_denial(error):
            try:
                await self._record_refusal(caller, received, error)
            except UNREACHABLE as unreachable:
                raise GatewayError(Code.UNAVAILABLE) from unreachable
        raise error

    async def _answer(self, caller: Caller, received: Received) -> Answer:
        sight = self._sights.get(caller.client_id) or await self._look(caller)
        for _attempt in range(2):
            done = await self._attempt(caller, received, sight)
            if done is not None:
                return done
            sight = await self._look(caller)
        raise GatewayError(Code.UNAVAILABLE)  # what the partner may see changed twice while it asked once

    async def _attempt(self, caller: Caller, received: Received, sight: Sight) -> Answer | None:
        """None: the plan was made under a view that no longer holds, and nothing was given."""
        view = sight.view
        try:
            prepared = self._prepare(caller, received, sight)
        except GatewayError:
            await self._limiter.spend(view.partner.partner_id, 1)
            # the refusal rests on the view as well, and may be as old as that
            if await self._run(LIVENESS, caller, view, {}) is None:
                return None
            raise
        throttle = await self._limiter.spend(view.partner.partner_id, prepared.cost)
        await self._keep_projection(prepared.planned)
        ran = await self._run(prepared.planned.statement, caller, view, prepared.variables)
        if ran is None:
            return None
        fixed: Mapping[str, bytes] = {}
        if prepared.planned.local:
            fixed = local.answer(prepared.operation, prepared.planned, prepared.variables, self._catalogue, view, caller)
        return _assemble(prepared, ran, fixed, throttle)

    def _prepare(self, caller: Caller, asked: Received, sight: Sight) -> Prepared:
        received = resolve(asked, sight.view, contract_run=caller.contract_run)
        operation = self._operation(sight.schema, received)
        variables = coerce(operation, received.variables)
        cost = requested_cost(operation, received.operation_name, variables, self._limits)
        planned = self._plan(operation, received, sight.view, caller, variables)
        if planned.is_sensitive and caller.is_bound:
            self._require_recent_sign_in(caller)
        return Prepared(operation, planned, variables, cost)

    def _require_recent_sign_in(self, caller: Caller) -> None:
        """RFC 9470: a token that speaks for a data subject opens sensitive data only some time after it signed in."""
        since = caller.authenticated_at
        if since is None or since + self._step_up_after_s <= time.time():
            raise GatewayError.step_up(max_age_s=self._step_up_after_s)

    async def _keep_projection(self, planned: Planned) -> None:
        added = planned.statement.projection
        if added is not None and self._projections.get(added.projection_id) is None:
            async with self._pool.acquire() as connection:
                await add_projection(connection, added)
            self._projections.put(added.projection_id, added)

    async def _run(self, statement: Statement, caller: Caller, view: GrantView, variables: Mapping[str, object]) -> Ran | None:
        """The gate. None where the view no longer holds. Raises GatewayError where the caller no longer stands."""
        run = Run(
            token_id=caller.token_id,
            client_id=caller.client_id,
            partner_id=view.partner.partner_id,
            view_version=view.version,
            valid_until=view.valid_until,
            disclosure_id=uuid7(),
            variables=variables,
        )
        row = await self._gate.run(statement.text, statement.arguments(run))
        verdict = row[0]
        if verdict == "STALE":
            return None
        if verdict != "OK":
            raise GatewayError(VERDICTS[verdict])
        return Ran(run, row)

    @property
    def sizes(self) -> Mapping[str, Callable[[], int]]:
        """How full each cache is, by name, for the metrics."""
        return {
            "views": self._sights.__len__,
            "operations": self._operations.__len__,
            "plans": self._planned.__len__,
            "projections": self._projections.__len__,
        }

    def _operation(self, schema: PartnerSchema, received: Received) -> Operation:
        key = (schema, received.method, received.operation_name, received.document)
        found = self._operations.get(key)
        if found is None:
            try:
                found = parse(received, schema, self._limits)
            except GatewayError as error:
                found = error
            self._operations.put(key, found, weight=1 + len(received.document) // DOCUMENT_UNIT)
        if isinstance(found, GatewayError):
            raise found.again()
        return found

    def _plan(
        self, operation: Operation, received: Received, view: GrantView, caller: Caller, variables: Mapping[str, object]
    ) -> Planned:
        switches = {name: bool(variables[name]) for name in operation.switches} if operation.switches else {}
        named = operation.purpose(variables)
        key = (
            operation,
            named,
            view.version,
            view.valid_until,
            view.partner.partner_id,
            caller.scopes,
            caller.categories,
            caller.is_bound,
            *switches.values(),
        )
        found = self._planned.get(key)
        if found is None:
            try:
                found = self._authoriser.planned(operation, received.document, view, caller, named=named, switches=switches)
            except Refused as refused:
                found = GatewayError.of(refused)
            self._planned.put(
                key, found, weight=1 + (len(found.statement.text) // STATEMENT_UNIT if isinstance(found, Planned) else 0)
            )
        if isinstance(found, GatewayError):
            raise found.again()
        return found

    async def _look(self, caller: Caller) -> Sight:
        async with self._pool.acquire() as connection:
            view = await load_view(connection, caller.client_id)
        if view is None:
            raise GatewayError(Code.TOKEN_INVALID)
        sight = Sight(view, self._schemas.of(view))
        self._sights.put(caller.client_id, sight)
        return sight

    async def _record_refusal(self, caller: Caller, received: Received, error: GatewayError) -> None:
        sight = self._sights.get(caller.client_id)
        async with self._pool.acquire() as connection:
            await add_refusal(
                connection,
                refusal_id=uuid7(),
                partner_id=sight.view.partner.partner_id if sight else None,
                client_id=caller.client_id,
                token_id=caller.token_id,
                code=error.code.value,
                document_sha256=sha256_of(received),
            )


def is_denial(error: GatewayError) -> bool:
    """Whether the caller asked for what it may not have, or not now: that goes on record. Faults of form are only counted.

    A field that no grant covers does not exist for the partner, and to ask for it is a fault of form to the partner alone.
    """
    return error.code in DENIALS or any(problem.rule == UNKNOWN_FIELD for problem in error.problems)


def _assemble(prepared: Prepared, ran: Ran, fixed: Mapping[str, bytes], throttle: Throttle) -> Answer:
    planned, row = prepared.planned, ran.row
    parts: list[bytes] = []
    for slot in planned.slots:
        parts.append((b"," if parts else b"") + slot.key + b":")
        if slot.number >= 0:
            parts += planned.statement.answer(slot.number, row)
        else:
            parts.append(slot.fixed if slot.fixed is not None else fixed[json.loads(slot.key)])
    subjects, withheld, told, actual = 0, 0, "", prepared.cost
    if planned.plan is not None:
        subjects, counts = row[1], row[2]
        listed = []
        for field in planned.statement.withheld:
            count = counts[field.index]
            if count:
                withheld += count
                listed.append(f'{{"field":"{field.path}","reason":"NOT_CONSENTED","count":{count}}}')
        told = (
            f'"disclosure":{{"id":"{ran.run.disclosure_id}","purpose":"{planned.plan.purpose.value}","subjects":{subjects},'
            f'"withheld":[{",".join(listed)}],"redacted":{planned.redacted}}},'
        )
        actual = _actual_cost(prepared, ran.run, subjects)
    tail = (
        f'}},"extensions":{{{told}"cost":{{"requested":{prepared.cost},"actual":{actual},"throttle":{{'
        f'"maximum":{throttle.maximum},"available":{throttle.available},"restoreRate":{throttle.restore_rate}}}}}}}}}'
    )
    parts.append(tail.encode())
    return Answer(b"".join([b'{"data":{', *parts]), planned.plan.partner.name if planned.plan else None, subjects, withheld)


def _actual_cost(prepared: Prepared, run: Run, subjects: int) -> int:
    """What the operation would have cost, had it asked for just as many data subjects as it got."""
    sizes = prepared.planned.sizes
    asked = sum(1 if size is None else int(str(reader(size)(run))) for size in sizes)
    roots = len(sizes)
    return roots + (prepared.cost - roots) * min(subjects, asked) // max(asked, 1)
