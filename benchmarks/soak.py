"""Is memory flat over many requests of mixed documents, and is every cache bounded?"""

import asyncio
import json
import random
import re
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.contestants import Contestant, resident_mib, send
from benchmarks.data import Data
from benchmarks.load import Order, Report
from benchmarks.work import EIGHT, WORKS

BATCH: Final = 10_000  # requests at most under one token, which lives for ten minutes
BATCHES: Final = 20  # at least: memory is compared by quarters of the run
LOOK_EVERY_S: Final = 2.0
NEW: Final = 0.1  # of the requests bring a document that nobody has sent before
HOT: Final = 50
CONNECTIONS: Final = 16
# Flat: in the last quarter no more than in the second but for this much; the first fills the caches
GROWTH_MIB: Final = 16
GROWTH: Final = 1.05

SCALARS: Final = (*EIGHT.split(), "language")
ADDRESS: Final = ("recipient", "street", "city", "postcode")
POST: Final = ("id", "text", "postedAt")


@dataclass(frozen=True, slots=True)
class Look:
    """The server's memory after so many requests."""

    requests: int
    resident_mib: float


async def soak(console: Console, url: str, data: Data, gateway: Contestant, requests: int) -> bool:
    """Send `requests` requests and print a verdict. Returns whether memory stayed flat and every cache within its bound."""
    chooser = random.Random(11)
    hot = [_document(chooser, number) for number in range(HOT)] + [work.document for work in WORKS]
    looks: list[Look] = []
    sent, number = 0, HOT
    with console.status("soaking") as status:
        while sent < requests:
            count = min(BATCH, requests // BATCHES, requests - sent) or 1
            bodies = []
            for _ in range(count):
                number += 1
                document = _document(chooser, number) if chooser.random() < NEW else chooser.choice(hot)
                bodies.append(_body(document, data, chooser))
            token = await gateway.token(url)
            report = await _watched(_order(gateway, bodies, token, sent), gateway.pid, sent, looks)
            if report.failures:
                console.print(f"refused: {report.statuses}", style="red")
                return False
            sent += count
            status.update(f"{sent} of {requests} requests, {looks[-1].resident_mib:.0f} MiB")
    return _verdict(console, looks, requests, _caches(gateway.port), gateway.settings.operation_cache)


def _order(gateway: Contestant, bodies: Sequence[str], token: str, seed: int) -> Order:
    headers = {"Authorization": f"Bearer {token}"}
    return Order(
        gateway.port, list(bodies), path="/graphql", headers=headers, count=len(bodies), connections=CONNECTIONS, seed=seed
    )


async def _watched(order: Order, pid: int, before: int, looks: list[Look]) -> Report:
    """Carry out the order, looking at the server's memory meanwhile."""
    sending = asyncio.ensure_future(send(order))
    while not sending.done():
        await asyncio.wait([sending], timeout=LOOK_EVERY_S)
        looks.append(Look(before + (order.count if sending.done() else 0), resident_mib(pid)))
    return sending.result()


def _document(chooser: random.Random, number: int) -> str:
    """An operation that differs from all others in its fields, aliases or sizes; its name makes sure of it."""
    chosen = chooser.sample(SCALARS, chooser.randint(1, len(SCALARS)))
    fields = " ".join(f"f{n}: {name}" if chooser.random() < 0.3 else name for n, name in enumerate(chosen))
    if chooser.random() < 0.3:
        inner = " ".join(chooser.sample(ADDRESS, chooser.randint(1, len(ADDRESS))))
        fields += f" addresses(first: {chooser.randint(1, 3)}) {{ {inner} }}"
    if chooser.random() < 0.3:
        inner = " ".join(chooser.sample(POST, chooser.randint(1, len(POST))))
        fields += f" posts(first: {chooser.randint(1, 5)}) {{ {inner} }}"
    if chooser.random() < 0.5:
        return f"query Q{number}($id: ID!) {{ subject(id: $id) {{ id {fields} }} }}"
    page = "subjects(first: $first, after: $after) { edges { cursor node { ...F } } }"
    return f"query Q{number}($first: Int!, $after: String) {{ {page} }} fragment F on Subject {{ id {fields} }}"


def _body(document: str, data: Data, chooser: random.Random) -> str:
    start = str(chooser.choice(data.pseudonyms))
    variables = {"id": start} if "$id" in document else {"first": chooser.randint(1, 10), "after": start}
    return json.dumps({"query": document, "variables": variables})


def _caches(port: int) -> dict[str, int]:
    """Entries of each cache, from the server's metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        name: int(float(size)) for name, size in re.findall(r'^gateway_cache_entries\{cache="(\w+)"\} (\S+)$', text, re.MULTILINE)
    }


def _verdict(console: Console, looks: Sequence[Look], requests: int, caches: dict[str, int], bound: int) -> bool:
    quarters = [
        [look.resident_mib for look in looks if requests * n / 4 < look.requests <= requests * (n + 1) / 4] for n in range(4)
    ]
    table = Table(title=f"memory over {requests} requests, MiB")
    for heading in ("quarter", "median", "most"):
        table.add_column(heading, justify="right")
    for n, quarter in enumerate(quarters, 1):
        table.add_row(str(n), f"{median(quarter):.1f}", f"{max(quarter):.1f}")
    console.print(table)
    limit = GROWTH * median(quarters[1]) + GROWTH_MIB
    is_flat = max(quarters[3]) <= limit
    is_bounded = all(size <= 4 * bound for size in caches.values())
    console.print(f"caches: {caches}", highlight=False)
    flat = f"at most {max(quarters[3]):.1f} MiB in the last quarter, {limit:.1f} allowed"
    console.print(f"{'flat' if is_flat else 'NOT FLAT'}: {flat}", style="green" if is_flat else "red", highlight=False)
    console.print("caches bounded" if is_bounded else "A CACHE IS NOT BOUNDED", style="green" if is_bounded else "red")
    return is_flat and is_bounded
