"""Access tokens at the authorization server's own protected endpoints, userinfo and grants (RFC 6750, RFC 9449 7).

The same rules as at the partner's endpoint: the row decides whether a token stands, a bound token needs a proof by its key, and
while a halt of the partner is in force nothing is told (policy 9.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from authlib.oauth2 import OAuth2Error
from starlette.requests import Request

from gateway.oauth import jose
from gateway.oauth.access_token import TYPE
from gateway.oauth.dpop import ALGORITHMS
from gateway.oauth.form import shown_thumbprint
from gateway.oauth.keys import AnyConnection
from gateway.oauth.refusal import InvalidDpopProof, UseDpopNonce
from gateway.oauth.resource import resource_metadata_url
from gateway.oauth.server import Services
from gateway.settings import Settings

# in: token_id uuid; row: client_id text, partner_id, subject_id, grant_id uuid, now timestamptz, is_halted boolean; none: it does
# not stand. primary keys of access_token, client, partner; halt_in_force
_STANDS = """
select t.client_id, p.partner_id, t.subject_id, t.grant_id, statement_timestamp() as now,
       exists (select from gateway.halt h
                where h.lifted_at is null and (h.target = 'all' or h.partner_id = p.partner_id)) as is_halted
  from gateway.access_token t join gateway.client c using (client_id) join gateway.partner p using (partner_id)
 where t.token_id = $1 and t.revoked_at is null and t.expires_at > statement_timestamp()
   and c.status = 'active' and p.status = 'active'"""


class Unauthorised(OAuth2Error):  # type: ignore[misc]  # Authlib ships no types
    """No token, or one that does not stand (RFC 6750 3.1). scheme: to challenge with."""

    def __init__(self, error: str, *, scheme: str = "Bearer", status: int = 401) -> None:
        super().__init__(status_code=status)
        self.error, self.scheme = error, scheme


@dataclass(frozen=True, slots=True)
class Holder:
    """Who asks, with a token that stands. subject_id, grant_id: None for a partner's own token."""

    client_id: str
    partner_id: UUID
    subject_id: UUID | None
    grant_id: UUID | None
    scopes: frozenset[str]
    claims: Mapping[str, object]


async def holder(conn: AnyConnection, services: Services, request: Request, path: str, scope: str) -> Holder:
    """The holder of a token with this scope. Raises Unauthorised, InvalidDpopProof, UseDpopNonce."""
    values = request.headers.getlist("authorization")
    kind, _, text = (values[0] if len(values) == 1 else "").partition(" ")
    if kind.lower() not in ("bearer", "dpop"):
        raise Unauthorised("")
    claims = await _claims(conn, services, text.strip(" "))
    row = await conn.fetchrow(_STANDS, UUID(str(claims["jti"])))
    if row is None:
        raise Unauthorised("invalid_token")
    await _check_sender(conn, services, request, path, kind.lower(), text.strip(" "), claims, row["now"])
    scopes = frozenset(str(claims["scope"]).split())
    if scope not in scopes:
        raise Unauthorised("insufficient_scope", status=403)
    if row["is_halted"]:
        raise Unauthorised("access_denied", status=403)
    return Holder(row["client_id"], row["partner_id"], row["subject_id"], row["grant_id"], scopes, claims)


async def _claims(conn: AnyConnection, services: Services, text: str) -> Mapping[str, object]:
    try:
        token = jose.read(text)
    except jose.Malformed:
        raise Unauthorised("invalid_token") from None
    key = None if token.kid is None else await services.keys.find(token.kid, conn)
    if key is None or not jose.has_type(token, TYPE) or not jose.is_signed_by(token, key):
        raise Unauthorised("invalid_token")
    return token.claims


async def _check_sender(
    conn: AnyConnection,
    services: Services,
    request: Request,
    path: str,
    kind: str,
    text: str,
    claims: Mapping[str, object],
    now: datetime,
) -> None:
    confirmation = claims.get("cnf")
    jkt = confirmation.get("jkt") if isinstance(confirmation, Mapping) else None
    if (kind == "dpop") != (jkt is not None):
        raise Unauthorised("invalid_token", scheme="Bearer" if jkt is None else "DPoP")
    x5t = confirmation.get("x5t#S256") if isinstance(confirmation, Mapping) else None
    if x5t is not None and x5t != shown_thumbprint(services.settings, request):
        raise Unauthorised("invalid_token", scheme="Bearer" if jkt is None else "DPoP")
    if jkt is None:
        return
    proof = await services.dpop.check(
        conn,
        request.headers.getlist("dpop"),
        method=request.method,
        url=services.settings.base_url + path,
        access_token=text,
        now=now,
        needs_nonce=services.settings.dpop_nonce_required,
    )
    if proof.jkt != jkt:
        raise Unauthorised("invalid_token", scheme="DPoP")


def challenge(error: OAuth2Error, settings: Settings) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer that refuses a token (RFC 6750 3, RFC 9449 7.1, RFC 9728 5.1)."""
    is_dpop = isinstance(error, InvalidDpopProof | UseDpopNonce) or getattr(error, "scheme", "") == "DPoP"
    named = f'error="{error.error}", ' if error.error else ""
    algorithms = f'algs="{ALGORITHMS}", ' if is_dpop else ""
    scheme = "DPoP" if is_dpop else "Bearer"
    headers = {"WWW-Authenticate": f'{scheme} {named}{algorithms}resource_metadata="{resource_metadata_url(settings)}"'}
    if isinstance(error, UseDpopNonce):
        headers["DPoP-Nonce"] = error.nonce
    return (error.status_code if isinstance(error, Unauthorised) else 401), headers
