"""Synchronous code that awaits: results, errors, cancellation and context go through the bridge."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from gateway.oauth.bridge import OutsideBridge, run_sync, wait

where: contextvars.ContextVar[str] = contextvars.ContextVar("where")


async def double(number: int) -> int:
    """A step of the event loop, then twice the number."""
    await asyncio.sleep(0)
    return 2 * number


async def test_synchronous_code_gets_what_it_waits_for() -> None:
    """Any number of waits, and arguments as given."""

    def add(a: int, *, b: int) -> int:
        return wait(double(a)) + wait(double(b))

    assert await run_sync(add, 1, b=2) == 6


async def test_error_of_an_awaited_call_is_raised_at_the_wait() -> None:
    """A handler around the wait sees it, as it would around an await."""

    async def fail() -> None:
        raise LookupError

    def guarded() -> str:
        try:
            wait(fail())
        except LookupError:
            return "seen"
        return "missed"

    assert await run_sync(guarded) == "seen"
    with pytest.raises(LookupError):
        await run_sync(lambda: wait(fail()))


async def test_cancellation_reaches_the_synchronous_code() -> None:
    """What it has to clean up, it cleans up."""
    cleaned, started = [], asyncio.Event()

    async def forever() -> None:
        started.set()
        await asyncio.Event().wait()

    def work() -> None:
        try:
            wait(forever())
        finally:
            cleaned.append(True)

    task = asyncio.create_task(run_sync(work))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]


async def test_context_variables_are_the_callers() -> None:
    """Trace ids and the like are seen inside."""
    where.set("here")

    assert await run_sync(where.get) == "here"


async def test_many_at_once_do_not_mix() -> None:
    """Each has a greenlet of its own."""

    def twice(n: int) -> int:
        return wait(double(wait(double(n))))

    answers = await asyncio.gather(*(run_sync(twice, n) for n in range(50)))

    assert answers == [4 * n for n in range(50)]


async def test_waiting_without_a_bridge_is_an_error() -> None:
    """And leaves no coroutine behind that nobody awaits."""
    with pytest.raises(OutsideBridge):
        wait(double(1))
