"""/me: what a data subject sees of its own and may change, as routes (policy 1.5, 3, 4, 6.1, 10)."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.subject import consents_page, disclosures_page, logins_page, privacy_page
from gateway.subject.connections import Standing, overview
from gateway.subject.desk import Desk, NotFound, Visit, page, see

PATH: Final = "/me"


def routes(desk: Desk) -> list[Route]:
    """Every page of the data subject's own but receipts."""
    pages = {
        PATH: show,
        "/me/disclosures": disclosures_page.show,
        "/me/disclosures.csv": disclosures_page.take_csv,
        "/me/disclosures.json": disclosures_page.take_json,
        "/me/consents/{consent_id}": consents_page.show,
        "/me/consents/{consent_id}/withdraw": consents_page.confirm,
        "/me/privacy": privacy_page.show,
        "/me/logins": logins_page.show,
    }
    forms = {
        "/me/consents/{consent_id}/narrow": consents_page.narrow,
        "/me/consents/{consent_id}/withdraw": consents_page.withdraw,
        "/me/privacy": privacy_page.change,
        "/me/privacy/ask-again": privacy_page.ask_again,
        "/me/logins/end": logins_page.end,
        "/me/logins/partner": logins_page.end_partner,
    }
    return [
        *(Route(path, page(desk, handler), methods=["GET"]) for path, handler in pages.items()),
        *(Route(path, page(desk, handler), methods=["POST"]) for path, handler in forms.items()),
    ]


def lost(desk: Desk) -> list[Route]:
    """What comes after all other pages: the site's own address, and those under /me that lead nowhere."""
    return [Route("/", _home, methods=["GET"]), Route(f"{PATH}/{{rest:path}}", page(desk, _nowhere), methods=["GET"])]


async def _home(_request: Request) -> Response:
    return see(PATH)


async def _nowhere(_visit: Visit) -> Response:
    raise NotFound


async def show(visit: Visit) -> Response:
    """GET /me: with whom the data subject is connected."""
    return visit.page(
        "me_overview.html",
        here="overview",
        done="",
        view=await overview(visit.conn, visit.desk.catalogue, visit.session.subject_id),
        standing={standing: visit.t(f"me.standing_{standing}") for standing in Standing},
    )
