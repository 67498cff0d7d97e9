"""Waits until a server answers."""

import asyncio
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import Final

READY_WITHIN_S: Final = 60
LOOK_EVERY_S: Final = 0.1


async def ready(host: str, port: int, path: str, *, has_ended: Callable[[], bool]) -> bool:
    """Wait until GET `path` answers 200. False where the server ended, or took too long."""
    for _ in range(int(READY_WITHIN_S / LOOK_EVERY_S)):
        if has_ended():
            return False
        if await asyncio.to_thread(_answers, host, port, path):
            return True
        await asyncio.sleep(LOOK_EVERY_S)
    return False


def _answers(host: str, port: int, path: str) -> bool:
    connection = HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
