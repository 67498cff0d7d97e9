"""`gateway` as a person or a script meets it: one line and one status for everything that can be foreseen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from gateway.store.cluster import free_port
from tests.support.database import Database

ROOT = Path(__file__).resolve().parents[2]


def command(*words: str, **settings: str) -> list[Any]:
    """What to run, and the environment it runs in."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return [[sys.executable, "-m", "gateway.cli", *words], known | settings]


def run(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `gateway` to its end."""
    arguments, environment = command(*words, **settings)
    return subprocess.run(arguments, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_migrate_applies_then_verifies_then_tells_as_json(empty_database: Database) -> None:
    """DESIGN section 6: 0 holds, 1 does not hold; --json on all that print."""
    url = empty_database.owner_url
    count = len(list((ROOT / "migrations").glob("*.sql")))

    before = run("migrate", "verify", "--json", DATABASE_URL=url)
    applied = run("migrate", "--json", DATABASE_URL=url)
    after = run("migrate", "verify", DATABASE_URL=url)
    told = run("migrate", "status", "--json", DATABASE_URL=url)

    assert (before.returncode, json.loads(before.stdout)["holds"]) == (1, False)
    assert (applied.returncode, json.loads(applied.stdout)) == (0, {"applied": count, "folded": 0})
    assert after.returncode == 0
    assert len(json.loads(told.stdout)["applied"]) == count
    assert json.loads(told.stdout)["pending"] == []


@pytest.mark.parametrize(
    ("words", "settings", "status"),
    [
        (["nonsense"], {}, 2),
        (["migrate"], {"GATEWAY_NONSENSE": "1"}, 2),
        (["migrate"], {"GATEWAY_PORT": "MARKER"}, 2),
        (["serve"], {"GATEWAY_DEMO": "1"}, 2),
        (["migrate"], {"DATABASE_URL": "postgresql://u:MARKER@127.0.0.1:1/x"}, 3),
    ],
)
def test_what_can_be_foreseen_is_one_line_with_its_status_and_no_secret(
    words: list[str], settings: dict[str, str], status: int, tmp_path: Path
) -> None:
    """2 usage or settings, 3 a dependency is unreachable."""
    done = run(*words, **{"GATEWAY_DATA": str(tmp_path), **settings})
    assert done.returncode == status
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert "MARKER" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("setting", "flaw"), [("synchronous_commit = off", "SYNCHRONOUS_COMMIT"), ("default_transaction_read_only = on", "READ_ONLY")]
)
async def test_a_database_that_is_not_durable_is_refused(database: Database, setting: str, flaw: str) -> None:
    """No answer before it can be recorded for good."""
    owner = await database.owner()
    await owner.execute(f"alter database {await owner.fetchval('select current_database()')} set {setting}")
    await owner.close()

    done = run("serve", DATABASE_URL=database.owner_url, GATEWAY_PORT=str(free_port()))

    assert done.returncode == 1
    assert done.stderr.startswith(f"{flaw}: ")


@pytest.mark.parametrize(("workers", "asked"), [("1", signal.SIGTERM), ("2", signal.SIGINT)])
async def test_serve_migrates_answers_and_stops_in_order(
    empty_database: Database, tmp_path: Path, workers: str, asked: signal.Signals
) -> None:
    """An empty database is all that it needs; a second one on the same port is told so."""
    port = str(free_port())
    settings = {"DATABASE_URL": empty_database.owner_url, "GATEWAY_DATA": str(tmp_path), "GATEWAY_PORT": port}
    arguments, environment = command("serve", "--workers", workers, **settings)
    with subprocess.Popen(arguments, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        try:
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                while server.poll() is None:
                    try:
                        response = await client.get("/readyz")
                        break
                    except httpx2.ConnectError:
                        continue  # it has not come to listening yet
                else:
                    pytest.fail("it did not start")
            assert response.status_code == 200
            assert "server" not in response.headers
            conn: asyncpg.Connection[Any] = await empty_database.connect()
            assert await conn.fetchval("select count(*) from gateway.signing_key") == 1
            await conn.close()
            assert run("serve", **settings).returncode == 3
        finally:
            server.send_signal(asked)
        assert server.wait(30) == 0
