"""shopmate's site beside the demo: a process of its own, on a port that is known before the client is registered."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from gateway.demo.ready import ready

HOST: Final = "127.0.0.1"  # of shopmate's redirect address
ENDS_WITHIN_S: Final = 10
PASSED_ON: Final = ("PATH", "LANG", "LC_ALL")  # the gateway's own settings and secrets are no business of a partner's


class SiteFailed(Exception):
    """shopmate's site did not start; what it wrote to standard error says why."""


def listen(port: int) -> socket.socket:
    """Listen on this port, or on a free one where it is taken: shopmate's redirect address follows."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        listener = socket.socket()
        listener.bind((HOST, 0))
        listener.listen(128)
    return listener


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


@asynccontextmanager
async def serving(listener: socket.socket, file: Path) -> AsyncIterator[None]:
    """Run the site on this socket as long as the caller needs it, and no longer than the caller lives. file: demo.json.

    Raises SiteFailed.
    """
    process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own program, and started in milliseconds
        [sys.executable, "-m", "gateway.demo.shopmate", str(file), str(listener.fileno())],
        stdin=subprocess.PIPE,  # it serves until this ends, which it does with us, however we end
        stdout=subprocess.DEVNULL,
        env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
        pass_fds=(listener.fileno(),),
        start_new_session=True,  # an interrupt at the terminal reaches us, and we end it
    )
    try:
        if not await ready(HOST, port_of(listener), "/", has_ended=lambda: process.poll() is not None):
            raise SiteFailed("shopmate's site did not start")
        listener.close()  # should the site end, nobody waits in vain for an answer
        yield
    finally:
        await asyncio.to_thread(_end, process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
