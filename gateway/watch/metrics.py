"""Counts for Prometheus: outcomes, spans, disclosures, caches. Labels come from closed or bounded lists, never from a request.

With several workers set PROMETHEUS_MULTIPROC_DIR to an empty folder before they start: each keeps its counts in files there, and
whichever worker is asked adds them up. With one worker nothing is needed.
"""

import os
from collections.abc import Callable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from gateway.request.codes import Code

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
OK: Final = "OK"
OTHER: Final = "other"
PARTNERS_MAX: Final = 500  # names beyond these share one label
BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """What one worker counts. One for each process: Prometheus names are global there."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter("gateway_requests", "Partner requests by outcome code.", ["code"], registry=self.registry)
        self._seconds = Histogram(
            "gateway_request_seconds", "Spans of partner requests.", buckets=BUCKETS_S, registry=self.registry
        )
        self._disclosures = Counter(
            "gateway_disclosures", "Answers recorded as disclosures.", ["partner"], registry=self.registry
        )
        self._subjects = Counter(
            "gateway_disclosed_subjects", "Data subjects in those answers.", ["partner"], registry=self.registry
        )
        self._withheld = Counter(
            "gateway_withheld_fields", "Fields of a data subject that evidence withheld.", ["partner"], registry=self.registry
        )
        self._cached = Gauge(
            "gateway_cache_entries",
            "Entries kept in a worker's cache.",
            ["cache"],
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._waiting = Gauge(
            "gateway_waiting_requests", "Requests waiting for a place.", registry=self.registry, multiprocess_mode="livesum"
        )
        self._by_code = {code: self._requests.labels(code) for code in (OK, *(code.value for code in Code))}
        self._partners: dict[str, tuple[Counter, Counter, Counter]] = {}
        self._sizes: dict[str, Callable[[], int]] = {}
        self._queue: Callable[[], int] | None = None

    def answered(self, seconds: float, *, partner: str | None, subjects: int, withheld: int) -> None:
        """A request that got data. partner: the registered name, None where nothing was disclosed."""
        self._by_code[OK].inc()
        self._seconds.observe(seconds)
        if partner is not None:
            disclosures, in_subjects, in_withheld = self._of(partner)
            disclosures.inc()
            in_subjects.inc(subjects)
            in_withheld.inc(withheld)

    def refused(self, code: Code, seconds: float) -> None:
        """A request that got none."""
        self._by_code[code.value].inc()
        self._seconds.observe(seconds)

    def watch(self, sizes: Mapping[str, Callable[[], int]], *, waiting: Callable[[], int] | None = None) -> None:
        """Names the caches whose sizes are read at each scrape: {"tokens": lambda: len(cache)}."""
        self._sizes.update(sizes)
        self._queue = waiting

    def render(self) -> bytes:
        """The page for `/metrics`, of all workers where FOLDER is set. Its type is CONTENT_TYPE."""
        self._read_sizes()
        folder = os.environ.get(FOLDER)
        if not folder:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]  # prometheus_client annotates only part of itself
        return generate_latest(together)

    def _read_sizes(self) -> None:
        for name, size in self._sizes.items():
            self._cached.labels(name).set(size())
        if self._queue is not None:
            self._waiting.set(self._queue())

    def _of(self, partner: str) -> tuple[Counter, Counter, Counter]:
        """A partner's own counters, looked up once: finding a label costs more than counting."""
        found = self._partners.get(partner)
        if found is None:
            label = partner if len(self._partners) < PARTNERS_MAX else OTHER
            found = (self._disclosures.labels(label), self._subjects.labels(label), self._withheld.labels(label))
            if label is not OTHER:
                self._partners[partner] = found
        return found


def forget_worker(pid: int) -> None:
    """Drops the gauges of a worker that has ended; for the process that started it."""
    if os.environ.get(FOLDER):
        mark_process_dead(pid)  # type: ignore[no-untyped-call]  # as above
