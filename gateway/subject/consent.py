"""The consent screen (policy 6.1, PIPL 23, 29, 39): a partner's question, put to one session, answered once.

GET /oauth/authorize opens the request and leads to /consent/{request_id}, where the data subject reads the question and answers
it with a plain form. An answer counts for what was shown, to whom it was shown: a late one, one of another session, or one to a
question that has changed since gets a page that says so, and never a grant.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.oauth import authorize
from gateway.oauth.authorization_request import AuthorizationError, AuthorizationRequest, RequestRefused
from gateway.oauth.authorize import AuthorizationRefused, Used
from gateway.oauth.form import Form
from gateway.oauth.refusal import InvalidRequest
from gateway.store.consents import LOCK, ConsentError
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from gateway.subject import answer
from gateway.subject.answer import Choice, Course, Problem, Settled
from gateway.subject.desk import Desk
from gateway.subject.notice import Notice, Speech, find, keep, make_notice
from gateway.subject.offer import NothingToOffer, Offer, make_offer
from gateway.subject.page import Language, form_source, language_of
from gateway.subject.preview import Preview, preview
from gateway.subject.quiet import quiet
from gateway.subject.session import Forbidden, Session, check_csrf, current

FRESH_FOR: Final = timedelta(minutes=10)
"""Who agrees to sensitive data has signed in within this time."""

LANGUAGES: Final[Mapping[str, Language]] = {"zh": "zh-CN", "en": "en"}
"""`ui_locales` by their primary language (OpenID Connect Core 3.1.2.1)."""

SIGNED_IN: Final = "signed_in"
"""In the address to come back to after signing in: the data subject comes from a form."""

QUESTION = question("offers", "question_of_request")


class Stopped(Exception):
    """A page says why there is nothing to decide. why: gone, foreign, changed, forged, invalid, unavailable."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True, repr=False)
class Put:
    """A question as it stands for one session. is_recent: signed in as recently as the client asks; is_fresh: within FRESH_FOR.

    asked_of, shown: to which session it was put last, and the hash of what was shown there.
    """

    request: AuthorizationRequest
    session: Session
    offer: Offer
    is_recent: bool
    is_fresh: bool
    asked_of: UUID | None
    shown: bytes | None


Answer = Callable[[Desk, AnyConnection, Request], Awaitable[Response]]


def routes(desk: Desk) -> list[Route]:
    """The authorization endpoint and the consent screen."""
    return [
        Route(authorize.PATH, _endpoint(desk, open_question), methods=["GET", "POST"]),
        Route("/consent/{request_id}", _endpoint(desk, show), methods=["GET"]),
        Route("/consent/{request_id}", _endpoint(desk, decide), methods=["POST"]),
    ]


def _endpoint(desk: Desk, answered: Answer) -> Callable[[Request], Awaitable[Response]]:
    """One transaction for each request: what it wrote is gone where it is stopped."""

    async def endpoint(http: Request) -> Response:
        try:
            async with desk.pool.acquire() as conn, conn.transaction():
                return await answered(desk, conn, http)
        except AuthorizationRefused as refused:
            return RedirectResponse(refused.redirect, 303)
        except Forbidden:
            return _stop(desk, http, "forged")
        except (RequestRefused, InvalidRequest):
            return _stop(desk, http, "invalid")
        except (Used, ConsentError):
            return _stop(desk, http, "gone")
        except NothingToOffer:
            return _stop(desk, http, "unavailable")
        except Stopped as stopped:
            return _stop(desk, http, stopped.why)

    return endpoint


async def open_question(desk: Desk, conn: AnyConnection, http: Request) -> Response:
    """/oauth/authorize, by GET or by POST (OpenID Connect Core 3.1.2.1)."""
    query = http.url.query
    if http.method == "POST":
        form = await desk.form(http)
        query = urlencode([(name, value) for name, values in form.values.items() for value in values])
    request = await authorize.open_request(conn, desk.settings, query)
    wanted = (LANGUAGES.get(tag.partition("-")[0].lower()) for tag in request.ui_locales)
    language = next((language for language in wanted if language), None)
    return RedirectResponse(_path(request) + (f"?lang={language}" if language else ""), 303)


async def show(desk: Desk, conn: AnyConnection, http: Request) -> Response:
    """GET /consent/{request_id}: the question, or the answer that was given before."""
    request = await _request(desk, conn, http)
    session = await current(http, conn)
    if session is None:
        return await _sign_in(desk, conn, request, step_up=False)
    put = await _put(desk, conn, request, session)
    if not put.is_recent:
        return await _sign_in(desk, conn, request, step_up=True)
    match answer.course(put.offer, must_ask="consent" in request.prompt):
        case Course.DENY:
            return _leave(desk, http, await authorize.refuse(conn, desk.settings, request, "access_denied"))
        case Course.GRANT:
            return _leave(desk, http, await _grant_again(desk, conn, put))
        case Course.ASK:
            if "none" in request.prompt:
                return _leave(desk, http, await authorize.refuse(conn, desk.settings, request, "consent_required"))
            return await _page(desk, conn, http, put)


async def decide(desk: Desk, conn: AnyConnection, http: Request) -> Response:
    """POST /consent/{request_id}: the answer to what was shown to this very session, and to nothing else."""
    request = await _request(desk, conn, http)
    session = await current(http, conn)
    if session is None:
        return await _sign_in(desk, conn, request, step_up=False)
    form = await desk.form(http)
    check_csrf(session, form)
    await conn.execute(LOCK, session.subject_id)  # answers of one data subject come one after another, each to what it finds
    put = await _put(desk, conn, request, session)
    if put.asked_of != session.session_id:
        raise Stopped("foreign")
    if put.shown is None or form.single.get("notice") != put.shown.hex() or not put.is_recent:
        raise Stopped("changed")
    shown = await find(conn, put.shown)
    if shown is None or _notice(desk, put.offer, shown["language"]).sha256 != put.shown:
        raise Stopped("changed")
    if form.single.get("decision") == "deny":
        await answer.deny(conn, put.offer, subject_id=session.subject_id)
        return RedirectResponse(await authorize.refuse(conn, desk.settings, request, "access_denied"), 303)
    choice = _choice(put.offer, form)
    found = answer.problem(put.offer, choice, is_fresh=put.is_fresh)
    if found is not None:
        return await _page(desk, conn, http, put, ticked=choice, problem=found)
    return RedirectResponse(await _allow(desk, conn, put, choice, put.shown), 303)


def _choice(offer: Offer, form: Form) -> Choice:
    """Raises Stopped for a form that is not ours: there are two answers, and only what was offered can be ticked."""
    ticked = frozenset(form.values.get("category", ()))
    if form.single.get("decision") != "allow" or not ticked <= offer.optional:
        raise Stopped("changed")
    is_alone = offer.signs_in and not offer.categories
    return Choice(
        categories=ticked,
        cross_border=offer.crosses_border and "cross_border" in form.values,
        signs_in=offer.signs_in and not offer.sign_in_refused and (is_alone or "sign_in" in form.values),
    )


async def _allow(desk: Desk, conn: AnyConnection, put: Put, choice: Choice, shown: bytes) -> str:
    """Consent and code in one transaction; where the client named a grant that is not this data subject's, neither."""
    try:
        async with conn.transaction():
            subject_id = put.session.subject_id
            settled = await answer.apply(conn, desk.settings, desk.keys, put.offer, choice, subject_id=subject_id, notice=shown)
            if settled is not None:
                return await _grant(desk, conn, put, settled)
    except AuthorizationError as error:
        return await authorize.refuse(conn, desk.settings, put.request, error.error)
    return await authorize.refuse(conn, desk.settings, put.request, "access_denied")


async def _grant_again(desk: Desk, conn: AnyConnection, put: Put) -> str:
    try:
        async with conn.transaction():
            return await _grant(desk, conn, put, answer.settled_before(put.offer))
    except AuthorizationError as error:
        return await authorize.refuse(conn, desk.settings, put.request, error.error)


async def _grant(desk: Desk, conn: AnyConnection, put: Put, settled: Settled) -> str:
    return await authorize.grant(
        conn,
        desk.settings,
        put.request,
        put.session,
        categories=settled.categories,
        signs_in=settled.signs_in,
        consent_id=settled.consent_id,
        ends_at=settled.ends_at,
    )


async def _request(desk: Desk, conn: AnyConnection, http: Request) -> AuthorizationRequest:
    """Raises Stopped, AuthorizationRefused where it no longer holds."""
    try:
        request_id = UUID(http.path_params["request_id"])
    except ValueError:
        raise Stopped("gone") from None
    request = await authorize.find_request(conn, desk.settings, request_id)
    if request is None:
        raise Stopped("gone")
    return request


async def _put(desk: Desk, conn: AnyConnection, request: AuthorizationRequest, session: Session) -> Put:
    """Everything that the question stands on, read anew."""
    max_age = None if request.max_age is None else timedelta(seconds=request.max_age)
    point = await conn.fetchrow(QUESTION, request.request_id, session.session_id, max_age, FRESH_FOR)
    asked = await authorize.asking(conn, request.client_id)
    if point is None or asked is None:
        raise Stopped("gone")
    offer = await make_offer(
        conn,
        desk.catalogue,
        request,
        asked,
        session.subject_id,
        await quiet(
            conn,
            subject_id=session.subject_id,
            partner_id=request.partner_id,
            purpose=request.purpose,
            within=timedelta(days=desk.settings.consent_quiet_days),
        ),
    )
    again = bool({"login", "select_account"} & request.prompt)
    return Put(
        request=request,
        session=session,
        offer=offer,
        is_recent=point["is_after"] or (point["is_within"] and not again),
        is_fresh=point["is_fresh"],
        asked_of=point["session_id"],
        shown=point["notice_sha256"],
    )


async def _sign_in(desk: Desk, conn: AnyConnection, request: AuthorizationRequest, *, step_up: bool) -> Response:
    if "none" in request.prompt:
        return RedirectResponse(await authorize.refuse(conn, desk.settings, request, "login_required"), 303)
    return RedirectResponse(_sign_in_address(request, step_up=step_up), 303)


def _sign_in_address(request: AuthorizationRequest, *, step_up: bool) -> str:
    query = {"next": f"{_path(request)}?{SIGNED_IN}=1", **({"step_up": "1"} if step_up else {})}
    return f"/sign-in?{urlencode(query)}"


def _path(request: AuthorizationRequest) -> str:
    return f"/consent/{request.request_id}"


def _notice(desk: Desk, offer: Offer, language: Language) -> Notice:
    return make_notice(offer, desk.settings, Speech(language, *desk.pages.speech(language)))


async def _page(
    desk: Desk, conn: AnyConnection, http: Request, put: Put, *, ticked: Choice | None = None, problem: Problem | None = None
) -> Response:
    """Put the question to this session. ticked: what the data subject has ticked already; None: nothing yet."""
    notice = _notice(desk, put.offer, language_of(http))
    await keep(conn, notice)
    if not await authorize.bind(conn, put.request.request_id, put.session.session_id, notice.sha256):
        raise Stopped("gone")
    return desk.pages.render(
        http,
        "consent.html",
        session=put.session,
        form_action=_leads_on_to(put),
        notice=notice.content,
        notice_sha256=notice.sha256.hex(),
        examples={(path, rule.label()): example for (path, rule), example in (await _examples(desk, conn, put)).items()},
        ticked=ticked or answer.ticked_before(put.offer),
        agreed_at=None if put.offer.agreed is None else put.offer.agreed.agreed_at,
        locked=frozenset() if put.is_fresh else answer.needing_step_up(put.offer),
        minutes=FRESH_FOR // timedelta(minutes=1),
        step_up=_sign_in_address(put.request, step_up=True),
        action=_path(put.request),
        problem=problem,
        status=200 if problem is None else 422,
    )


async def _examples(desk: Desk, conn: AnyConnection, put: Put) -> Preview:
    return await preview(conn, desk.catalogue, put.offer, put.session.subject_id)


def _leads_on_to(put: Put) -> str:
    """The origins that the client has registered, the one it named first: its callback may hand the browser on to its site."""
    registered = put.offer.client
    addresses = [put.request.redirect_uri, *registered["redirect_uris"], registered.get("client_uri")]
    return " ".join(dict.fromkeys(form_source(address) for address in addresses if address))


def _leave(desk: Desk, http: Request, address: str) -> Response:
    """Back to the client where nobody had to be asked.

    Who comes from the sign-in form is sent on by a page of its own: browsers hold a form's redirects to the page's `form-action`,
    all the way, and the sign-in page knows of no client.
    """
    if SIGNED_IN not in http.query_params:
        return RedirectResponse(address, 303)
    page = desk.pages.render(http, "consent_leaving.html", address=address, site=urlsplit(address).netloc)
    page.headers["Refresh"] = f"0;url={address}"
    return page


def _stop(desk: Desk, http: Request, why: str) -> Response:
    again = f"/consent/{http.path_params['request_id']}" if why in ("foreign", "changed") else None
    status = {"invalid": 400, "forged": 403, "unavailable": 503}.get(why, 409)
    return desk.pages.render(http, "consent_stop.html", status=status, why=why, again=again)
