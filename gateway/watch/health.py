"""Whether this worker lives, and whether it can answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

JSON: Final = "application/json"
CHECK_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Page:
    """A small answer outside GraphQL."""

    status: int
    content_type: str
    body: bytes


def healthz() -> Page:
    """The event loop turns. Asks nobody: a database that is away is no reason to kill the worker."""
    return Page(200, JSON, b'{"status":"ok"}')


async def readyz(check: Callable[[], Awaitable[object]]) -> Page:
    """200 where `check` (a query by the gate's role) answers in time, 503 where it does not; why is for the log, not for the
    net."""
    try:
        async with asyncio.timeout(CHECK_S):
            await check()
    except Exception:  # whatever it is, this worker cannot answer
        return Page(503, JSON, b'{"status":"unavailable"}')
    return Page(200, JSON, b'{"status":"ok"}')
