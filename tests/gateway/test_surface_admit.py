"""The rate holds for all workers together, costs no query for each operation, and fails closed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from gateway.request.admit import Places, RateLimiter, Throttle
from gateway.request.codes import Code, GatewayError
from tests.support.database import Database

SLOW = 1  # points a second: next to nothing comes back during a test


class Clock:
    """Monotonic seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Workers:
    """Limiters over one database, as several workers have them, and how often they connected."""

    def __init__(self, database: Database) -> None:
        self._database, self._made, self.connections = database, list[RateLimiter](), 0
        self.clock = Clock()

    async def connect(self) -> "asyncpg.Connection[Any]":
        self.connections += 1
        return await asyncpg.connect(
            self._database.owner_url, server_settings={"timezone": "UTC", "role": "gateway", "synchronous_commit": "off"}
        )

    def worker(self, *, maximum: int, lease: int | None = None, rate: int = SLOW, kept: int = 100) -> RateLimiter:
        made = RateLimiter(self.connect, maximum=maximum, restore_rate=rate, lease=lease, kept=kept, clock=self.clock)
        self._made.append(made)
        return made

    async def close(self) -> None:
        for made in self._made:
            await made.close()


@pytest_asyncio.fixture
async def workers(module_database: Database) -> AsyncIterator[Workers]:
    """No partner is shared between tests: each draws its own id."""
    workers = Workers(module_database)
    yield workers
    await workers.close()


async def spent(limiter: RateLimiter, partner_id: UUID, cost: int) -> int:
    try:
        await limiter.spend(partner_id, cost)
    except GatewayError as error:
        if error.code is not Code.RATE_EXCEEDED:
            raise
        return 0
    return cost


@pytest.mark.parametrize(("cost", "lease"), [(1, 1), (1, 50), (7, 50), (90, 10)])
async def test_parallel_workers_together_spend_no_more_than_the_maximum(workers: Workers, cost: int, lease: int) -> None:
    """Nothing is held from before, so the bound is maximum + restored; the last points may stay in leases."""
    partner_id, maximum = uuid4(), 400
    four = [workers.worker(maximum=maximum, lease=lease) for _ in range(4)]

    total = sum(await asyncio.gather(*(spent(limiter, partner_id, cost) for _ in range(250) for limiter in four)))

    restored = 20  # seconds that this test may take, at SLOW
    assert maximum - 4 * (max(lease, cost) + cost) <= total <= maximum + restored


async def test_what_a_worker_holds_from_before_is_one_lease_at_most(workers: Workers, module_database: Database) -> None:
    """maximum + restore_rate * t + workers * lease: with leases taken, refill the bucket and spend all again."""
    partner_id, maximum, lease = uuid4(), 100, 20
    three = [workers.worker(maximum=maximum, lease=lease) for _ in range(3)]
    for limiter in three:
        await limiter.spend(partner_id, 1)
    await refill(module_database, partner_id)

    total = sum(await asyncio.gather(*(spent(limiter, partner_id, 1) for _ in range(100) for limiter in three)))

    assert maximum <= total <= maximum + 3 * lease + 20


async def test_points_come_back_with_the_database_clock(workers: Workers, module_database: Database) -> None:
    partner_id = uuid4()
    limiter = workers.worker(maximum=10, lease=1, rate=10)
    await limiter.spend(partner_id, 10)
    await move(module_database, partner_id, seconds=-0.5)  # as if half a second had passed there

    assert await spent(limiter, partner_id, 4) == 4


async def test_operations_within_a_lease_ask_nobody(workers: Workers, module_database: Database) -> None:
    partner_id = uuid4()
    limiter = workers.worker(maximum=1_000, lease=100)
    await limiter.spend(partner_id, 1)
    before = await full_at(module_database, partner_id)

    for _ in range(99):
        await limiter.spend(partner_id, 1)
    within = await full_at(module_database, partner_id)
    await limiter.spend(partner_id, 1)

    assert within == before
    assert await full_at(module_database, partner_id) != before
    assert workers.connections == 1


async def test_a_refusal_says_when_to_come_back_and_is_not_asked_twice(workers: Workers, module_database: Database) -> None:
    partner_id = uuid4()
    limiter = workers.worker(maximum=50, lease=50, rate=5)
    await limiter.spend(partner_id, 50)
    with pytest.raises(GatewayError) as first:
        await limiter.spend(partner_id, 50)
    await refill(module_database, partner_id)

    with pytest.raises(GatewayError) as again:
        await limiter.spend(partner_id, 50)
    workers.clock.now += 11

    assert (first.value.code, first.value.retry_after_s) == (Code.RATE_EXCEEDED, 10)
    assert again.value.code is Code.RATE_EXCEEDED  # remembered
    assert await spent(limiter, partner_id, 50) == 50


async def test_a_cheaper_operation_passes_after_a_dear_one_was_refused(workers: Workers) -> None:
    partner_id = uuid4()
    limiter = workers.worker(maximum=50, lease=1)
    await limiter.spend(partner_id, 30)

    assert await spent(limiter, partner_id, 40) == 0
    assert await spent(limiter, partner_id, 15) == 15


async def test_one_partner_does_not_spend_anothers_points(workers: Workers) -> None:
    limiter = workers.worker(maximum=10)
    await limiter.spend(uuid4(), 10)

    assert await spent(limiter, uuid4(), 10) == 10


async def test_the_throttle_tells_what_is_left(workers: Workers) -> None:
    partner_id = uuid4()
    limiter = workers.worker(maximum=100, lease=10, rate=5)

    assert await limiter.spend(partner_id, 30) == Throttle(100, 70, 5)
    workers.clock.now += 2
    assert (await limiter.spend(partner_id, 1)).available == pytest.approx(70 - 1, abs=1)


async def test_what_no_bucket_holds_is_too_dear_rather_than_too_early(workers: Workers) -> None:
    with pytest.raises(GatewayError) as refused:
        await workers.worker(maximum=10).spend(uuid4(), 11)

    assert refused.value.code is Code.COST_TOO_HIGH


async def test_an_unreachable_database_denies() -> None:
    async def connect() -> "asyncpg.Connection[Any]":
        raise ConnectionRefusedError

    with pytest.raises(GatewayError) as refused:
        await RateLimiter(connect, maximum=10, restore_rate=1).spend(uuid4(), 1)

    assert refused.value.code is Code.UNAVAILABLE


async def test_a_lost_connection_denies_once_at_most_and_is_opened_again(workers: Workers, module_database: Database) -> None:
    partner_id = uuid4()
    limiter = workers.worker(maximum=100, lease=1)
    await limiter.spend(partner_id, 1)
    assert limiter._connection is not None
    pid = limiter._connection.get_server_pid()
    connection = await module_database.owner()
    await connection.execute("select pg_terminate_backend($1)", pid)
    await connection.close()

    try:  # whether the loop has noticed the loss by now is a race
        await limiter.spend(partner_id, 1)
    except GatewayError as error:
        if error.code is not Code.UNAVAILABLE:
            raise
        await limiter.spend(partner_id, 1)

    assert workers.connections == 2


async def test_memory_is_bounded_by_the_partners_kept(workers: Workers) -> None:
    limiter = workers.worker(maximum=10, kept=5)

    for _ in range(20):
        await limiter.spend(uuid4(), 1)

    assert len(limiter) == 5


async def test_a_full_queue_sends_the_next_one_away_and_leaves_no_place_taken() -> None:
    places = Places(running=1, waiting=1)
    leave, entered = asyncio.Event(), asyncio.Event()

    async def stay() -> None:
        async with places.place():
            entered.set()
            await leave.wait()

    first = asyncio.create_task(stay())
    await entered.wait()
    second = asyncio.create_task(stay())
    await asyncio.sleep(0)  # it runs until it waits
    assert places.waiting == 1
    with pytest.raises(GatewayError) as refused:
        async with places.place():
            pass
    leave.set()
    await asyncio.gather(first, second)

    assert (refused.value.code, refused.value.retry_after_s) == (Code.UNAVAILABLE, 1)
    assert places.waiting == 0
    async with places.place():
        pass


async def test_one_who_gives_up_waiting_leaves_the_queue() -> None:
    places = Places(running=1, waiting=1)
    async with places.place():
        waiter = asyncio.create_task(places.place().__aenter__())
        await asyncio.sleep(0)  # it runs until it waits
        assert places.waiting == 1
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)

    assert places.waiting == 0
    async with places.place():
        pass


async def full_at(database: Database, partner_id: UUID) -> object:
    connection = await database.owner()
    try:
        return await connection.fetchval("select full_at from gateway.rate_bucket where partner_id = $1", partner_id)
    finally:
        await connection.close()


async def move(database: Database, partner_id: UUID, *, seconds: float) -> None:
    connection = await database.owner()
    try:
        await connection.execute(
            "update gateway.rate_bucket set full_at = full_at + make_interval(secs => $2) where partner_id = $1",
            partner_id,
            seconds,
        )
    finally:
        await connection.close()


async def refill(database: Database, partner_id: UUID) -> None:
    await move(database, partner_id, seconds=-86_400)
