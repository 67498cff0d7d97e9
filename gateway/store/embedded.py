"""An embedded PostgreSQL: started with us, restarted after a crash, gone when we are gone, shared by all who name the same DATA.

Whoever holds the lock on DATA/postgres.lock runs the server; the others attach to it, and one takes over when the holder goes.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.store.cluster import ENVIRONMENT, Cluster, EmbeddedFailed, locate, remembered, with_free_port

if TYPE_CHECKING:
    from gateway.settings import Settings

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 20
LOOK_EVERY_S = 0.1
LOG_KEPT_BYTES = 16 * 1024 * 1024

# For two cores and a few hundred MiB. Whatever an acknowledged commit rests on stays on. The log names no statement and no value:
# an error's text can quote one, and whoever caused it has been told.
SERVER = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a killed postmaster's socket lock would block its own restart
    "max_connections": "100",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_connections": "off",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}

# Becomes PostgreSQL: gives up root, and asks to be told when the thread that started it ends (PR_SET_PDEATHSIG, cleared by a
# change of user, hence after it). A program of its own, because code between fork and exec is not safe beside threads.
CHILD = """
import ctypes, os, signal, sys
parent, uid, gid = map(int, sys.argv[1:4])
prctl = ctypes.CDLL(None, use_errno=True).prctl
if uid:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
os.umask(0o077)
if prctl(1, int(signal.SIGINT), 0, 0, 0) != 0 or os.getppid() != parent:
    sys.exit(70)
os.execv(sys.argv[4], sys.argv[4:])
"""


class Embedded:
    """The server of one DATA folder, for as long as this object is started. A thread of its own looks after it.

    data: made with mode 0700 (0711 for root, whose server runs under another account) if missing. binaries: a folder with
    `postgres` and `initdb`; None takes the wheel's, then Debian's. Raises EmbeddedFailed from `start`.
    """

    def __init__(self, data: Path, binaries: Path | None = None) -> None:
        # Resolved, so that a server is recognised by its command line however its folder is spelt
        self._data, self._binaries = data.resolve(), binaries
        self._stopping, self._settled = threading.Event(), threading.Event()
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None
        self._is_holder = False

    def __enter__(self) -> Embedded:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def cluster(self) -> Cluster:
        """Where it is and how to get in, as of now: a restart may have had to take another port."""
        found = remembered(self._data, self._binaries)
        if found is None:
            raise EmbeddedFailed("NOT_STARTED", f"there is no database in {self._data} yet")
        return found

    @property
    def owner_url(self) -> str:
        return self.cluster.owner_url

    @property
    def is_holder(self) -> bool:
        """Is the server ours? Otherwise another process runs it."""
        return self._is_holder

    def start(self) -> None:
        """Return once the server takes connections."""
        self._data.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._supervise, name="postgres", daemon=True)
        self._thread.start()
        self._settled.wait()
        if self._failure is not None:
            self.stop()
            raise self._failure

    def stop(self) -> None:
        """Stop the server if it is ours; committed work is safe either way."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    # The rest runs in the thread. It lives as long as the server: the kernel's notice of death is bound to the forking thread.

    def _supervise(self) -> None:
        try:
            lock = os.open(self._data / "postgres.lock", os.O_CREAT | os.O_RDWR, 0o600)
            try:
                self._hold_or_attach(lock)
            finally:
                os.close(lock)
        except OSError as error:
            self._failure = EmbeddedFailed("OS_ERROR", f"{type(error).__name__} at {error.filename}: {error.strerror}")
        except Exception as failure:  # for `start` to raise: an exception in a thread has no other way out
            self._failure = failure
        finally:
            self._settled.set()

    def _hold_or_attach(self, lock: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._stopping.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._attach(deadline)
                self._stopping.wait(LOOK_EVERY_S)
            else:
                self._is_holder = True
                self._run()
                return

    def _attach(self, deadline: float) -> None:
        found = remembered(self._data, self._binaries)
        state = found.postmaster() if found is not None else None
        if found is not None and state is not None and state[1] and found.is_running(state[0]):
            self._settled.set()
        elif not self._settled.is_set() and time.monotonic() > deadline:
            raise EmbeddedFailed(
                "START_TIMEOUT", f"another process holds {self._data}/postgres.lock, but its server does not get ready"
            )

    def _run(self) -> None:
        cluster = locate(self._data, self._binaries)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._stopping.is_set():
            if cluster.settle_old_postmaster():
                cluster = with_free_port(self._data, cluster)
                self._look_after(cluster, self._spawn(cluster))
            if not self._settled.is_set() and time.monotonic() > deadline:
                raise EmbeddedFailed("START_TIMEOUT", f"PostgreSQL does not start; {self._data}/postgres.log says why")
            self._stopping.wait(LOOK_EVERY_S)

    def _look_after(self, cluster: Cluster, child: subprocess.Popen[bytes]) -> None:
        """Until it ends, or we are told to end it."""
        try:
            while child.poll() is None and not self._stopping.is_set():
                if not self._settled.is_set() and cluster.postmaster() == (child.pid, True):
                    self._settled.set()
                self._stopping.wait(LOOK_EVERY_S if self._settled.is_set() else LOOK_EVERY_S / 5)
        finally:
            _end(child)

    def _spawn(self, cluster: Cluster) -> subprocess.Popen[bytes]:
        options = [word for name, value in (SERVER | {"port": str(cluster.port)}).items() for word in ("-c", f"{name}={value}")]
        server = [str(cluster.bin / "postgres"), "-D", str(cluster.path), *options]
        identity = [str(os.getpid()), str(cluster.account.uid), str(cluster.account.gid)]
        path = self._data / "postgres.log"
        if path.exists() and path.stat().st_size > LOG_KEPT_BYTES:
            path.replace(path.with_name("postgres.log.1"))
        log = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        try:
            # A session of its own: an interrupt at the terminal reaches us, and we stop the server when we no longer need it
            return subprocess.Popen(  # noqa: S603 - a fixed program
                [sys.executable, "-I", "-S", "-c", CHILD, *identity, *server],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
            )
        finally:
            os.close(log)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Fast shutdown, then immediate, then by force."""
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if child.poll() is not None:
            return
        child.send_signal(how)
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            continue


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The address of the database that these settings mean: DATABASE_URL, or the embedded one, started or attached to meanwhile.

    Raises EmbeddedFailed.
    """
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with Embedded(settings.data, settings.postgres_bin) as embedded:
        yield embedded.owner_url


@asynccontextmanager
async def owner_url(settings: Settings) -> AsyncIterator[str]:
    """`database`, without holding up the event loop while the server starts and stops."""
    found = database(settings)
    url = await asyncio.to_thread(found.__enter__)
    try:
        yield url
    finally:
        await asyncio.to_thread(found.__exit__, None, None, None)
