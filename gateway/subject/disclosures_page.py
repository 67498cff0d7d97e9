"""/me/disclosures: who saw what, in words, page by page, and all of it to take away (policy 6, 9.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from gateway.store import subject_pages
from gateway.store.subject_pages import Position
from gateway.subject.desk import Visit
from gateway.subject.disclosures import Filter, Shown, read_filter, read_position, shown, write_position
from gateway.subject.export import as_csv, as_json, records
from gateway.subject.wording import Wording
from scopes import Purpose

PAGE_SIZE: Final = 20


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that went out in one form, or were kept back for one reason."""

    fields: str
    how: str


@dataclass(frozen=True, slots=True)
class Row:
    """A disclosure in words."""

    position: Position
    partner: str
    purpose: Purpose
    of_others: bool
    seen: tuple[Group, ...]
    kept: tuple[Group, ...]


async def show(visit: Visit) -> Response:
    """GET /me/disclosures?partner=&purpose=&from=&to=&after=."""
    query, subject_id = visit.request.query_params, visit.session.subject_id
    partners = await subject_pages.partners_about(visit.conn, subject_id)
    chosen = read_filter(query, partners)
    after = read_position(query.get("after", ""))
    found = await subject_pages.disclosures(visit.conn, subject_id, chosen.wanted, after=after, page_size=PAGE_SIZE + 1)
    page = found[:PAGE_SIZE]
    older = urlencode({**chosen.query, "after": write_position(page[-1].position)}) if len(found) > PAGE_SIZE else ""
    wording = visit.wording
    return visit.page(
        "me_disclosures.html",
        here="disclosures",
        done="",
        rows=[_row(shown(one, visit.desk.catalogue), wording) for one in page],
        filter=chosen,
        query=urlencode(chosen.query),
        partners=list(partners.values()),
        purposes=await _purposes(visit, chosen),
        older=older,
        is_later=after is not None,
    )


async def take_csv(visit: Visit) -> Response:
    """GET /me/disclosures.csv, with the conditions of the page."""
    chosen = await _chosen(visit)
    if chosen.unreadable:
        return PlainTextResponse(visit.t("me.filter_unreadable"), status_code=400)
    found = records(visit.desk.pool, visit.desk.catalogue, visit.session.subject_id, chosen.wanted)
    return _download(as_csv(found, visit.wording), "text/csv; charset=utf-8", visit.t("me.export_file"), "csv")


async def take_json(visit: Visit) -> Response:
    """GET /me/disclosures.json, with the conditions of the page."""
    chosen = await _chosen(visit)
    if chosen.unreadable:
        return PlainTextResponse(visit.t("me.filter_unreadable"), status_code=400)
    found = records(visit.desk.pool, visit.desk.catalogue, visit.session.subject_id, chosen.wanted)
    return _download(as_json(found), "application/json", visit.t("me.export_file"), "json")


async def _chosen(visit: Visit) -> Filter:
    partners = await subject_pages.partners_about(visit.conn, visit.session.subject_id)
    return read_filter(visit.request.query_params, partners)


def _download(body: object, media_type: str, name: str, ending: str) -> Response:
    # RFC 6266: a plain name for all, and the reader's own language for those who can
    disposition = f"attachment; filename=\"disclosures.{ending}\"; filename*=UTF-8''{quote(name)}.{ending}"
    headers = {"Content-Disposition": disposition, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(body, media_type=media_type, headers=headers)  # type: ignore[arg-type]  # an async iterator


async def _purposes(visit: Visit, chosen: Filter) -> list[Purpose]:
    """Those under which anybody could ever read the data subject, and the one that is chosen."""
    known = {purpose for _, purpose in await subject_pages.covers(visit.conn, visit.session.subject_id)}
    if chosen.purpose is not None:
        known.add(chosen.purpose)
    return [purpose for purpose in Purpose if purpose in known]


def _row(one: Shown, wording: Wording) -> Row:
    seen = [(wording.words.redaction(field.redaction), wording.field(field.path, field.category)) for field in one.seen]
    kept = [(wording.reason(field.reason), wording.field(field.path, field.category)) for field in one.kept]
    return Row(one.position, one.legal_name, one.purpose, one.of_others, _grouped(seen, wording), _grouped(kept, wording))


def _grouped(pairs: Iterable[tuple[str, str]], wording: Wording) -> tuple[Group, ...]:
    """Fields side by side that share a form or a reason, in the order in which these first come."""
    groups: dict[str, list[str]] = {}
    for how, field in pairs:
        groups.setdefault(how, []).append(field)
    separator = wording.t("me.list_separator")
    return tuple(Group(separator.join(dict.fromkeys(fields)), how) for how, fields in groups.items())
