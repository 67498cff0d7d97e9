"""The contestants as processes: started alike, watched through /proc."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from benchmarks.data import CLIENT_ID, SCOPE
from benchmarks.load import Order, Report
from benchmarks.work import Work
from gateway.oauth.access_token import issue
from gateway.oauth.keys import KeyStore
from gateway.settings import Settings

APPLICATIONS: Final = {
    "limit": "benchmarks.limit:create_app",
    "resolvers": "benchmarks.resolvers:create_app",
    "gateway": "gateway.app:create_app",
}
READY_PATHS: Final = {"limit": "/one/00000000-0000-0000-0000-000000000000", "resolvers": "/", "gateway": "/readyz"}
START_TIMEOUT_S: Final = 60
STOP_TIMEOUT_S: Final = 20
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
# What the bench sends must not be refused for its amount; that is counted all the same
RATE: Final = {"GATEWAY_RATE_MAXIMUM": "1000000000", "GATEWAY_RATE_RESTORE_PER_S": "1000000000"}


class NotReady(Exception):
    """A contestant did not start, or the load generator did not come back with a report."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A running server. settings: those of its process, for tokens that it takes."""

    name: str
    pid: int
    port: int
    settings: Settings

    def order(self, work: Work, starts: Sequence[UUID], token: str, **how: Any) -> Order:
        """What the load generator is to send it. how: further fields of the order."""
        if self.name == "limit":
            return Order(self.port, work.paths(starts), **how)
        path = "/graphql" if self.name == "gateway" else "/graphql/"
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        return Order(self.port, work.graphql(starts), path=path, headers=headers, **how)

    async def token(self, url: str) -> str:
        """A new access token for it, from the gateway's own issuing function."""
        conn = await asyncpg.connect(url)
        try:
            keys = KeyStore(self.settings)
            await keys.ensure(conn)
            return await issue(conn, keys, self.settings, client_id=CLIENT_ID, scopes=[SCOPE])
        finally:
            await conn.close()


@contextmanager
def running(names: Sequence[str], url: str, data: Path) -> Iterator[dict[str, Contestant]]:
    """All of them, each in one worker process of uvicorn's, on a port of its own."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(_server(name, url, data)) for name in names}


@contextmanager
def _server(name: str, url: str, data: Path) -> Iterator[Contestant]:
    port = free_port()
    told = {"GATEWAY_DATA": str(data), "GATEWAY_PORT": str(port), "GATEWAY_BASE_URL": f"http://localhost:{port}", **RATE}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
    command = [sys.executable, "-m", "uvicorn", APPLICATIONS[name], "--factory", "--port", str(port), "--loop", "uvloop"]
    command += ["--http", "httptools", "--ws", "none", "--no-access-log", "--no-server-header", "--log-level", "warning"]
    with tempfile.TemporaryFile() as said:
        server = subprocess.Popen(
            command, stdout=said, stderr=said, env={**inherited, **told, "DATABASE_URL": url}, start_new_session=True
        )
        try:
            if not _is_ready(server, port, READY_PATHS[name]):
                said.seek(0)
                raise NotReady(f"{name} does not start:\n{said.read().decode(errors='replace')}")
            yield Contestant(name, server.pid, port, Settings(data=data, port=port, base_url=f"http://localhost:{port}"))
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _is_ready(server: "subprocess.Popen[bytes]", port: int, path: str) -> bool:
    """Wait for its first answer; False where it ends before, or never gives one."""
    for _ in range(START_TIMEOUT_S * 10):
        try:
            server.wait(0.1)
        except subprocess.TimeoutExpired:
            if answers(port, path):
                return True
        else:
            break
    return False


def answers(port: int, path: str) -> bool:
    """Does anything answer there in HTTP, with whatever status?"""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def send(order: Order) -> Report:
    """Let a load generator carry out the order. Raises NotReady."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        told, written = Path(folder) / "order.json", Path(folder) / "report.json"
        told.write_text(json.dumps(asdict(order)))
        generator = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.load", str(told), str(written))
        if await generator.wait():
            raise NotReady("the load generator failed")
        report = Report(**json.loads(written.read_text()))
    report.kept = {int(target): body for target, body in report.kept.items()}
    return report


# Processes


def cpu_s(pid: int) -> float:
    """CPU seconds of one process since it began, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def tree_cpu_s(pid: int) -> float:
    """CPU seconds of a process, of its children, and of those that have ended (/proc/<pid>/stat, proc(5))."""
    total = 0.0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(entry.name) == pid:
            total += sum(map(int, fields[11:15]))
        elif int(fields[1]) == pid:
            total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_S


def peak_mib(pid: int) -> float:
    """The most memory that a process has held since `forget_peak`, in MiB."""
    return _status(pid)["VmHWM"] / 1024


def resident_mib(pid: int) -> float:
    """The memory that a process holds now, in MiB."""
    return _status(pid)["VmRSS"] / 1024


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int) -> Mapping[str, int]:
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words[0] in {"VmHWM:", "VmRSS:"}}


async def postmaster(url: str) -> int | None:
    """The process id of the database's postmaster; None where it is not on this machine."""
    conn = await asyncpg.connect(url)
    try:
        pid = await conn.fetchval("select pg_backend_pid()")
        return _postgres_parent(pid)
    finally:
        await conn.close()


def _postgres_parent(pid: int) -> int | None:
    """Whose child a backend is; None where no process of that id runs PostgreSQL here."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1]) if "(postgres" in stat else None
