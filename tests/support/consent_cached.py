"""A gateway made weaker on purpose: a worker keeps each answer for a second, and with it the consent that was read for it."""

import time
from typing import Any

from gateway.cli import main
from gateway.request.serve import Gate

_answer = Gate.answer
_kept: dict[Any, tuple[float, Any]] = {}


async def _cached(self: Gate, caller: Any, received: Any) -> Any:
    key = (caller.token_id, received.document, tuple(received.variables.items()))
    found = _kept.get(key)
    if found is None or found[0] < time.monotonic():
        found = _kept[key] = (time.monotonic() + 1, await _answer(self, caller, received))
    return found[1]


Gate.answer = _cached  # type: ignore[method-assign]  # that is the weakness

if __name__ == "__main__":
    main()
