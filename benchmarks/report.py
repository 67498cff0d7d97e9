"""benchmarks/results.json, and the same on the screen."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import asyncpg
from rich.console import Console
from rich.table import Table

from benchmarks.work import TARGETS, WORKS

RESULTS: Final = Path(__file__).parent / "results.json"
UNITS: Final = {
    "rps": "requests a second, all answers 200",
    "p50_ms": "milliseconds, half of the requests were answered within",
    "p99_ms": "milliseconds, 99 of 100 were answered within",
    "server_cpu_ms": "CPU milliseconds of the server process for one request (the same number: CPU seconds for 1,000)",
    "database_cpu_ms": "CPU milliseconds of all of PostgreSQL's processes for one request",
    "rss_mib": "MiB, the most that the server process held while measured",
    "bytes": "of one answer's body, on average",
    "turns_rps": "requests a second of each turn",
    "ratio": "the gateway's requests a second as a multiple of the other's, over all turns",
    "lowest": "the same of single turns; ratios that lie apart tell of a busy machine",
    "highest": "as lowest",
    "cpu": "CPU time of server and database that the other needs for a request, as a multiple of the gateway's",
}
NOTES: Final = (
    "All contestants are one uvicorn worker (uvloop, httptools, no access log) on loopback, against one database, taking turns.",
    "The order is reversed after every turn. The disclosure record is empty when a run begins.",
    "The load generator is a process of its own on the same cores, with 16 connections that each wait for their answer.",
    "A sample of answers is compared first: all three give the same data after parsing and leave the same rows in the record.",
    "limit: a Starlette handler, one hand-written statement for each work; the consent check, redaction and record of the gate.",
    "limit redacts any stored value as the gate does: a wrong shape is withheld, posts that show others need their cover.",
    "limit has no GraphQL, token, grant, halt, rate or metric. It tells in `extensions` what the gate tells of withheld fields.",
    "resolvers: Strawberry with dataloaders; parsing, validation and signature check cached, a token query for each request.",
    "resolvers read consent once a page, redact in Python, record in one transaction before answering, write JSON with orjson.",
    "gateway: as shipped, with its own tokens; rates are counted, with a maximum that nothing here reaches.",
)

CONTESTANTS: Final = ("limit", "resolvers", "gateway")
VALUES: Final = ("rps", "p50_ms", "p99_ms", "server_cpu_ms", "database_cpu_ms", "rss_mib")

Work = Mapping[str, Mapping[str, Mapping[str, Any]]]


class Malformed(Exception):
    """results.json is not what it should be."""


def ratios(work: Work) -> dict[str, dict[str, dict[str, float | bool | None]]]:
    """The gateway's throughput as a multiple of the others', with target and whether it was reached (null: none was set)."""
    return {
        name: {other: _ratio(tallies["gateway"], tallies[other], TARGETS[other].get(name)) for other in ("limit", "resolvers")}
        for name, tallies in work.items()
    }


def _ratio(ours: Mapping[str, Any], theirs: Mapping[str, Any], target: float | None) -> dict[str, float | bool | None]:
    ratio = ours["rps"] / theirs["rps"]
    each = [one / other for one, other in zip(ours["turns_rps"], theirs["turns_rps"], strict=True)]
    cpu = [one["server_cpu_ms"] + one["database_cpu_ms"] for one in (theirs, ours)]
    return {
        "ratio": round(ratio, 3),
        "target": target,
        "reached": None if target is None else ratio >= target,
        "lowest": round(min(each), 3),
        "highest": round(max(each), 3),
        "cpu": round(cpu[0] / cpu[1], 3),
    }


async def machine(url: str) -> dict[str, Any]:
    """What it ran on."""
    conn = await asyncpg.connect(url)
    try:
        server = await conn.fetchval("show server_version")
        names = ("shared_buffers", "max_wal_size", "synchronous_commit", "fsync", "checkpoint_timeout")
        settings = {name: await conn.fetchval(f"show {name}") for name in names}
    finally:
        await conn.close()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "postgresql": server,
        "postgresql_settings": settings,
        "packages": {name: version(name) for name in ("asyncpg", "graphql-core", "starlette", "strawberry-graphql", "uvicorn")},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def document(work: Work, subjects: int, seconds: float, rounds: int, on: Mapping[str, Any]) -> dict[str, Any]:
    """The whole of results.json."""
    return {
        "work": work,
        "ratios": ratios(work),
        "described": {one.name: one.label for one in WORKS},
        "units": UNITS,
        "run": {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "subjects": subjects,
            "rounds": rounds,
            "seconds_each": seconds,
            "load_average": round(os.getloadavg()[0], 2),
        },
        "machine": on,
        "notes": NOTES,
    }


def write(results: Mapping[str, Any], path: Path = RESULTS) -> None:
    """Write the file, and see that what stands in it has the shape that its readers rely on. Raises Malformed."""
    path.write_text(json.dumps(results, indent=2) + "\n")
    work = json.loads(path.read_text())["work"]
    for name, tallies in work.items():
        for contestant in CONTESTANTS:
            values = [tallies.get(contestant, {}).get(value) for value in VALUES]
            if not all(isinstance(value, int | float) and value >= 0 for value in values) or not values[0]:
                raise Malformed(f"{path.name} has no good numbers for {contestant} at {name}")


def show(console: Console, results: Mapping[str, Any]) -> None:
    """One table of numbers, one of ratios."""
    numbers = Table(title="requests a second, latencies and CPU in milliseconds, memory in MiB")
    for heading in ("work", "contestant", "rps", "p50", "p99", "server CPU", "database CPU", "peak memory"):
        numbers.add_column(heading, justify="left" if heading in {"work", "contestant"} else "right")
    for name, tallies in results["work"].items():
        for contestant, one in tallies.items():
            label = name if contestant == "limit" else ""
            cells = (one["rps"], one["p50_ms"], one["p99_ms"], one["server_cpu_ms"], one["database_cpu_ms"], one["rss_mib"])
            numbers.add_row(label, contestant, *(f"{cell:,.2f}" for cell in cells), end_section=contestant == "gateway")
    console.print(numbers)
    console.print("; ".join(f"{name}: {results['described'][name]}" for name in results["work"]), highlight=False)
    targets = Table(title="the gateway's throughput, as a multiple of another's")
    for heading in ("work", "limit", "turns", "by CPU", "target", "", "resolvers", "turns", "by CPU", "target", ""):
        targets.add_column(heading, justify="left" if heading in {"work", ""} else "right")
    for name, others in results["ratios"].items():
        targets.add_row(name, *_cells(others["limit"]), *_cells(others["resolvers"]))
    console.print(targets)


def _cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = (f"{one['ratio']:.2f}", f"{one['lowest']:.2f} to {one['highest']:.2f}", f"{one['cpu']:.2f}")
    if one["target"] is None:
        return *numbers, "", ""
    return *numbers, f"{one['target']:g}", "[green]reached[/]" if one["reached"] else "[red]missed[/]"
