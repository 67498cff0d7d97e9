"""Everything that the staff meet in a browser, as routes for `gateway.app` to mount."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.console import overview_page
from gateway.admin.console.changes_page import Changes
from gateway.admin.console.desk import HOME, SHELF, Console, Visit, leave_for, page
from gateway.admin.console.disclosures_page import Disclosures
from gateway.admin.console.halts_page import Halts
from gateway.admin.console.keys import SignInByPasskey
from gateway.admin.console.nav import allowed
from gateway.admin.console.own import Own
from gateway.admin.console.proposals import Proposals
from gateway.admin.console.records_page import Records
from gateway.admin.console.registers_page import Registers
from gateway.admin.console.sign_in import Entrance, SignIn
from gateway.admin.console.support_page import Support
from gateway.admin.console.upstream import SignInUpstream
from gateway.catalogue.definition import Catalogue
from gateway.oauth.keys import KeyStore
from gateway.oauth.proxy import Proxies
from gateway.settings import Settings
from gateway.stewardship.staff import Vault
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Pool
from gateway.subject.page import Pages, static_route


async def home(visit: Visit) -> Response:
    """GET /admin: the first page that this person may open."""
    places = allowed(visit.actor)
    return leave_for(places[0].address if places else "/admin/own", visit.request)


def console_routes(settings: Settings, pool: Pool, keys: PseudonymKeys, signing: KeyStore, catalogue: Catalogue) -> list[Route]:
    """Every page under /admin, save /admin/graphql, which takes no cookie."""
    pages = Pages(settings, SHELF)
    console = Console(settings, pool, pages, keys, signing, catalogue, Vault(settings), Proxies.of(settings))
    entrance = Entrance(console)
    return [
        static_route(SHELF),
        *SignIn(entrance).routes(),
        *SignInByPasskey(entrance).routes(),
        *SignInUpstream(entrance).routes(),
        Route(HOME, page(console, home), methods=["GET"]),
        *Own(console).routes(),
        *Changes(console).routes(),
        *Proposals(console).routes(),
        *Registers(console).routes(),
        *Halts(console).routes(),
        *overview_page.routes(console),
        *Disclosures(console).routes(),
        *Records(console).routes(),
        *Support(console).routes(),
    ]
