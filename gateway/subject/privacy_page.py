"""/me/privacy: what is shared, by kind of data and by partner, and the one switch for advertising (policy 4, 10)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from starlette.responses import Response

from gateway.store import consents, subject_pages
from gateway.store.consents import NODES
from gateway.store.subject_pages import KnownPartner, QuietNow
from gateway.subject import quiet
from gateway.subject.desk import NotFound, Visit, see
from gateway.subject.privacy import Settings, nodes, privacy
from scopes import CATEGORIES, Switch

PATH: Final = "/me/privacy"


async def show(visit: Visit) -> Response:
    """GET /me/privacy, or with ?partner= for one of them."""
    partners = await subject_pages.partners_about(visit.conn, visit.session.subject_id)
    partner = _named(visit.request.query_params.get("partner", ""), list(partners.values()))
    settings = Settings(await subject_pages.settings_now(visit.conn, visit.session.subject_id))
    return visit.page(
        "me_privacy.html",
        here="privacy",
        done=_done(visit, partner, list(partners.values())),
        view=privacy(settings, partners, partner),
        quiet=[] if partner else await _quiet(visit),
        node={name: visit.t(f"me.node_{name}") for name in nodes()},
    )


async def change(visit: Visit) -> Response:
    """POST /me/privacy: one switch. switch: sharing or advertising. set: on or off. partner, category: none for all.

    It says what is to hold, not that it be turned over: sent twice, or from an old page, it means the same.
    """
    subject_id, keys = visit.session.subject_id, visit.desk.keys
    switch, category, allowed = visit.one("switch"), visit.one("category"), visit.one("set")
    partners = list((await subject_pages.partners_about(visit.conn, subject_id)).values())
    partner, page = _named(visit.one("partner"), partners), _named(visit.one("page"), partners)
    if allowed not in ("on", "off") or (category and category not in NODES):
        raise NotFound
    if switch == Switch.ADVERTISING:
        await consents.set_advertising(visit.conn, keys, subject_id=subject_id, allowed=allowed == "on")
    elif switch == Switch.SHARING:
        await consents.set_sharing(
            visit.conn,
            keys,
            subject_id=subject_id,
            allowed=allowed == "on",
            partner_id=None if partner is None else partner.partner_id,
            category=category or None,
        )
    else:
        raise NotFound
    about = "advertising" if switch == Switch.ADVERTISING else category
    named = {"partner": page.name if page else "", "about": about, "of": "" if page or partner is None else partner.name}
    return see(PATH, done=allowed, **{name: value for name, value in named.items() if value})


async def ask_again(visit: Visit) -> Response:
    """POST /me/privacy/ask-again: `partner` may ask about `purpose` again, or about signing in where it names none."""
    for one in await _quiet(visit):
        if (str(one.partner_id), one.purpose or "") == (visit.one("partner"), visit.one("purpose")):
            await quiet.lift(visit.conn, subject_id=visit.session.subject_id, partner_id=one.partner_id, purpose=one.purpose)
    return see(PATH, done="lifted")


async def _quiet(visit: Visit) -> list[QuietNow]:
    within = timedelta(days=visit.desk.settings.consent_quiet_days)
    return await subject_pages.quiet_now(visit.conn, visit.session.subject_id, within)


def _named(name: str, partners: list[KnownPartner]) -> KnownPartner | None:
    """None for no name. Raises NotFound for a partner that the data subject has nothing to do with."""
    if not name:
        return None
    for partner in partners:
        if partner.name == name:
            return partner
    raise NotFound


def _done(visit: Visit, partner: KnownPartner | None, partners: list[KnownPartner]) -> str:
    """What was switched, in words, from the address the form led to."""
    query = visit.request.query_params
    done, about = query.get("done"), query.get("about", "")
    if done == "lifted":
        return visit.t("me.done_lifted")
    if done not in ("on", "off"):
        return ""
    whose = partner or _named(query.get("of", ""), partners)
    if about == "advertising":
        what = visit.t("me.advertising")
    elif about in CATEGORIES:
        what = visit.wording.words.category(about)
    elif about in nodes():
        what = visit.t(f"me.node_{about}")
    elif whose is not None:
        what = visit.t("me.all_sharing_of", partner=whose.legal_name)
    else:
        what = visit.t("me.all_sharing")
    return visit.t(f"me.done_{done}", what=what)
