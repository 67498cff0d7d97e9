"""Synchronous code that may await: Authlib's grants call hooks, the hooks talk to asyncpg, and no thread is involved.

The synchronous function runs in a greenlet of its own. `wait` hands an awaitable to the coroutine that started it, which awaits
it on the event loop and switches back with the result, or throws its exception (cancellation included) at the point of the wait.
A hop costs about a microsecond, a thread a hundred times that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, cast

import greenlet  # type: ignore[import-untyped]  # it ships no types

P = ParamSpec("P")
T = TypeVar("T")


class OutsideBridge(RuntimeError):
    """`wait` was called by code that no `run_sync` started, so there is nobody to await for it."""


class _Guest(greenlet.greenlet):  # type: ignore[misc]
    def __init__(self, function: Callable[..., object]) -> None:
        host = greenlet.getcurrent()
        super().__init__(function, host)
        self.gr_context = host.gr_context  # context variables are the host's: a greenlet would start with none


def wait(awaitable: Awaitable[T]) -> T:
    """The result of `awaitable`, from inside synchronous code that `run_sync` started.

    Raises what the awaitable raises, and OutsideBridge where there is no host.
    """
    current = greenlet.getcurrent()
    if not isinstance(current, _Guest):
        close = getattr(awaitable, "close", None)
        if close is not None:
            close()  # a coroutine nobody will await would warn when it is collected
        raise OutsideBridge("wait() needs run_sync() above it")
    return cast(T, current.parent.switch(awaitable))


async def run_sync(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` returns; every `wait` inside it is awaited here. Raises what `function` raises."""
    guest = _Guest(function)
    step: Any = guest.switch(*args, **kwargs)
    while not guest.dead:
        try:
            value = await step
        except BaseException as error:  # cancellation too must reach the function, or its cleanup would not run
            step = guest.throw(error)
        else:
            step = guest.switch(value)
    return cast(T, step)
