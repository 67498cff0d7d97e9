"""What somebody has to do now and then: fold what a change of the rules left unread, and take away what has ended."""

from __future__ import annotations

import asyncpg

from gateway.control.answer import AsJson, ask, tell
from gateway.control.pseudonyms import proven_keys
from gateway.store import expiry
from gateway.store.pool import Connection
from gateway.store.stale import Stale, fold_stale, stale


def purge(*, as_json: AsJson = False) -> None:
    """Delete tokens, sessions, codes and marks against replay that ended a while ago; a running gateway does it by itself."""

    async def run(conn: Connection) -> dict[str, int]:
        return await expiry.purge(conn)

    gone = ask(run)
    lines = [f"{table}: {count}" for table, count in gone.items() if count]
    tell({"purged": gone}, "\n".join(lines) or "nothing has ended long enough ago", as_json=as_json)


async def fold_what_is_stale(url: str, *, is_quiet: bool) -> int:
    """Fold what a migration left unread, and say so. Returns how many rows changed.

    The master key is asked for only where there is something to fold. Raises typer.Exit where it is not this database's.
    """
    conn: Connection = await asyncpg.connect(url, server_settings={"timezone": "UTC", "application_name": "gateway control"})
    try:
        found = await stale(conn)
        if not found:
            return 0
        keys = await proven_keys(conn)
        if not is_quiet:
            tell({}, f"the basis of {len(found)} partners' purposes has changed: folding them anew", as_json=False)
        return await fold_stale(conn, keys, lambda one, changed: None if is_quiet else _tell_folded(one, changed))
    finally:
        await conn.close()


def _tell_folded(one: Stale, changed: int) -> None:
    tell({}, f"{one.partner} {one.purpose}: {one.subjects} unread, {changed} folded", as_json=False)
