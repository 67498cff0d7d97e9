"""Rounds in which the contestants take turns, and the check that they answer and record alike."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import asyncpg

from benchmarks.contestants import Contestant, cpu_s, forget_peak, peak_mib, send, tree_cpu_s
from benchmarks.data import Data
from benchmarks.load import Report
from benchmarks.work import Work

CONNECTIONS: Final = 16
STARTS: Final = 5000  # different data subjects or cursors of one round

RECORDS: Final = """
select s.roots, s.covered, s.reasons, s.subject_id from gateway.disclosure_subject s
 where s.disclosure_id = $1 order by s.subject_id, s.roots"""


Measured = dict[str, float | list[float]]


class Differs(Exception):
    """Two contestants answered or recorded differently, or one refused. Names the work, never a value."""


@dataclass(slots=True)
class Tally:
    """What one contestant did at one work, over all its rounds. turns: requests a second of each round."""

    requests: int = 0
    seconds: float = 0
    bytes: int = 0
    server_cpu_s: float = 0
    database_cpu_s: float = 0
    peak_mib: float = 0
    latencies: list[float] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)

    def add(self, report: Report, server_cpu_s: float, database_cpu_s: float, peak: float) -> None:
        self.requests += report.requests
        self.seconds += report.seconds
        self.bytes += report.bytes
        self.server_cpu_s += server_cpu_s
        self.database_cpu_s += database_cpu_s
        self.peak_mib = max(self.peak_mib, peak)
        self.latencies += report.latencies
        self.turns.append(round(report.requests / report.seconds, 2))

    def result(self) -> Measured:
        """As results.json holds it; CPU in milliseconds a request, memory in MiB."""
        ordered = sorted(self.latencies)
        return {
            "rps": round(self.requests / self.seconds, 2),
            "p50_ms": round(_quantile(ordered, 0.5), 3),
            "p99_ms": round(_quantile(ordered, 0.99), 3),
            "server_cpu_ms": round(1000 * self.server_cpu_s / self.requests, 4),
            "database_cpu_ms": round(1000 * self.database_cpu_s / self.requests, 4),
            "rss_mib": round(self.peak_mib, 1),
            "requests": self.requests,
            "bytes": round(self.bytes / self.requests),
            "turns_rps": self.turns,
        }


def order(names: Sequence[str], turn: int) -> list[str]:
    """Who is measured when: forwards and backwards in turn, for nobody should always follow the one who leaves most undone.

    >>> order(["limit", "resolvers", "gateway"], 1), order(["limit", "resolvers", "gateway"], 2)
    (['limit', 'resolvers', 'gateway'], ['gateway', 'resolvers', 'limit'])
    """
    return list(names) if turn % 2 else list(reversed(names))


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Bench:
    """The contestants, the data they share, and the process whose children are the database."""

    def __init__(self, url: str, data: Data, contestants: Mapping[str, Contestant], postmaster: int | None) -> None:
        self._url, self._data, self._contestants, self._postmaster = url, data, contestants, postmaster

    def starts(self, count: int, seed: int) -> list[UUID]:
        return random.Random(seed).choices(self._data.pseudonyms, k=count)

    async def check(self, work: Work, sample: int) -> None:
        """Put the same questions to all contestants and compare answers and records. Raises Differs."""
        starts = self.starts(sample, seed=1)
        answers: dict[str, list[Any]] = {}
        for name, contestant in self._contestants.items():
            token = await contestant.token(self._url)
            order = contestant.order(work, starts, token, keep=len(starts), count=len(starts), connections=CONNECTIONS)
            report = await send(order)
            if report.failures or len(report.kept) != len(starts):
                raise Differs(f"{work.name}: {name} refused: {report.statuses}")
            answers[name] = [json.loads(report.kept[number]) for number in range(len(starts))]
        first, *others = answers
        records = {name: await self._records(name, bodies) for name, bodies in answers.items()}
        for name in others:
            for number, (a, b) in enumerate(zip(answers[first], answers[name], strict=True)):
                if a["data"] != b["data"] or "errors" in b:
                    raise Differs(f"{work.name}: {first} and {name} answered question {number} differently")
            if records[first] != records[name]:
                raise Differs(f"{work.name}: {first} and {name} recorded differently")
        told = [[body["extensions"]["disclosure"] | {"id": None} for body in answers[n]] for n in ("limit", "gateway")]
        if told[0] != told[1]:
            raise Differs(f"{work.name}: limit and gateway told differently what was withheld")

    async def _records(self, name: str, bodies: Sequence[Any]) -> list[list[tuple[object, ...]]]:
        conn = await asyncpg.connect(self._url)
        try:
            found = []
            for body in bodies:
                rows = await conn.fetch(RECORDS, UUID(body["extensions"]["disclosure"]["id"]))
                if not rows:
                    raise Differs(f"{name} left no record")
                found.append([tuple(row) for row in rows])
            return found
        finally:
            await conn.close()

    async def round(self, work: Work, name: str, seconds: float, seed: int, tally: Tally | None) -> None:
        """One contestant's turn; without a tally it only warms up."""
        contestant = self._contestants[name]
        token = await contestant.token(self._url)
        order = contestant.order(work, self.starts(STARTS, seed), token, seconds=seconds, connections=CONNECTIONS, seed=seed)
        forget_peak(contestant.pid)
        server, database = cpu_s(contestant.pid), self._database_cpu_s()
        report = await send(order)
        if report.failures:
            raise Differs(f"{work.name}: {name} refused: {report.statuses}")
        if tally is not None:
            used = self._database_cpu_s() - database
            tally.add(report, cpu_s(contestant.pid) - server, used, peak_mib(contestant.pid))

    def _database_cpu_s(self) -> float:
        return tree_cpu_s(self._postmaster) if self._postmaster is not None else 0.0
