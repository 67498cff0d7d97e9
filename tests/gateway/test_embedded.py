"""The embedded server: private, durable, alive as long as somebody needs it and no longer."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from gateway.store.cluster import EmbeddedFailed
from gateway.store.embedded import Embedded
from tests.support.database import Connection, a_folder
from tests.support.holder import a_holder

PATIENCE_S = 30


@pytest.fixture
def data() -> Iterator[Path]:
    """A DATA folder that the server's account can reach."""
    with a_folder() as folder:
        yield folder


async def connected(embedded: Embedded) -> Connection:
    """A connection, as soon as there is one to be had."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await asyncpg.connect(embedded.owner_url)
            except (OSError, asyncpg.CannotConnectNowError):
                continue


def gone(pid: int) -> bool:
    """Does this process end within reason?"""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], PATIENCE_S)[0])
    finally:
        os.close(descriptor)


def postmaster(embedded: Embedded) -> int:
    state = embedded.cluster.postmaster()
    assert state is not None
    return state[0]


async def test_what_was_committed_survives_a_killed_server_which_comes_back_by_itself(data: Path) -> None:
    """Durable before visible: kill -9 loses nothing that was acknowledged."""
    with Embedded(data) as embedded:
        url, killed = embedded.owner_url, postmaster(embedded)
        conn = await connected(embedded)
        await conn.execute("create table kept (n int); insert into kept select generate_series(1, 1000)")

        os.kill(killed, signal.SIGKILL)
        conn.terminate()
        assert gone(killed)

        conn = await connected(embedded)
        assert await conn.fetchval("select count(*) from kept") == 1000
        assert embedded.owner_url == url
        await conn.close()


async def test_a_second_process_attaches_and_takes_over_when_the_first_is_killed(data: Path) -> None:
    """A command beside a running server uses that server; a server whose holder dies does not take the others along."""
    with a_holder(data) as first:
        assert first.is_holder
        with Embedded(data) as embedded:
            assert (embedded.is_holder, postmaster(embedded)) == (False, first.postmaster)
            conn = await connected(embedded)
            await conn.execute("create table kept (n int); insert into kept values (7)")
            await conn.close()

            first.process.kill()

            assert gone(first.postmaster)
            conn = await connected(embedded)
            assert await conn.fetchval("select n from kept") == 7
            assert embedded.is_holder
            await conn.close()


def test_the_server_ends_with_the_process_that_started_it(data: Path) -> None:
    """A killed gateway leaves no database behind that nobody looks after."""
    with a_holder(data) as holder:
        holder.process.kill()
        assert gone(holder.postmaster)


def test_the_server_ends_when_it_is_stopped_and_starts_again_on_the_same_port(data: Path) -> None:
    """Addresses that somebody wrote down stay good."""
    with Embedded(data) as embedded:
        url, first = embedded.owner_url, postmaster(embedded)
    assert gone(first)
    with Embedded(data) as embedded:
        assert embedded.owner_url == url


def test_another_port_is_taken_where_somebody_else_listens_on_the_old_one(data: Path) -> None:
    """A port is a habit, not a claim."""
    with Embedded(data) as embedded:
        port = embedded.cluster.port
    with socket.create_server(("127.0.0.1", port)), Embedded(data) as embedded:
        assert embedded.cluster.port != port


async def test_only_the_owners_password_opens_it_and_only_over_loopback(data: Path) -> None:
    """policy 9.2: no trust authentication, no socket file, nothing on another address, secrets readable by us alone."""
    with Embedded(data) as embedded:
        cluster = embedded.cluster
        for user, password in {"gateway_owner": "wrong", "postgres": cluster.owner_password, "nobody": ""}.items():
            with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
                await asyncpg.connect(host="127.0.0.1", port=cluster.port, user=user, password=password, database="gateway")
        conn = await asyncpg.connect(cluster.superuser_url)  # the owner is not shown these
        settings = {row["name"]: row["setting"] for row in await conn.fetch("select name, setting from pg_settings")}
        await conn.close()
    assert settings["listen_addresses"] == "127.0.0.1"
    assert settings["unix_socket_directories"] == ""
    assert settings["password_encryption"] == "scram-sha-256"
    assert "trust" not in (cluster.path / "pg_hba.conf").read_text()
    for name in ("postgres.json", "postgres.log", "postgres.lock"):
        assert (data / name).stat().st_mode & 0o777 == 0o600
    assert cluster.path.stat().st_mode & 0o777 == 0o700


async def test_the_owner_is_no_superuser_and_commits_are_durable(data: Path) -> None:
    """policy 9.3: what migrates need not be able to read the server's files."""
    with Embedded(data) as embedded:
        conn = await connected(embedded)
        role = await conn.fetchrow("select rolsuper, rolcreatedb, rolcreaterole from pg_roles where rolname = current_user")
        assert role is not None
        assert dict(role) == {"rolsuper": False, "rolcreatedb": False, "rolcreaterole": True}
        for name, value in {
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "server_encoding": "UTF8",
        }.items():
            assert await conn.fetchval("select current_setting($1)", name) == value
        await conn.close()


async def test_the_servers_log_never_quotes_a_value(data: Path) -> None:
    """policy 9.2: an error's text, its detail, its statement and its parameters can all hold one."""
    with Embedded(data) as embedded:
        conn = await connected(embedded)
        await conn.execute("create table marked (value text primary key, n int); insert into marked values ('MARKER-1', 1)")
        for statement, arguments in [
            ("insert into marked values ($1, 2)", ["MARKER-1"]),
            ("select $1::text::int", ["MARKER-1"]),
            ("select 'MARKER-1'::uuid", []),
            ("do $$ begin raise warning 'MARKER-1'; end $$", []),
        ]:
            try:
                await conn.execute(statement, *arguments)
            except asyncpg.PostgresError:
                continue
        await conn.close()
    assert "MARKER" not in (data / "postgres.log").read_text()


async def test_a_process_id_given_anew_does_not_keep_the_server_from_starting(data: Path) -> None:
    """After a crash of the whole machine the number in postmaster.pid may belong to any process."""
    with Embedded(data) as embedded:
        path = embedded.cluster.path
    owner = path.stat()
    as_the_server = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "1000"], cwd="/", **as_the_server) as other:  # type: ignore[call-overload]  # keywords by name
        try:
            file = path / "postmaster.pid"
            file.write_text(f"{other.pid}\n{path}\n0\n1\n\n127.0.0.1\n0 0\nready\n")
            os.chown(file, owner.st_uid, owner.st_gid)
            with Embedded(data) as embedded:
                conn = await connected(embedded)
                assert await conn.fetchval("select 1") == 1
                await conn.close()
        finally:
            other.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run the server under another account")
async def test_a_folder_closed_to_the_servers_account_stays_closed(data: Path) -> None:
    """No folder of anybody is opened: the cluster is kept where the account may be, and DATA points to it."""
    data.chmod(0o700)
    with Embedded(data) as embedded:
        path = embedded.cluster.path
        conn = await connected(embedded)
        assert await conn.fetchval("select 1") == 1
        await conn.close()
    assert not path.is_relative_to(data)
    assert data.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_uid not in {0, os.getuid()}
    subprocess.run(["rm", "-r", str(path.parent)], check=True)


def test_data_without_its_cluster_or_its_passwords_is_refused(data: Path) -> None:
    """Starting afresh would hide that records have gone missing."""
    with Embedded(data) as embedded:
        path = embedded.cluster.path
    (data / "postgres.json").rename(data / "kept.json")
    with pytest.raises(EmbeddedFailed) as refused:
        Embedded(data).start()
    assert refused.value.code == "CLUSTER_UNKNOWN"

    (data / "kept.json").rename(data / "postgres.json")
    path.rename(data / "elsewhere")
    with pytest.raises(EmbeddedFailed) as refused:
        Embedded(data).start()
    assert refused.value.code == "CLUSTER_MISSING"


def test_a_folder_without_binaries_is_refused(data: Path) -> None:
    """GATEWAY_POSTGRES_BIN that points nowhere is said, not worked around."""
    with pytest.raises(EmbeddedFailed) as refused:
        Embedded(data, data).start()
    assert refused.value.code == "NO_BINARIES"
