"""The authorization endpoint's protocol (RFC 6749 4.1, RFC 9126 4, RFC 9207): requests in, redirects out. The pages in between
are `gateway.subject`'s.

Every request is a row until it is decided: it is opened in time, put to one session, and decided once.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID, uuid4

from authlib.oauth2 import OAuth2Error

from gateway.oauth.authorization_request import (
    KEPT,
    AuthorizationError,
    AuthorizationRequest,
    RequestRefused,
    redirect_uri_of,
    validate,
)
from gateway.oauth.client import Client, find_client
from gateway.oauth.details import Details, text_of
from gateway.oauth.keys import AnyConnection
from gateway.oauth.refusal import InvalidRequest
from gateway.oauth.resource import check_resource
from gateway.settings import Settings
from gateway.store.view import GrantView, load_view
from scopes import Purpose

PATH: Final = "/oauth/authorize"
REFERENCE: Final = "urn:ietf:params:oauth:request_uri:"  # RFC 9126 2.2
CODE_LIVES_FOR: Final = timedelta(seconds=60)
PUSHED_OPENS_FOR: Final = timedelta(seconds=90)
DECIDES_WITHIN: Final = timedelta(minutes=15)

# in: request_id uuid, reference_sha256 bytea (null: not pushed), client_id, parameters, dpop_jkt text, opens for interval,
#     decides within interval; row: none
_STORE = """
insert into gateway.authorization_request
    (request_id, reference_sha256, client_id, parameters, dpop_jkt, opens_until, decides_until)
values ($1, $2, $3, $4::text::jsonb, $5, statement_timestamp() + $6::interval, statement_timestamp() + $7::interval)"""

# in: reference_sha256 bytea, client_id text; row: request_id uuid; unique index of reference_sha256
_OPEN = """
select request_id from gateway.authorization_request
 where reference_sha256 = $1 and client_id = $2 and decided_at is null and opens_until > statement_timestamp()"""

# in: request_id uuid; row: client_id text, parameters text, dpop_jkt text; primary key
_FIND = """
select client_id, parameters::text as parameters, dpop_jkt from gateway.authorization_request
 where request_id = $1 and decided_at is null and decides_until > statement_timestamp()"""

# The question belongs to who was asked last. in: request_id uuid, session_id uuid, notice_sha256 bytea; row: bool
_BIND = """
update gateway.authorization_request set session_id = $2, notice_sha256 = $3
 where request_id = $1 and decided_at is null and decides_until > statement_timestamp() returning true"""

# One answer for each question, whoever comes second waits and finds it given. in: request_id uuid, session_id uuid (null: nobody
# was asked); row: bool
_DECIDE = """
update gateway.authorization_request set decided_at = statement_timestamp()
 where request_id = $1 and decided_at is null and decides_until > statement_timestamp()
   and ($2::uuid is null or session_id is null or session_id = $2) returning true"""

# in: grant_id, client_id, partner_id, subject_id, purpose, consent_id, scopes text[], details text, ends_at; row: none
_GRANT = """
insert into gateway.authorization_grant
    (grant_id, client_id, partner_id, subject_id, purpose, consent_id, scopes, details, ends_at)
values ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9)"""

# in: as _GRANT; row: bool; none: not this client's and this data subject's
_CHANGE = """
update gateway.authorization_grant
   set purpose = $5, consent_id = $6, scopes = $7, details = $8::text::jsonb, ends_at = $9, updated_at = statement_timestamp()
 where grant_id = $1 and client_id = $2 and partner_id = $3 and subject_id = $4 and revoked_at is null returning true"""

# in: code_sha256 bytea, family_id, grant_id uuid, client_id, redirect_uri, code_challenge, nonce, dpop_jkt text, scopes text[],
#     details text, session_id uuid, acr text, authenticated_at timestamptz, lives for interval; row: none
_CODE = """
insert into gateway.authorization_code
    (code_sha256, family_id, grant_id, client_id, redirect_uri, code_challenge, nonce, dpop_jkt, scopes, details, session_id, acr,
     authenticated_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb, $11, $12, $13, clock_timestamp() + $14::interval)"""

# in: login_id, subject_id, partner_id uuid, client_id text, session_id uuid; row: none
_LOGIN = """
insert into gateway.partner_login (login_id, subject_id, partner_id, client_id, session_id) values ($1, $2, $3, $4, $5)"""


class AuthorizationRefused(Exception):
    """The client gets an error: send the browser to `redirect`."""

    def __init__(self, redirect: str) -> None:
        super().__init__("authorization refused")
        self.redirect = redirect


class Used(Exception):
    """The request was decided before, came too late, or was put to another session: nothing is granted."""


class SignedIn(Protocol):
    """What is needed of a session (`gateway.subject.session.Session`)."""

    @property
    def session_id(self) -> UUID: ...
    @property
    def subject_id(self) -> UUID: ...
    @property
    def acr(self) -> str: ...
    @property
    def authenticated_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks: the client, and what its partner's grants cover just now."""

    client: Client
    view: GrantView


async def asking(conn: AnyConnection, client_id: str) -> Asking | None:
    """None for a client that is not active."""
    client, view = await find_client(conn, client_id), await load_view(conn, client_id)
    return None if client is None or view is None else Asking(client, view)


def check(
    parameters: Mapping[str, str],
    resources: Sequence[str],
    asked: Asking,
    settings: Settings,
    request_id: UUID,
    dpop_jkt: str | None,
) -> AuthorizationRequest:
    """A new request, validated. Raises what `validate` raises, InvalidTarget."""
    request = validate(request_id, parameters, asked.client, asked.view, settings, dpop_jkt=dpop_jkt)
    check_resource(resources, settings)
    return request


async def store(
    conn: AnyConnection,
    request: AuthorizationRequest,
    parameters: Mapping[str, str],
    *,
    opens_for: timedelta,
    reference: str | None,
) -> None:
    """Keep a request that was checked. reference: the random part of a pushed one's `request_uri`."""
    digest = None if reference is None else hashlib.sha256(reference.encode()).digest()
    kept = json.dumps({name: value for name, value in parameters.items() if name in KEPT})
    await conn.execute(_STORE, request.request_id, digest, request.client_id, kept, request.dpop_jkt, opens_for, DECIDES_WITHIN)


async def open_request(conn: AnyConnection, settings: Settings, query: str) -> AuthorizationRequest:
    """The request that a browser brings to /oauth/authorize. query: as it stands in the address.

    Raises RequestRefused where there is nowhere to redirect to, AuthorizationRefused for every other fault.
    """
    parameters, resources = _parameters(query)
    reference = parameters.get("request_uri")
    if reference is not None and reference.startswith(REFERENCE):
        return await _opened(conn, settings, parameters, reference.removeprefix(REFERENCE))
    asked = await asking(conn, parameters.get("client_id", ""))
    redirect_uri = redirect_uri_of(parameters, None if asked is None else asked.client)
    assert asked is not None  # noqa: S101 - redirect_uri_of has refused nobody's requests
    try:
        if asked.client.metadata.require_pushed_authorization_requests:
            raise InvalidRequest  # RFC 9126 6
        request = check(parameters, resources, asked, settings, uuid4(), None)
    except OAuth2Error as error:
        raise AuthorizationRefused(
            _redirect(settings, redirect_uri, parameters.get("state"), {"error": str(error.error)})
        ) from None
    await store(conn, request, parameters, opens_for=DECIDES_WITHIN, reference=None)
    return request


async def find_request(conn: AnyConnection, settings: Settings, request_id: UUID) -> AuthorizationRequest | None:
    """A request that is still to be decided, validated against what holds now; None: no such request, decided, or too late.

    Raises AuthorizationRefused where it no longer holds.
    """
    row = await conn.fetchrow(_FIND, request_id)
    asked = None if row is None else await asking(conn, row["client_id"])
    if row is None or asked is None:
        return None
    parameters = json.loads(row["parameters"])
    try:
        return validate(request_id, parameters, asked.client, asked.view, settings, dpop_jkt=row["dpop_jkt"])
    except RequestRefused:
        return None
    except OAuth2Error as error:
        redirect = _redirect(settings, parameters["redirect_uri"], parameters.get("state"), {"error": str(error.error)})
        raise AuthorizationRefused(redirect) from None


async def bind(conn: AnyConnection, request_id: UUID, session_id: UUID, notice_sha256: bytes | None) -> bool:
    """The question was put to this session, and only its answer counts from now on. False: too late."""
    return bool(await conn.fetchval(_BIND, request_id, session_id, notice_sha256))


async def grant(
    conn: AnyConnection,
    settings: Settings,
    request: AuthorizationRequest,
    session: SignedIn,
    *,
    categories: Collection[str],
    signs_in: bool,
    consent_id: UUID | None,
    ends_at: datetime | None,
) -> str:
    """Decide the request, keep what was granted, make a code. Call it in the transaction that writes the consent.

    categories: those the data subject agreed to, of request.categories. signs_in: it wants to sign in at the partner. Returns
    the address to send the browser to. Raises Used, AuthorizationError where the grant named is not this data subject's.
    """
    if not await conn.fetchval(_DECIDE, request.request_id, session.session_id):
        raise Used
    purpose = request.purpose if categories else None
    scopes = [*(request.scopes if purpose else ()), *(["openid"] if signs_in and request.is_openid else ())]
    details = (
        Details(purpose, frozenset(categories) & frozenset(request.categories), request.retention)
        if purpose is not None and request.is_narrowed
        else None
    )
    grant_id = await _keep(conn, request, session, purpose, scopes, details, consent_id, ends_at)
    code = secrets.token_urlsafe(32)
    await conn.execute(
        _CODE,
        hashlib.sha256(code.encode()).digest(),
        uuid4(),
        grant_id,
        request.client_id,
        request.redirect_uri,
        request.code_challenge,
        request.nonce,
        request.dpop_jkt,
        scopes,
        text_of(details),
        session.session_id,
        session.acr,
        session.authenticated_at,
        CODE_LIVES_FOR,
    )
    if "openid" in scopes:  # policy 1.5
        await conn.execute(_LOGIN, uuid4(), session.subject_id, request.partner_id, request.client_id, session.session_id)
    return _redirect(settings, request.redirect_uri, request.state, {"code": code})


async def refuse(conn: AnyConnection, settings: Settings, request: AuthorizationRequest, error: str) -> str:
    """Decide the request against the client. Returns the address to send the browser to. Raises Used."""
    if not await conn.fetchval(_DECIDE, request.request_id, None):
        raise Used
    return _redirect(settings, request.redirect_uri, request.state, {"error": error})


async def _keep(
    conn: AnyConnection,
    request: AuthorizationRequest,
    session: SignedIn,
    purpose: Purpose | None,
    scopes: Sequence[str],
    details: Details | None,
    consent_id: UUID | None,
    ends_at: datetime | None,
) -> UUID:
    rest = (
        request.client_id,
        request.partner_id,
        session.subject_id,
        None if purpose is None else purpose.value,
        consent_id,
        list(scopes),
        text_of(details),
        ends_at,
    )
    if request.grant_id is None:
        grant_id = uuid4()
        await conn.execute(_GRANT, grant_id, *rest)
        return grant_id
    if not await conn.fetchval(_CHANGE, request.grant_id, *rest):
        raise AuthorizationError("invalid_grant_id")
    return request.grant_id


async def _opened(conn: AnyConnection, settings: Settings, parameters: Mapping[str, str], reference: str) -> AuthorizationRequest:
    """RFC 9126 4: only `client_id` and `request_uri` count, and the client must be the one that pushed."""
    digest = hashlib.sha256(reference.encode()).digest()
    request_id = await conn.fetchval(_OPEN, digest, parameters.get("client_id", ""))
    request = None if request_id is None else await find_request(conn, settings, request_id)
    if request is None:
        raise RequestRefused
    return request


def _parameters(query: str) -> tuple[dict[str, str], list[str]]:
    """Each parameter once (RFC 6749 3.1), `resource` as often as it is there. Raises RequestRefused."""
    try:
        pairs = parse_qsl(query, keep_blank_values=False, errors="strict", max_num_fields=64)
    except ValueError:
        raise RequestRefused from None
    resources = [value for name, value in pairs if name == "resource"]
    single = [(name, value) for name, value in pairs if name != "resource"]
    parameters = dict(single)
    if len(parameters) != len(single) or any("\0" in value for value in parameters.values()):
        raise RequestRefused
    return parameters, resources


def _redirect(settings: Settings, redirect_uri: str, state: str | None, answer: Mapping[str, str]) -> str:
    """The client's address with the answer; its own query stays (RFC 6749 3.1.2). `iss`: RFC 9207."""
    parts = urlsplit(redirect_uri)
    given = {**answer, **({} if state is None else {"state": state}), "iss": settings.issuer}
    query = "&".join(filter(None, (parts.query, urlencode(given))))
    return urlunsplit(parts._replace(query=query))
