"""Whether there is room for an operation: a rate in points for each partner, and a bounded queue for each worker.

The rate is a GCRA bucket in the database (`gateway.rate_bucket`: one instant for each partner, at which it would be full
again). A worker does not ask for each operation: it takes a lease of points and spends them itself. So over any span of t
seconds the workers of one database together admit at most

    maximum + restore_rate * t + workers * lease

points: the bucket gives out no more than the first two terms (to a microsecond's worth of points a lease, the clock's
grain), and what a worker still held from before is one lease at most. A crash empties the unlogged table, which fills the
buckets.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg

from gateway.request.codes import Code, GatewayError

Connect = Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]]

LEASE_SHARE: Final = 20  # a lease is this part of the maximum
KEPT: Final = 10_000  # partners a worker keeps leases for
ANSWER_S: Final = 2.0  # a rate that cannot be settled by then is a refusal
# asyncpg says InternalClientError where a connection breaks between two of its own steps
UNREACHABLE: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

# in:  partner_id uuid, maximum, restore_rate, lease and cost in points (per second)
# row: taken (0: not even the cost is there), available after it
# The row is locked before it is read, so leases of one partner are given one after another; a later instant than the
# statement's own is never assumed, so a statement that waited for the lock is given too little rather than too much.
TAKE: Final = """
with bucket as materialized (
    select greatest(extract(epoch from full_at - statement_timestamp())::float8, 0) as missing_s
      from gateway.rate_bucket where partner_id = $1 for update
), offer as (
    select missing_s, floor($2::float8 - missing_s * $3::float8 + 1e-6) as available from bucket
), taken as (
    select missing_s, available, case when available >= $5::float8 then least($4::float8, available) else 0 end as points
      from offer
), spent as (
    update gateway.rate_bucket b
       set full_at = statement_timestamp() + make_interval(secs => t.missing_s + t.points / $3::float8)
      from taken t where b.partner_id = $1 and t.points > 0
)
select points::int8 as taken, (available - points)::int8 as available from taken
"""
ADD: Final = "insert into gateway.rate_bucket (partner_id, full_at) values ($1, statement_timestamp()) on conflict do nothing"


@dataclass(frozen=True, slots=True)
class Throttle:
    """A partner's budget in points. available: as this worker knows it, restored since it last asked; restore_rate: per
    second."""

    maximum: int
    available: int
    restore_rate: int


@dataclass(slots=True)
class _Lease:
    """points: left to spend here. elsewhere: what the bucket held at `at`. empty_until: when asking again can first help."""

    points: int = 0
    elsewhere: int = 0
    at: float = 0.0
    empty_until: float = 0.0
    refused: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class RateLimiter:
    """One for each worker. It has a connection of its own, so that it never waits behind the gate's, nor makes the gate wait.

    connect: opens it; `synchronous_commit=off` there, for a lost lease costs nothing. clock: monotonic seconds.
    """

    def __init__(
        self,
        connect: Connect,
        *,
        maximum: int,
        restore_rate: int,
        lease: int | None = None,
        kept: int = KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if maximum < 1 or restore_rate < 1:
            raise ValueError("a rate limit needs at least one point and one point a second")
        self._connect, self._maximum, self._rate, self._kept, self._clock = connect, maximum, restore_rate, kept, clock
        self.lease = max(1, lease or maximum // LEASE_SHARE)
        self._leases: OrderedDict[UUID, _Lease] = OrderedDict()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._asking = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._leases)

    async def spend(self, partner_id: UUID, cost: int) -> Throttle:
        """Takes the points. Raises GatewayError: RATE_EXCEEDED with the seconds to wait, COST_TOO_HIGH for what no bucket holds,
        UNAVAILABLE where the database does not answer: an operation whose rate is not known is not run."""
        lease = self._leases.get(partner_id)
        if lease is None:
            lease = self._leases[partner_id] = _Lease()
            self._forget()
        else:
            self._leases.move_to_end(partner_id)
        if lease.points < cost:
            if cost > self._maximum:
                raise GatewayError(Code.COST_TOO_HIGH, extensions={"maximum": self._maximum})
            async with lease.lock:  # one asks for all that wait; each looks again when its turn comes
                while lease.points < cost:
                    await self._renew(partner_id, lease, cost)
        lease.points -= cost
        return self._throttle(lease)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    def _throttle(self, lease: _Lease) -> Throttle:
        restored = lease.elsewhere + int((self._clock() - lease.at) * self._rate)
        return Throttle(self._maximum, min(self._maximum, restored + lease.points), self._rate)

    async def _renew(self, partner_id: UUID, lease: _Lease, cost: int) -> None:
        needed = cost - lease.points
        now = self._clock()
        if now < lease.empty_until and needed >= lease.refused:  # asked just now: the answer cannot have changed
            raise self._exceeded(lease.empty_until - now)
        taken, available = await self._ask(partner_id, max(self.lease, needed), needed)
        lease.elsewhere, lease.at = available, self._clock()
        lease.points += taken
        if not taken:
            wait_s = (needed - available) / self._rate
            lease.empty_until, lease.refused = lease.at + wait_s, needed
            raise self._exceeded(wait_s)

    async def _ask(self, partner_id: UUID, points: int, needed: int) -> tuple[int, int]:
        try:
            async with asyncio.timeout(ANSWER_S), self._asking:
                connection = await self._open()
                arguments = (partner_id, float(self._maximum), float(self._rate), float(points), float(needed))
                row = await connection.fetchrow(TAKE, *arguments)
                if row is None:  # this partner's first operation, or its first after a crash
                    await connection.execute(ADD, partner_id)
                    row = await connection.fetchrow(TAKE, *arguments)
        except UNREACHABLE as error:
            await self.close()
            raise GatewayError(Code.UNAVAILABLE) from error
        if row is None:
            raise GatewayError(Code.UNAVAILABLE)
        return row["taken"], row["available"]

    async def _open(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        return self._connection

    def _forget(self) -> None:
        """Drops the leases unused for longest; one that somebody waits for is in use."""
        while len(self._leases) > self._kept:
            name, oldest = next(iter(self._leases.items()))
            if oldest.lock.locked():
                self._leases.move_to_end(name)
                return
            del self._leases[name]

    def _exceeded(self, wait_s: float) -> GatewayError:
        return GatewayError(Code.RATE_EXCEEDED, retry_after_s=max(1, math.ceil(wait_s)))


class Places:
    """At most `running` operations at once in this worker, and at most `waiting` that wait for a place; the next one is told to
    retry. A queue without a bound would answer everybody late instead of some at once."""

    def __init__(self, *, running: int, waiting: int) -> None:
        self._places = asyncio.Semaphore(running)
        self._waiting_max, self._waiting = waiting, 0

    @property
    def waiting(self) -> int:
        return self._waiting

    def place(self) -> "Places":
        """For `async with`. Raises GatewayError(UNAVAILABLE) where the queue is full."""
        return self

    async def __aenter__(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        if self._waiting >= self._waiting_max:
            raise GatewayError(Code.UNAVAILABLE, retry_after_s=1)
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(self, *_error: object) -> None:
        self._places.release()
