"""Everything that a data subject meets in a browser, as routes for `gateway.app` to mount."""

from __future__ import annotations

from starlette.routing import Route

from gateway.catalogue.definition import Catalogue
from gateway.oauth.keys import KeyStore
from gateway.settings import Settings
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import Pool
from gateway.subject import consent, cookies_page, me, receipts_page
from gateway.subject.desk import Desk
from gateway.subject.entrance import Door
from gateway.subject.forms import FormTokens
from gateway.subject.page import Pages, static_route
from gateway.subject.passkeys_page import MyPasskeys, SignInByPasskey
from gateway.subject.sign_in import SignIn
from gateway.subject.sign_out import SignOut
from gateway.subject.throttle import Throttle
from gateway.subject.upstream_page import SignInUpstream


def subject_routes(
    settings: Settings, pool: Pool, keys: PseudonymKeys, signing: KeyStore, catalogue: Catalogue, pages: Pages
) -> list[Route]:
    """Every page. pool: ordinary connections under the role `gateway`, not the gate's."""
    desk = Desk(settings, pool, pages, keys, catalogue)
    door = Door(desk, FormTokens(settings), Throttle(settings))
    return [
        static_route(),
        *SignIn(door).routes(),
        *SignOut(desk, signing).routes(),
        *SignInByPasskey(door).routes(),
        *SignInUpstream(door).routes(),
        *MyPasskeys(desk).routes(),
        *cookies_page.routes(desk),
        *consent.routes(desk),
        *me.routes(desk),
        *receipts_page.routes(desk),
        *me.lost(desk),
    ]
