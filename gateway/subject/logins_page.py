"""/me/logins: each sign-in with a partner (policy 1.5), and the browsers in which this account is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from starlette.responses import Response

from gateway.store import subject_pages
from gateway.store.subject_pages import Position
from gateway.subject.desk import NotFound, Visit, see
from gateway.subject.disclosures import read_position, write_position

PATH: Final = "/me/logins"
PAGE_SIZE: Final = 20
ACRS: Final = ("pwd", "passkey", "upstream")
DONE: Final = frozenset({"session_ended", "sessions_ended", "session_gone", "sign_in_ended", "sign_in_gone"})


@dataclass(frozen=True, slots=True)
class Row:
    partner: str
    at: datetime


async def show(visit: Visit) -> Response:
    """GET /me/logins?after=."""
    subject_id = visit.session.subject_id
    after = read_position(visit.request.query_params.get("after", ""))
    partners = await subject_pages.partners_about(visit.conn, subject_id)
    found = await subject_pages.sign_ins(
        visit.conn,
        subject_id,
        after=None if after is None else (after.disclosed_at, after.disclosure_id),
        page_size=PAGE_SIZE + 1,
    )
    page = found[:PAGE_SIZE]
    older = write_position(Position(page[-1].logged_in_at, page[-1].login_id, 0)) if len(found) > PAGE_SIZE else ""
    return visit.page(
        "me_logins.html",
        here="logins",
        done=visit.done(DONE),
        admitted=[
            (partners[partner_id], since)
            for partner_id, since in (await subject_pages.may_sign_in(visit.conn, subject_id)).items()
        ],
        rows=[Row(partners[one.partner_id].legal_name, one.logged_in_at) for one in page],
        sessions=sorted(
            await subject_pages.open_sessions(visit.conn, subject_id),
            key=lambda one: one.session_id != visit.session.session_id,  # this browser's first
        ),
        acr={name: visit.t(f"me.acr_{name}") for name in ACRS},
        older=older,
        is_later=after is not None,
    )


async def end(visit: Visit) -> Response:
    """POST /me/logins/end: `session`, or none for all but this one."""
    text = visit.one("session")
    try:
        session_id = UUID(text) if text else None
    except ValueError:
        raise NotFound from None
    ended = await subject_pages.end_sessions(
        visit.conn, visit.session.subject_id, kept=visit.session.session_id, session_id=session_id
    )
    if not ended:
        return see(PATH, done="session_gone")
    return see(PATH, done="session_ended" if session_id else "sessions_ended")


async def end_partner(visit: Visit) -> Response:
    """POST /me/logins/partner: `partner` signs this data subject in no longer without asking; its tokens end."""
    subject_id = visit.session.subject_id
    partners = await subject_pages.partners_about(visit.conn, subject_id)
    partner = next((one for one in partners.values() if one.name == visit.one("partner")), None)
    if partner is None:
        raise NotFound
    ended = await subject_pages.end_sign_in(visit.conn, subject_id, partner.partner_id)
    return see(PATH, done="sign_in_ended" if ended else "sign_in_gone")
