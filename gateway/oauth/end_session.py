"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): what a client's request to end a session comes to.

It can always be asked for, and never leads anywhere that the client has not registered. Whatever does not hold is left out: the
data subject is asked then, and stays here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from gateway.oauth import jose
from gateway.oauth.client import Client, find_client
from gateway.oauth.keys import AnyConnection, KeyStore
from gateway.settings import Settings
from scopes import Purpose, pseudonym

PATH: Final = "/oauth/logout"
PARAMETERS: Final = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")
LONGEST: Final = 4_096  # characters of one parameter


@dataclass(frozen=True, slots=True)
class EndSession:
    """leads_to: the registered address with `state`, to go to afterwards; None: nowhere else. known_as: the `sub` of the ID token
    that came along, the client's proof that this data subject signed in there."""

    client: Client | None
    known_as: str | None
    leads_to: str | None

    def is_of(self, settings: Settings, subject_id: UUID) -> bool:
        """Whether the request shows that the client has had this very data subject signed in."""
        if self.client is None or self.known_as is None:
            return False
        key = settings.key("pseudonym")
        return self.known_as == str(pseudonym(key, self.client.partner_id, Purpose.LOGIN.value, subject_id))


async def read_request(conn: AnyConnection, settings: Settings, keys: KeyStore, given: Mapping[str, str]) -> EndSession:
    """What holds of the request. given: its parameters, by name."""
    asked = {name: given[name] for name in PARAMETERS if given.get(name) and len(given[name]) <= LONGEST}
    claims = await _hint(conn, settings, keys, asked.get("id_token_hint"))
    audience = None if claims is None else str(claims["aud"])
    named = asked.get("client_id", audience)
    if named is None or (audience is not None and audience != named):
        return EndSession(None, None, None)
    client = await find_client(conn, named)
    if client is None:
        return EndSession(None, None, None)
    address = asked.get("post_logout_redirect_uri")
    leads_to = None
    if address is not None and address in client.metadata.post_logout_redirect_uris:
        leads_to = _with_state(address, asked.get("state"))
    return EndSession(client, None if claims is None else str(claims["sub"]), leads_to)


async def _hint(conn: AnyConnection, settings: Settings, keys: KeyStore, text: str | None) -> Mapping[str, object] | None:
    """The claims of an ID token of ours; it may have expired (section 2). An access token is none: it has another type."""
    if text is None:
        return None
    try:
        token = jose.read(text)
    except jose.Malformed:
        return None
    key = None if token.kid is None else await keys.find(token.kid, conn)
    if key is None or not jose.has_type(token, "jwt") or not jose.is_signed_by(token, key):
        return None
    claims = token.claims
    is_ours = claims.get("iss") == settings.issuer and isinstance(claims.get("aud"), str) and isinstance(claims.get("sub"), str)
    return claims if is_ours else None


def _with_state(address: str, state: str | None) -> str:
    if state is None:
        return address
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode({'state': state})}"
