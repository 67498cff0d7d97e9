"""`python -m gateway.demo.shopmate FILE DESCRIPTOR`: serve shopmate's site on a listening socket that was handed over.

FILE is the demo's demo.json. It serves until told to stop, or until its standard input ends: whoever started it holds the other
end, and so cannot leave it behind.
"""

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn

from gateway.demo.shopmate.client import Registration
from gateway.demo.shopmate.site import Site

SHUTDOWN_S = 3


async def serve(file: Path, descriptor: int) -> None:
    config = uvicorn.Config(
        Site(Registration.read(file)).app(),
        ws="none",
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        log_level="warning",
        access_log=False,  # the callback's address holds a code
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(sys.stdin.fileno())
        server.should_exit = True

    loop.add_reader(sys.stdin.fileno(), ended)  # nobody writes: readable means over
    with socket.socket(fileno=descriptor) as listener:
        await server.serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
