"""Sessions of the staff: short, by the database's clock, and of no use until the second factor is there (policy 9.3).

The cookie holds a random text; the row holds a hash of the cookie's name and the text together, as data subjects' sessions do. A
second factor starts a new session under a new text: what was known before it is worth nothing after it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from starlette.requests import Request

from gateway.settings import Settings
from gateway.stewardship import staff
from gateway.stewardship.actor import Actor, Door
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from gateway.subject.cookies import HOST_PREFIX, Cookie, name_of
from gateway.subject.session import csrf_of, digest_of

BEGIN: Final = question("stewardship", "begin_session")
CURRENT: Final = question("stewardship", "staff_of_session")
END: Final = question("stewardship", "end_session")

NAMES: Final = (f"{HOST_PREFIX}{Cookie.STAFF}", Cookie.STAFF.value)
FIRST_FACTORS: Final = frozenset({"pwd", "upstream"})
HALFWAY_FOR: Final = timedelta(minutes=5)
"""How long a session without the second factor lasts."""


@dataclass(frozen=True, slots=True, repr=False)
class StaffSession:
    """One of the staff in a browser. csrf: for its forms, so no repr. is_fresh: signed in within ten minutes."""

    session_id: UUID
    actor: Actor
    acr: str
    is_fresh: bool
    csrf: str

    @property
    def is_complete(self) -> bool:
        """Whether both factors are there."""
        return self.acr not in FIRST_FACTORS

    @property
    def staff_id(self) -> UUID:
        assert self.actor.staff_id is not None  # noqa: S101 - a session is of one of the staff: the table says so
        return self.actor.staff_id


async def current(request: Request, conn: AnyConnection, settings: Settings) -> StaffSession | None:
    """The session of the browser that sends this request; None where there is none, it has ended, or stood idle too long."""
    sent = {digest_of(name, request.cookies[name]): request.cookies[name] for name in NAMES if request.cookies.get(name)}
    if not sent:
        return None
    row = await conn.fetchrow(CURRENT, list(sent), timedelta(seconds=settings.staff_session_idle_s))
    if row is None:
        return None
    csrf = csrf_of(sent[row["token_sha256"]])
    return StaffSession(row["session_id"], staff.actor_of(row, Door.CONSOLE), row["acr"], row["is_fresh"], csrf)


async def begin(conn: AnyConnection, before: StaffSession | None, *, staff_id: UUID, acr: str, settings: Settings) -> str:
    """The text for the cookie of a new session; whatever the browser had before counts no longer."""
    if before is not None:
        await end(conn, before)
    text = secrets.token_urlsafe(32)
    lifetime = HALFWAY_FOR if acr in FIRST_FACTORS else timedelta(seconds=settings.staff_session_lifetime_s)
    await conn.execute(BEGIN, uuid4(), digest_of(name_of(settings, Cookie.STAFF), text), staff_id, acr, lifetime)
    return text


async def end(conn: AnyConnection, session: StaffSession) -> None:
    """It counts no longer, from the next request on."""
    await conn.execute(END, session.session_id)
