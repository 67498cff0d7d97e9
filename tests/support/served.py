"""The gateway as it is run: `gateway serve` in processes of its own, and a partner that asks it over one kept connection."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.leaks import require_no_mark

START_S = 30


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any

    @property
    def code(self) -> str | None:
        errors = self.body.get("errors")
        return errors[0]["extensions"]["code"] if errors else None

    @property
    def disclosure_id(self) -> str:
        found: str = self.body["extensions"]["disclosure"]["id"]
        return found


class PartnerConnection:
    """One kept HTTP connection. Any worker may be behind it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, token: str, document: str, variables: Mapping[str, object] | None = None) -> Reply:
        """Raises OSError or asyncio.IncompleteReadError where the server goes away; the next call connects anew."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        body = json.dumps({"query": document, "variables": variables or {}}).encode()
        try:
            writer.write(
                b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer "
                + token.encode()
                + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
                + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            return Reply(int(head.split(b" ", 2)[1]), json.loads(await reader.readexactly(length)))
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def served(
    database_url: str, data: Path, *, workers: int = 1, module: str = "gateway.cli", **settings: str
) -> AsyncIterator[int]:
    """`gateway serve` on a free port, which it gives; it answers /readyz before this returns.

    module: what runs in its place. settings: GATEWAY_* by name.
    """
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environment |= {"DATABASE_URL": database_url, "GATEWAY_DATA": str(data), "GATEWAY_BASE_URL": f"http://localhost:{port}"}
    environment |= {f"GATEWAY_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", module, "serve", "--port", str(port), "--workers", str(workers)]
    log = data / "serve.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=output, stderr=output)
    try:
        async with asyncio.timeout(START_S):
            while not await _is_ready(port):
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.05)  # another process: there is no event to await
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        require_no_mark("the gateway's log", log.read_text())


async def _is_ready(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    try:
        answer = await reader.read(64)
    except OSError:
        return False
    finally:
        writer.close()
    return b" 200 " in answer
