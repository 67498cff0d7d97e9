"""Sessions of data subjects: a row here, a random text in the browser's cookie, and a CSRF token derived from that text.

The row holds a hash of cookie name and text together, so a text that was given out as `__Host-session` is worth nothing as
`session`, the name that a sibling domain could set (RFC 6265bis 8.6: session fixation).
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid4

from starlette.requests import Request

from gateway.oauth.form import Form
from gateway.settings import Settings
from gateway.store.pool import AnyConnection
from gateway.subject.cookies import HOST_PREFIX, Cookie, name_of

NAMES: Final = (f"{HOST_PREFIX}{Cookie.SESSION}", Cookie.SESSION.value)

# Seen is written once a minute: a page that is looked at is not worth a write each time.
# in:  token_sha256 bytea[]; row: session_id uuid, subject_id uuid, acr text, authenticated_at timestamptz, token_sha256 bytea
# session_token_sha256_key
_CURRENT: Final = """
with found as (
    select session_id, subject_id, acr, authenticated_at, token_sha256 from gateway.session
     where token_sha256 = any($1) and ended_at is null and expires_at > statement_timestamp()
), seen as (
    update gateway.session set seen_at = statement_timestamp()
     where session_id in (select session_id from found) and seen_at < statement_timestamp() - interval '1 minute'
)
select * from found limit 1"""

# in:  session_id uuid, token_sha256 bytea, subject_id uuid, acr text, lifetime interval, authenticated_at timestamptz (null: now)
# row: authenticated_at timestamptz
_BEGIN: Final = """
insert into gateway.session (session_id, token_sha256, subject_id, acr, authenticated_at, expires_at)
values ($1, $2, $3, $4, least($6, clock_timestamp()), clock_timestamp() + $5::interval) returning authenticated_at"""

# The same row under a new text: what hangs on the session goes on, who holds the old text is out.
# in:  session_id uuid, token_sha256 bytea, acr text, lifetime interval, authenticated_at timestamptz (null: now)
# row: authenticated_at timestamptz; none: it has ended meanwhile. session_pkey
_RENEW: Final = """
update gateway.session set token_sha256 = $2, acr = $3, authenticated_at = least($5, clock_timestamp()),
                           seen_at = clock_timestamp(), expires_at = clock_timestamp() + $4::interval
 where session_id = $1 and ended_at is null returning authenticated_at"""

# in:  session_id uuid; row: -. session_pkey
_END: Final = "update gateway.session set ended_at = clock_timestamp() where session_id = $1 and ended_at is null"


class Forbidden(Exception):
    """The form was not sent from our own page by this session's browser."""


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """A signed-in data subject's browser. acr: how it signed in (pwd, passkey, upstream). csrf: for its forms, so no repr."""

    session_id: UUID
    subject_id: UUID
    acr: str
    authenticated_at: datetime
    csrf: str


async def current(request: Request, conn: AnyConnection) -> Session | None:
    """The session of the browser that sends this request; None where there is none, or it has ended."""
    sent = {digest_of(name, request.cookies[name]): request.cookies[name] for name in NAMES if request.cookies.get(name)}
    if not sent:
        return None
    row = await conn.fetchrow(_CURRENT, list(sent))
    if row is None:
        return None
    csrf = csrf_of(sent[row["token_sha256"]])
    return Session(row["session_id"], row["subject_id"], row["acr"], row["authenticated_at"], csrf)


async def begin(
    conn: AnyConnection, *, subject_id: UUID, acr: str, settings: Settings, authenticated_at: datetime | None = None
) -> tuple[Session, str]:
    """A new session and the text for its cookie. authenticated_at: where that was earlier than now, at an upstream provider."""
    session_id, text = uuid4(), secrets.token_urlsafe(32)
    digest, lifetime = digest_of(name_of(settings, Cookie.SESSION), text), timedelta(seconds=settings.session_lifetime_s)
    at = await conn.fetchval(_BEGIN, session_id, digest, subject_id, acr, lifetime, authenticated_at)
    return Session(session_id, subject_id, acr, at, csrf_of(text)), text


async def replace(
    conn: AnyConnection,
    before: Session | None,
    *,
    subject_id: UUID,
    acr: str,
    settings: Settings,
    authenticated_at: datetime | None = None,
) -> tuple[Session, str]:
    """After every successful sign-in: whatever text the browser had before counts no longer.

    The same data subject keeps its session's id, with a new instant of signing in; somebody else's session is ended.
    """
    if before is not None and before.subject_id == subject_id:
        text = secrets.token_urlsafe(32)
        digest, lifetime = digest_of(name_of(settings, Cookie.SESSION), text), timedelta(seconds=settings.session_lifetime_s)
        at = await conn.fetchval(_RENEW, before.session_id, digest, acr, lifetime, authenticated_at)
        if at is not None:
            return Session(before.session_id, subject_id, acr, at, csrf_of(text)), text
    elif before is not None:
        await end(conn, before.session_id)
    return await begin(conn, subject_id=subject_id, acr=acr, settings=settings, authenticated_at=authenticated_at)


async def end(conn: AnyConnection, session_id: UUID) -> None:
    """It counts no longer, from the next request on."""
    await conn.execute(_END, session_id)


def check_csrf(session: Session, form: Form) -> None:
    """Raises Forbidden unless the form carries this session's token and no sign that another site sent it."""
    check_token(session.csrf, form)


def check_token(expected: str, form: Form) -> None:
    """As `check_csrf`, for a form before there is a session. Raises Forbidden."""
    given = form.single.get("csrf", "")
    if form.is_foreign or not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode()):
        raise Forbidden


def digest_of(name: str, text: str) -> bytes:
    """What the table holds of a cookie."""
    return sha256(f"{name}={text}".encode("utf-8", "surrogatepass")).digest()


def csrf_of(text: str) -> str:
    """The token of the forms of the session whose cookie holds this text."""
    digest = hmac.digest(text.encode("utf-8", "surrogatepass"), b"csrf", "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
