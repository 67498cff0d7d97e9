"""The load generator, a process of its own: keep-alive connections, each sending its next request when the answer is there.

Reads an order from one file and writes its report to another. It parses no more of HTTP than the status and the length, so that
the cores are left to the contestants.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import uvloop


@dataclass(frozen=True, slots=True)
class Order:
    """targets: paths to GET, or bodies to POST to `path`. Runs for `seconds`, or for `count` requests where that is not 0.

    keep: how many bodies to hand back, those of the first targets. Connections that wait for an answer at the end still get it.
    """

    port: int
    targets: list[str]
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    connections: int = 16
    seconds: float = 0
    count: int = 0
    keep: int = 0
    seed: int = 0


@dataclass(slots=True)
class Report:
    """latencies: milliseconds, in no order. seconds: from the first request to the last answer. kept: bodies, by target."""

    requests: int = 0
    failures: int = 0
    seconds: float = 0
    bytes: int = 0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    kept: dict[int, str] = field(default_factory=dict)


class Client(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, answered: Callable[["Client", int, bytes | None], None]) -> None:
        self._answered = answered
        self._head = b""
        self._left = 0
        self._status = 0
        self._kept: list[bytes] | None = None
        self.transport: asyncio.Transport | None = None
        self.target, self.sent_at, self.size = 0, 0.0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self, target: int, request: bytes, *, keep: bool) -> None:
        assert self.transport is not None
        self.target, self.size, self._kept = target, 0, [] if keep else None
        self.sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._left == 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, data = self._head[:end].lower(), self._head[end + 4 :]
            self._head = b""
            self._status = int(head[9:12])
            begins = head.find(b"content-length:")
            if begins < 0:
                raise ValueError("an answer without a length")
            length = head[begins + 15 : begins + 40].split(b"\r", 1)[0]
            self._left = self.size = int(length)
        self._left -= len(data)
        if self._kept is not None:
            self._kept.append(data)
        if self._left == 0:
            self._answered(self, self._status, None if self._kept is None else b"".join(self._kept))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        self._answered(self, 0, None)


class Run:
    """All connections of one order."""

    def __init__(self, order: Order) -> None:
        self._order, self.report = order, Report()
        self._requests = requests_of(order)
        self._chooser = random.Random(order.seed)
        self._started, self._waiting, self._issued = 0.0, 0, 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> Report:
        loop = asyncio.get_running_loop()
        clients = []
        for _ in range(self._order.connections):
            _, client = await loop.create_connection(lambda: Client(self._answered), "127.0.0.1", self._order.port)
            clients.append(client)
        self._started = time.perf_counter()
        for client in clients:
            self._next(client)
        await self._done
        self.report.seconds = time.perf_counter() - self._started
        return self.report

    def _next(self, client: Client) -> None:
        order = self._order
        is_over = self._issued >= order.count if order.count else time.perf_counter() - self._started >= order.seconds
        if is_over and self._issued >= order.keep:
            if self._waiting == 0 and not self._done.done():
                self._done.set_result(None)
            return
        # The kept ones first, so that every contestant hands back answers to the same questions
        target = self._issued if self._issued < order.keep else self._chooser.randrange(len(self._requests))
        self._waiting += 1
        self._issued += 1
        client.send(target, self._requests[target], keep=self._issued <= order.keep)

    def _answered(self, client: Client, status: int, body: bytes | None) -> None:
        if self._done.done():
            return
        report = self.report
        self._waiting -= 1
        report.requests += 1
        report.bytes += client.size
        report.latencies.append((time.perf_counter() - client.sent_at) * 1000)
        if status != 200:
            report.failures += 1
            report.statuses[str(status)] = report.statuses.get(str(status), 0) + 1
        if body is not None:
            report.kept[client.target] = body.decode()
        if status:
            self._next(client)
        elif self._waiting == 0:
            self._done.set_result(None)


def requests_of(order: Order) -> Sequence[bytes]:
    """Each target as the bytes of an HTTP/1.1 request."""
    fixed = "".join(f"{name}: {value}\r\n" for name, value in {"Host": f"localhost:{order.port}", **order.headers}.items())
    if not order.path:
        return [f"GET {target} HTTP/1.1\r\n{fixed}\r\n".encode() for target in order.targets]
    requests = []
    for target in order.targets:
        body = target.encode()
        head = f"POST {order.path} HTTP/1.1\r\n{fixed}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        requests.append(head.encode() + body)
    return requests


def main() -> None:
    told, written = map(Path, sys.argv[1:])
    order = Order(**json.loads(told.read_text()))

    async def run() -> Report:
        return await Run(order).run()

    report = uvloop.run(run())
    report.latencies = [round(latency, 3) for latency in report.latencies]
    written.write_text(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
