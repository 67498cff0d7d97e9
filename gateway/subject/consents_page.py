"""/me/consents/{consent_id}: one consent in detail, narrowed category by category or withdrawn (policy 6.1, PIPL 15)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from starlette.responses import Response

from gateway.catalogue.definition import Catalogue
from gateway.store import subject_pages
from gateway.store.consents import ConsentError
from gateway.store.pool import AnyConnection
from gateway.store.subject_pages import ConsentNow, ConsentStep, KnownPartner
from gateway.subject.connections import ordered, weigh
from gateway.subject.desk import NotFound, Visit, path_id, see
from scopes import CATEGORIES, ConsentKind, Sensitivity

STANDINGS: Final = ("live", "paused", "stopped", "ended", "withdrawn", "replaced")
REPLACED: Final = "replaced"
DONE: Final = frozenset({"narrowed", "unchanged", "withdrawn", "nothing_kept", "out_of_date"})


@dataclass(frozen=True, slots=True)
class Kept:
    """A category that is agreed to now."""

    category: str
    is_sensitive: bool
    is_readable: bool


@dataclass(frozen=True, slots=True)
class Happened:
    """what: given, narrowed, withdrawn, ended. categories: those agreed to, or those taken away."""

    what: str
    at: datetime
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConsentView:
    """A consent as its page shows it. had: what it last covered, where it is over. newer_id: the consent that took its place."""

    partner: KnownPartner
    last: ConsentStep
    standing: str
    given_at: datetime
    cross_border: bool
    retention_days: int | None
    kept: tuple[Kept, ...]
    had: tuple[str, ...]
    history: tuple[Happened, ...]
    newer_id: UUID | None

    @property
    def can_change(self) -> bool:
        return bool(self.kept)


async def show(visit: Visit) -> Response:
    """GET /me/consents/{consent_id}."""
    consent_id = path_id(visit.request, "consent_id")
    view = await find(visit.conn, visit.desk.catalogue, visit.session.subject_id, consent_id)
    labels = {name: visit.t(f"me.standing_{name}") for name in STANDINGS}
    hints = {name: visit.t(f"me.standing_{name}_hint") for name in STANDINGS}
    return visit.page(
        "me_consent.html",
        here="overview",
        done=visit.done(DONE),
        view=view,
        partner=view.partner,
        consent_id=consent_id,
        standing=labels,
        hint=hints,
    )


async def narrow(visit: Visit) -> Response:
    """POST /me/consents/{consent_id}/narrow: `category` for each one that is kept."""
    consent_id = path_id(visit.request, "consent_id")
    view = await find(visit.conn, visit.desk.catalogue, visit.session.subject_id, consent_id)
    agreed = set(view.last.categories)
    kept = set(visit.all("category"))
    if not kept:
        return see(f"/me/consents/{consent_id}", done="nothing_kept")
    if kept == agreed and view.can_change:
        return see(f"/me/consents/{consent_id}", done="unchanged")
    try:
        await subject_pages.narrow(
            visit.conn,
            visit.desk.keys,
            subject_id=visit.session.subject_id,
            consent_id=consent_id,
            categories=sorted(kept),
        )
    except ConsentError:  # withdrawn, narrowed further or given anew in another window
        return see(f"/me/consents/{consent_id}", done="out_of_date")
    return see(f"/me/consents/{consent_id}", done="narrowed")


async def confirm(visit: Visit) -> Response:
    """GET /me/consents/{consent_id}/withdraw: what follows from it, before it is done."""
    consent_id = path_id(visit.request, "consent_id")
    view = await find(visit.conn, visit.desk.catalogue, visit.session.subject_id, consent_id)
    if not view.can_change:
        return see(f"/me/consents/{consent_id}", done="out_of_date")
    return visit.page("me_withdraw.html", here="overview", view=view, partner=view.partner, consent_id=consent_id)


async def withdraw(visit: Visit) -> Response:
    """POST /me/consents/{consent_id}/withdraw."""
    consent_id = path_id(visit.request, "consent_id")
    await find(visit.conn, visit.desk.catalogue, visit.session.subject_id, consent_id)
    try:
        await subject_pages.withdraw(visit.conn, visit.desk.keys, subject_id=visit.session.subject_id, consent_id=consent_id)
    except ConsentError:
        return see(f"/me/consents/{consent_id}", done="out_of_date")
    return see(f"/me/consents/{consent_id}", done="withdrawn")


async def find(conn: AnyConnection, catalogue: Catalogue, subject_id: UUID, consent_id: UUID) -> ConsentView:
    """The consent at one instant. Raises NotFound, also where it is somebody else's."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        steps = await subject_pages.steps(conn, subject_id, consent_id)
        if not steps:
            raise NotFound
        now = await subject_pages.consents_now(conn, subject_id)
        covers = await subject_pages.covers(conn, subject_id)
        reaches = await subject_pages.reaches(conn)
        partner = (await subject_pages.partners_about(conn, subject_id))[steps[-1].partner_id]
    last = steps[-1]
    standing_one = _latest(now, last)
    agreed = weigh(standing_one, covers, reaches, catalogue)
    reach = reaches.get((last.partner_id, last.purpose))
    is_open = last.is_latest and last.is_live
    named = [step for step in steps if step.categories]
    return ConsentView(
        partner=partner,
        last=last,
        standing=agreed.standing.value if last.is_latest else REPLACED,
        given_at=steps[0].recorded_at,
        cross_border=named[-1].cross_border if named else False,
        retention_days=None if reach is None else reach.retention.days,
        kept=tuple(_kept(name, agreed.readable) for name in ordered(last.categories)) if is_open else (),
        had=ordered(named[-1].categories) if named and not is_open else (),
        history=tuple(_history(steps)),
        newer_id=None if last.is_latest else standing_one.consent_id,
    )


def _latest(now: Sequence[ConsentNow], step: ConsentStep) -> ConsentNow:
    """The last word to the same partner about the same purpose: this consent's or a newer one's."""
    return next(one for one in now if (one.partner_id, one.purpose) == (step.partner_id, step.purpose))


def _kept(category: str, readable: Sequence[str]) -> Kept:
    is_sensitive = category in CATEGORIES and CATEGORIES[category].sensitivity is Sensitivity.SENSITIVE
    return Kept(category, is_sensitive, category in readable)


def _history(steps: Sequence[ConsentStep]) -> list[Happened]:
    happened: list[Happened] = []
    before: frozenset[str] = frozenset()
    for step in steps:
        after = frozenset(step.categories)
        told = before - after if step.kind is ConsentKind.NARROWED else after
        happened.append(Happened(step.kind.value, step.recorded_at, ordered(told)))
        before = after
    last = steps[-1]
    if last.is_latest and last.ends_at is not None and not last.is_live:
        happened.append(Happened("ended", last.ends_at))
    return happened
