"""The log and the metrics hold names, ids and counts; no value gets in, on purpose or by accident (policy 9.2)."""

import asyncio
import gc
import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import structlog

from gateway.request.codes import Code, GatewayError
from gateway.watch.guard import Guard, Message, Receive, Send
from gateway.watch.health import healthz, readyz
from gateway.watch.log import Event, Fields, UnloggableError, configure, describe, log, quieten
from gateway.watch.metrics import FOLDER, PARTNERS_MAX, Metrics
from tests.support.surface import ask

MARKER = "CANARY-13812345678"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The process's log as configured by the gateway, into memory; what was there before comes back afterwards."""
    kept = (logging.root.handlers[:], logging.root.level, logging.raiseExceptions, sys.excepthook, sys.unraisablehook)
    hook, shown = threading.excepthook, warnings.showwarning
    disabled = {name: logging.getLogger(name).disabled for name in ("uvicorn.access", "asyncpg")}
    stream = io.StringIO()
    configure(stream)
    yield stream
    logging.root.handlers[:], logging.root.level, logging.raiseExceptions, sys.excepthook, sys.unraisablehook = kept
    threading.excepthook, warnings.showwarning = hook, shown
    for name, was in disabled.items():
        logging.getLogger(name).disabled = was
    structlog.reset_defaults()


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_of_json(lines: io.StringIO) -> None:
    partner_id = uuid4()

    log(Event.REFUSED, partner=partner_id, code=Code.HALTED, cost=3)

    (entry,) = entries(lines)
    assert entry.pop("at_time").endswith("Z")
    assert entry == {"event": "refused", "partner": str(partner_id), "code": "HALTED", "cost": 3}


@pytest.mark.parametrize(
    "facts", [{"code": MARKER}, {"partner": [MARKER]}, {"document": 1}, {"cost": b"1"}, {"request": Path("a")}]
)
def test_the_log_takes_no_text_and_no_other_names(lines: io.StringIO, facts: dict[str, Any]) -> None:
    with pytest.raises(UnloggableError) as refused:
        log(Event.REFUSED, **facts)

    assert MARKER not in str(refused.value)
    assert lines.getvalue() == ""


def test_the_names_of_events_and_facts_are_closed_lists() -> None:
    """A new one is looked at by whoever extends this."""
    assert {event.value for event in Event} == {
        "started", "stopped", "migrated", "disclosed", "refused", "defect", "database_lost", "database_back", "view_loaded",
        "key_rotated", "purged", "library", "uncaught", "warning",
    }  # fmt: skip
    assert {name.value for name in Fields} == {
        "request", "disclosure", "partner", "token", "refusal", "code", "status", "subjects", "withheld", "cost", "count", "port",
        "worker", "milliseconds", "version",
    }  # fmt: skip


def fail() -> None:
    raise RuntimeError(MARKER)


def test_an_exception_is_its_type_and_our_places() -> None:
    with pytest.raises(RuntimeError) as error:
        fail()

    told = describe(error.value)

    assert told["error"] == "builtins.RuntimeError"
    assert [place.split(":")[0] for place in told["at"]] == ["tests/gateway/test_surface_watch.py"] * 2  # type: ignore[attr-defined]


def test_what_libraries_say_is_reduced_to_who_and_where(lines: io.StringIO) -> None:
    for name in ("uvicorn.error", "asyncpg.pool", "asyncio", f"made.from {MARKER}"):
        logging.getLogger(name).error("failed for %s", MARKER, extra={"row": MARKER}, stack_info=True)
    try:
        fail()
    except RuntimeError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application %s", MARKER)
    logging.getLogger("uvicorn.error").error(f"{MARKER} %d", MARKER)  # noqa: G004  # cannot even be formatted

    assert MARKER not in lines.getvalue()
    assert [entry["logger"] for entry in entries(lines)] == [
        "uvicorn.error",
        "asyncpg.pool",
        "asyncio",
        "?",
        *["uvicorn.error"] * 2,
    ]
    assert entries(lines)[4]["error"] == "builtins.RuntimeError"


def test_access_logs_are_off(lines: io.StringIO) -> None:
    """The path of a GET holds the document and its variables."""
    logging.getLogger("uvicorn.access").critical("GET /graphql?query=%s", MARKER)

    assert lines.getvalue() == ""


@pytest.mark.filterwarnings("default")
def test_pythons_last_resorts_tell_no_text(lines: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    class Careless:
        def __del__(self) -> None:
            raise RuntimeError(MARKER)

    sys.excepthook(RuntimeError, RuntimeError(MARKER), None)
    unraisable = sys.unraisablehook
    careless = Careless()
    del careless
    gc.collect()
    warnings.showwarning(MARKER, UserWarning, "made.py", 3)
    threading.excepthook(threading.ExceptHookArgs((RuntimeError, RuntimeError(MARKER), None, None)))

    assert unraisable is sys.unraisablehook
    assert MARKER not in lines.getvalue() + "".join(capsys.readouterr())
    assert [entry["event"] for entry in entries(lines)].count("uncaught") >= 2


async def test_a_task_that_nobody_awaited_tells_no_text(lines: io.StringIO) -> None:
    loop = asyncio.get_running_loop()
    kept = loop.get_exception_handler()
    quieten(loop)
    try:
        loop.call_exception_handler({"message": MARKER, "exception": RuntimeError(MARKER), "future": MARKER})
        loop.call_exception_handler({"message": MARKER})
    finally:
        loop.set_exception_handler(kept)

    assert MARKER not in lines.getvalue()
    assert [entry.get("error") for entry in entries(lines)] == ["builtins.RuntimeError", None]


async def test_an_unplanned_exception_is_one_fixed_answer(lines: io.StringIO) -> None:
    async def broken(_scope: Message, _take: Receive, _send: Send) -> None:
        fail()

    reply = await ask(Guard(broken), headers={"x-request-id": MARKER})

    (entry,) = entries(lines)
    assert (reply.status, reply.codes) == (500, ["INTERNAL"])
    assert MARKER not in lines.getvalue() + reply.body.decode() + str(reply.headers)
    assert (entry["event"], entry["error"], entry["code"]) == ("defect", "builtins.RuntimeError", "INTERNAL")
    assert entry["at"][-1].startswith("tests/gateway/test_surface_watch.py:")


@pytest.mark.parametrize("error", [ConnectionRefusedError("CANARY"), asyncpg.CannotConnectNowError("CANARY")])
async def test_a_database_that_is_away_is_no_defect_whatever_page_asks_it(lines: io.StringIO, error: Exception) -> None:
    async def away(_scope: Message, _take: Receive, _send: Send) -> None:
        raise error

    reply = await ask(Guard(away))

    assert (reply.status, reply.codes) == (503, ["UNAVAILABLE"])
    assert "retry-after" in reply.headers
    assert "CANARY" not in lines.getvalue()


async def test_a_file_that_is_missing_is_a_defect() -> None:
    """An OSError, as a lost connection is."""

    async def broken(_scope: Message, _take: Receive, _send: Send) -> None:
        raise FileNotFoundError

    assert (await ask(Guard(broken))).codes == ["INTERNAL"]


async def test_an_exception_after_the_answer_began_adds_nothing_to_it(lines: io.StringIO) -> None:
    async def broken(_scope: Message, _take: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        fail()

    reply = await ask(Guard(broken))

    assert (reply.status, reply.body) == (200, b"")
    assert [entry["event"] for entry in entries(lines)] == ["defect"]


def test_requests_are_counted_by_code() -> None:
    metrics = Metrics()

    metrics.refused(Code.HALTED, 0.01)
    metrics.answered(0.02, partner="adlens", subjects=3, withheld=2)
    metrics.answered(0.02, partner=None, subjects=0, withheld=0)

    page = metrics.render().decode()
    assert 'gateway_requests_total{code="HALTED"} 1.0' in page
    assert 'gateway_requests_total{code="OK"} 2.0' in page
    assert 'gateway_requests_total{code="INTERNAL"} 0.0' in page
    assert 'gateway_disclosures_total{partner="adlens"} 1.0' in page
    assert 'gateway_disclosed_subjects_total{partner="adlens"} 3.0' in page
    assert 'gateway_withheld_fields_total{partner="adlens"} 2.0' in page
    assert "gateway_request_seconds_count 3.0" in page


def test_the_labels_of_partners_are_bounded() -> None:
    metrics = Metrics()

    for number in range(PARTNERS_MAX + 50):
        metrics.answered(0.01, partner=f"p{number}", subjects=1, withheld=0)

    page = metrics.render().decode()
    assert page.count("gateway_disclosures_total{") == PARTNERS_MAX + 1
    assert 'gateway_disclosures_total{partner="other"} 50.0' in page


def test_sizes_are_read_when_they_are_asked_for() -> None:
    metrics = Metrics()
    cache = [1]
    metrics.watch({"tokens": lambda: len(cache)}, waiting=lambda: 4)
    cache.append(2)

    page = metrics.render().decode()

    assert 'gateway_cache_entries{cache="tokens"} 2.0' in page
    assert "gateway_waiting_requests 4.0" in page


def test_several_workers_are_added_up(tmp_path: Path) -> None:
    """As with `uvicorn --workers`: separate processes, one folder, whichever is asked answers for all."""
    program = (
        "from gateway.watch.metrics import Metrics\n"
        "from gateway.request.codes import Code\n"
        "metrics = Metrics()\n"
        "metrics.refused(Code.HALTED, 0.01)\n"
        "print(metrics.render().decode())\n"
    )
    environment = {**os.environ, FOLDER: str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]

    assert 'gateway_requests_total{code="HALTED"} 1.0' in runs[0].stdout
    assert 'gateway_requests_total{code="HALTED"} 2.0' in runs[1].stdout


async def test_readiness_asks_the_database_and_tells_nothing_of_why() -> None:
    async def answers() -> int:
        return 1

    async def fails() -> int:
        raise GatewayError(Code.UNAVAILABLE) from RuntimeError(MARKER)

    assert healthz().status == 200
    assert (await readyz(answers)).status == 200
    unready = await readyz(fails)
    assert (unready.status, unready.body) == (503, b'{"status":"unavailable"}')
