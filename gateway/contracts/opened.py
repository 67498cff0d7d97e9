"""Everything that a contract run needs, opened: the folder's files, the enrolment, the database where there is one, a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg

from gateway.catalogue.definition import load
from gateway.contracts import enrolment, subjects
from gateway.contracts.client import GatewayClient
from gateway.contracts.run import Run
from gateway.contracts.synthetic import enrol
from gateway.settings import Settings
from gateway.store.cluster import remembered
from gateway.store.embedded import owner_url
from gateway.store.pool import Connection

# Two runs beside each other would meet the data subjects that the other one plants and takes away. Ends with the connection.
_ONE_AT_A_TIME: Final = "select pg_advisory_lock(hashtext('gateway contracts'))"


def has_database(settings: Settings) -> bool:
    """Whether these settings lead to a database: one that is named, or an embedded one that was made before."""
    return settings.database_url is not None or remembered(settings.data, settings.postgres_bin) is not None


def enrolment_path(settings: Settings, given: Path | None) -> Path:
    """Where the enrolment file is: as given, or in the DATA folder."""
    return given or settings.data / enrolment.NAME


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Connection]:
    """The owner's connection, as every command of the staff has it."""
    async with owner_url(settings) as url:
        conn: Connection = await asyncpg.connect(
            url, server_settings={"timezone": "UTC", "application_name": "gateway contracts"}
        )
        try:
            await conn.execute(_ONE_AT_A_TIME)
            yield conn
        finally:
            await conn.close()


@asynccontextmanager
async def opened(
    settings: Settings, folder: Path | None, *, gateway_url: str | None = None, enrolment_file: Path | None = None
) -> AsyncIterator[Run]:
    """Enrol where the database can be had and no enrolment file is named; take the file otherwise.

    Raises NoEnrolment, InvalidFile, and what `enrol` raises.
    """
    catalogue, path = load(settings.catalogue), enrolment_path(settings, enrolment_file)
    wanted = subjects.read(subjects.path_of(folder), catalogue)
    async with AsyncExitStack() as stack:
        conn: Connection | None = None
        if enrolment_file is None and has_database(settings):
            conn = await stack.enter_async_context(connected(settings))
            found = await enrol(conn, settings, catalogue, wanted, _earlier(path))
            enrolment.write(path, found)
        else:
            found = enrolment.read(path)
        client = await stack.enter_async_context(GatewayClient(found, gateway_url))
        yield Run(client, settings, catalogue, {one.name: one for one in wanted}, conn)


def _earlier(path: Path) -> enrolment.Enrolment | None:
    try:
        return enrolment.read(path)
    except enrolment.NoEnrolment:
        return None
