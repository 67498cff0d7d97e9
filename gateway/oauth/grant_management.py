"""Grants by `grant_id` (Grant Management for OAuth 2.0, sections 6 to 8): a client looks at what it was given, or gives it back.

Updating one is an authorization request with `grant_management_action`: nobody but the data subject can widen or narrow it.
Giving it back withdraws the consent behind it and ends its tokens, in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from authlib.oauth2 import OAuth2Error
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.oauth.authorization_request import OPENID
from gateway.oauth.bearer import Holder, challenge, holder
from gateway.oauth.details import Details, stored
from gateway.oauth.keys import AnyConnection
from gateway.oauth.resource import resource_url
from gateway.oauth.server import NO_STORE, Services
from gateway.store.consents import ConsentError, PseudonymKeys, withdraw
from scopes import Purpose

PATH: Final = "/oauth/grants"
QUERY: Final = "grant_management_query"
REVOKE: Final = "grant_management_revoke"

# What is given just now, by the latest event of the consent. in: grant_id uuid, client_id text
# row: subject_id, partner_id, consent_id uuid, purpose text, scopes text[], details text (what the request narrowed it to; null:
#      nothing), categories text[] (null: no consent), created_at, updated_at, ends_at timestamptz
# primary key of authorization_grant, consent_event_by_subject
_FIND = """
select g.subject_id, g.partner_id, g.consent_id, g.purpose, g.scopes, g.details::text as details, g.created_at, g.updated_at,
       g.ends_at,
       (select e.categories from gateway.consent_event e
         where e.subject_id = g.subject_id and e.partner_id = g.partner_id and e.purpose = g.purpose
         order by e.event_id desc limit 1) as categories
  from gateway.authorization_grant g
 where g.grant_id = $1 and g.client_id = $2 and g.revoked_at is null and coalesce(g.ends_at > statement_timestamp(), true)"""

# in: grant_id uuid; row: none; by_grant indexes
_END = """
with grant_ended as (
    update gateway.authorization_grant set revoked_at = clock_timestamp() where grant_id = $1
), refresh_ended as (
    update gateway.refresh_token set revoked_at = clock_timestamp() where grant_id = $1 and revoked_at is null
)
update gateway.access_token set revoked_at = clock_timestamp() where grant_id = $1 and revoked_at is null"""


async def manage(request: Request, services: Services) -> Response:
    """GET: what the grant holds now. DELETE: give it back; 204. 404 for what is not this client's, or has ended."""
    path = f"{PATH}/{request.path_params['grant_id']}"
    try:
        async with services.pool.acquire() as conn, conn.transaction():
            asker = await holder(conn, services, request, path, QUERY if request.method == "GET" else REVOKE)
            return await _managed(conn, services, request, asker)
    except OAuth2Error as error:
        status, headers = challenge(error, services.settings)
        return JSONResponse({"error": error.error} if error.error else {}, status, {**NO_STORE, **headers})


async def _managed(conn: AnyConnection, services: Services, request: Request, asker: Holder) -> Response:
    grant_id = _uuid(request.path_params["grant_id"])
    row = None if grant_id is None else await conn.fetchrow(_FIND, grant_id, asker.client_id)
    if row is None or grant_id is None:
        return JSONResponse({"error": "invalid_grant_id"}, 404, NO_STORE)
    if request.method == "GET":
        return JSONResponse(_document(row, services), headers=NO_STORE)
    await _give_back(conn, services, row, grant_id)
    return Response(status_code=204, headers=NO_STORE)


async def _give_back(conn: AnyConnection, services: Services, row: Mapping[str, Any], grant_id: UUID) -> None:
    if row["purpose"] is not None:
        keys = PseudonymKeys(services.settings.key("pseudonym"))
        try:
            await withdraw(
                conn, keys, subject_id=row["subject_id"], partner_id=row["partner_id"], purpose=Purpose(row["purpose"])
            )
        except ConsentError as error:
            if error.code != "NOTHING_TO_WITHDRAW":
                raise
    await conn.execute(_END, grant_id)


def _document(row: Mapping[str, Any], services: Services) -> dict[str, object]:
    """Section 7.1: scopes with the resource they are for, and authorization_details."""
    agreed, narrowed = frozenset(row["categories"] or ()), stored(row["details"])
    given = Details(Purpose(row["purpose"]), agreed) if narrowed is None and agreed else narrowed
    held = None if given is None else given.within(agreed)
    details = held.wire() if held is not None and held.categories else []
    scopes = [name for name in row["scopes"] if name == OPENID or details]
    found: dict[str, object] = {
        "scopes": [{"scope": " ".join(scopes), "resources": [resource_url(services.settings)]}],
        "authorization_details": details,
        "created_at": row["created_at"].isoformat(),
        "last_updated_at": row["updated_at"].isoformat(),
    }
    if row["ends_at"] is not None:
        found["expires_at"] = row["ends_at"].isoformat()
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
