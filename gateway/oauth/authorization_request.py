"""What a client asks a data subject for (RFC 6749 4.1.1, OAuth 2.1, OpenID Connect Core 3.1.2.1), validated against what its
partner may have at all.

The parameters are kept as they came and validated again whenever the request is looked at: a grant that has ended, a scope that
was narrowed or a client that was suspended meanwhile is not asked for any more. What goes beyond the grant is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidScopeError

from gateway.catalogue.definition import load
from gateway.oauth import details as rar
from gateway.oauth.client import Client
from gateway.oauth.details import Details, InvalidAuthorizationDetails
from gateway.oauth.refusal import InvalidRequest
from gateway.oauth.registration import scope_tokens
from gateway.settings import Settings
from gateway.store.view import GrantView
from scopes import BASIS, CATEGORIES, PURPOSES, Basis, Purpose, Rung

OPENID: Final = "openid"
IGNORED_SCOPES: Final = frozenset({"profile", "email", "address", "phone", "offline_access"})
"""OpenID Connect's own; login libraries send them unasked, and what they stand for is asked for as data scopes here."""

KEPT: Final = frozenset(
    {
        "response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method", "prompt", "max_age", "acr_values", "ui_locales", "dpop_jkt", "authorization_details",
        "grant_id", "grant_management_action", "request", "request_uri", "registration",
    }
)  # fmt: skip
"""All that has a meaning; anything else is ignored (RFC 6749 3.1) and not kept."""

ACRS: Final = {how: f"urn:gateway:{how}" for how in ("pwd", "passkey", "upstream")}
"""gateway.session.acr -> the `acr` claim."""

STATE_MAX: Final = 4_096
MAX_AGE: Final = 10**9
PROMPTS: Final = frozenset({"none", "login", "consent", "select_account"})
ACTIONS: Final = frozenset({"create", "replace"})  # Grant Management for OAuth 2.0, section 4
_S256 = re.compile(r"[A-Za-z0-9_-]{43}")  # RFC 7636 4.2: base64url of a SHA-256


class RequestRefused(OAuth2Error):  # type: ignore[misc]  # Authlib ships no types
    """The client or its redirect_uri is not known, so there is nowhere safe to redirect to (RFC 6749 4.1.2.1): a page says so."""

    error = "invalid_request"


class AuthorizationError(OAuth2Error):  # type: ignore[misc]
    """An error that goes back to the client. error: a code of RFC 6749 4.1.2.1, RFC 9396 5 or OpenID Connect Core 3.1.2.6."""

    def __init__(self, error: str) -> None:
        super().__init__()
        self.error = error


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that holds.

    scopes: data scopes the partner is granted, all of one purpose; none where only signing in is asked. categories: what may be
    asked of the data subject here, sorted, never beyond the grant. is_narrowed: `authorization_details` was used. retention: at
    most the grant's. grant_id: the earlier grant whose place this one takes.
    """

    request_id: UUID
    client_id: str
    partner_id: UUID
    redirect_uri: str
    state: str | None
    nonce: str | None
    code_challenge: str
    scopes: tuple[str, ...]
    is_openid: bool
    purpose: Purpose | None
    categories: tuple[str, ...]
    is_narrowed: bool
    retention: timedelta | None
    prompt: frozenset[str]
    max_age: int | None
    acr_values: tuple[str, ...]
    ui_locales: tuple[str, ...]
    dpop_jkt: str | None
    grant_id: UUID | None


def redirect_uri_of(parameters: Mapping[str, str], client: Client | None) -> str:
    """Where answers to this request may go. Raises RequestRefused."""
    uri = parameters.get("redirect_uri")
    if client is None or uri is None or not client.check_redirect_uri(uri):
        raise RequestRefused
    return uri


def validate(
    request_id: UUID, parameters: Mapping[str, str], client: Client, view: GrantView, settings: Settings, *, dpop_jkt: str | None
) -> AuthorizationRequest:
    """The request that these parameters make. Raises RequestRefused before the redirect_uri is known to be good, then
    AuthorizationError, InvalidRequest, InvalidScopeError, InvalidAuthorizationDetails, InvalidTarget.

    dpop_jkt: the key of a DPoP proof that came with a pushed request.
    """
    redirect_uri = redirect_uri_of(parameters, client)
    _check_unsupported(parameters, client)
    state, nonce = parameters.get("state"), parameters.get("nonce")
    if any(value is not None and len(value) > STATE_MAX for value in (state, nonce)):
        raise InvalidRequest
    challenge = parameters.get("code_challenge", "")
    if parameters.get("code_challenge_method") != "S256" or not _S256.fullmatch(challenge):
        raise InvalidRequest  # RFC 7636: `plain`, its default, is absent here (FAPI 2.0 5.3.2.2)
    names, is_openid = _scopes(parameters.get("scope"), client)
    wanted = rar.read(parameters.get("authorization_details"))
    _check_type(wanted, client)
    names, purpose, categories = _data(names, wanted, client, view, settings)
    if not names and not is_openid:
        raise InvalidScopeError
    if purpose is not None and is_openid and PURPOSES[purpose].is_analytics:
        raise InvalidScopeError  # policy 2.8: the sign-in's pseudonym would tell who stands behind the analytics one
    return AuthorizationRequest(
        request_id=request_id,
        client_id=client.client_id,
        partner_id=client.partner_id,
        redirect_uri=redirect_uri,
        state=state,
        nonce=nonce,
        code_challenge=challenge,
        scopes=tuple(sorted(names)),
        is_openid=is_openid,
        purpose=purpose,
        categories=tuple(sorted(categories)),
        is_narrowed=wanted is not None,
        retention=_retention(wanted, names, view),
        prompt=_prompt(parameters.get("prompt")),
        max_age=_max_age(parameters.get("max_age")),
        acr_values=tuple(parameters.get("acr_values", "").split()),
        ui_locales=tuple(parameters.get("ui_locales", "").split()),
        dpop_jkt=_jkt(parameters.get("dpop_jkt"), dpop_jkt),
        grant_id=_managed(parameters),
    )


def narrowed(names: frozenset[str], wanted: Details, client: Client, view: GrantView, settings: Settings) -> frozenset[str]:
    """The scopes of a partner's own token that `authorization_details` narrows (RFC 9396 6): nobody is asked, so all of it is
    granted or nothing.

    names: the scopes that are named; none: all of the purpose. Raises InvalidAuthorizationDetails, InvalidScopeError.
    """
    _check_type(wanted, client)
    names, _, granted = _data(names, wanted, client, view, settings)
    if granted != wanted.categories:
        raise InvalidAuthorizationDetails
    _retention(wanted, names, view)
    return names


def _check_type(wanted: Details | None, client: Client) -> None:
    registered = client.metadata.authorization_details_types
    if wanted is not None and registered and rar.TYPE not in registered:
        raise InvalidAuthorizationDetails


def _check_unsupported(parameters: Mapping[str, str], client: Client) -> None:
    for name, error in (("request", "request_not_supported"), ("registration", "registration_not_supported")):
        if name in parameters:
            raise AuthorizationError(error)  # OpenID Connect Core 3.1.2.6
    if "request_uri" in parameters:
        raise AuthorizationError("invalid_request_uri")  # pushed ones are opened before this
    response_type = parameters.get("response_type")
    if response_type is None or parameters.get("response_mode", "query") != "query":
        raise InvalidRequest
    if response_type != "code":
        raise AuthorizationError("unsupported_response_type")
    if not client.check_response_type("code"):
        raise AuthorizationError("unauthorized_client")


def _scopes(text: str | None, client: Client) -> tuple[frozenset[str], bool]:
    """The data scopes that are asked for, and whether signing in is."""
    tokens = scope_tokens(text or "")
    if tokens is None:
        raise InvalidScopeError
    is_openid = OPENID in tokens
    if is_openid and client.metadata.scopes is not None and OPENID not in client.metadata.scopes:
        raise InvalidScopeError
    return tokens - {OPENID} - (IGNORED_SCOPES if is_openid else frozenset()), is_openid


def _data(
    names: frozenset[str], wanted: Details | None, client: Client, view: GrantView, settings: Settings
) -> tuple[frozenset[str], Purpose | None, frozenset[str]]:
    """The scopes, their one purpose, and the categories that may be asked for."""
    granted = {scope.scope: scope for scope in view.scopes if scope.scope in client.scopes}
    if wanted is not None and not names:
        names = frozenset(name for name, scope in granted.items() if scope.purpose is wanted.purpose)
        if not names:
            raise InvalidAuthorizationDetails
    if not names:
        return names, None, frozenset()
    if not names <= granted.keys():
        raise InvalidScopeError
    if view.partner.is_abroad and view.partner.cross_border_mechanism is None:  # policy 8.1, 9.5
        raise InvalidScopeError
    purposes = {granted[name].purpose for name in names}
    if len(purposes) != 1:
        raise InvalidScopeError  # consent is given for one purpose
    purpose = purposes.pop()
    fields = load(settings.catalogue).fields
    given = {
        fields[path].category
        for name in names
        for path, field in granted[name].fields.items()
        if path in fields and field.redaction.rung is not Rung.WITHHOLD
    }
    offered = {name for name in given if _may_rest_on_something(purpose, name, view)}
    if wanted is not None:
        if wanted.purpose is not purpose:
            raise InvalidAuthorizationDetails
        offered &= wanted.categories
    if not offered:
        raise InvalidScopeError if wanted is None else InvalidAuthorizationDetails
    return names, purpose, frozenset(offered)


def _may_rest_on_something(purpose: Purpose, category: str, view: GrantView) -> bool:
    basis = BASIS[purpose, view.partner.role, CATEGORIES[category].sensitivity]
    return basis in (Basis.POLICY_ACCEPTANCE, Basis.SEPARATE_CONSENT, Basis.SENSITIVE_CONSENT)


def _retention(wanted: Details | None, names: Collection[str], view: GrantView) -> timedelta | None:
    """What the partner asks for. Raises InvalidAuthorizationDetails where a grant allows less (policy 8.2)."""
    if wanted is None or wanted.retention is None:
        return None
    if any(wanted.retention > grant.retention for grant in view.grants if grant.scope in names):
        raise InvalidAuthorizationDetails
    return wanted.retention


def _prompt(text: str | None) -> frozenset[str]:
    found = frozenset((text or "").split())
    if not found <= PROMPTS or ("none" in found and len(found) > 1):
        raise InvalidRequest
    return found


def _max_age(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or int(text[:12]) > MAX_AGE:
        raise InvalidRequest
    return int(text)


def _jkt(named: str | None, proved: str | None) -> str | None:
    """RFC 9449 10: the parameter and the proof must name one key. 10.1: a proof alone is enough."""
    if named is not None and (not _S256.fullmatch(named) or proved not in (None, named)):
        raise InvalidRequest
    return proved or named


def _managed(parameters: Mapping[str, str]) -> UUID | None:
    """grant_id, which comes with grant_management_action=replace and no other (Grant Management for OAuth 2.0, section 4)."""
    action, named = parameters.get("grant_management_action"), parameters.get("grant_id")
    if action not in (None, *ACTIONS) or (named is not None) != (action == "replace"):
        raise InvalidRequest
    if named is None:
        return None
    try:
        return UUID(named)
    except ValueError:
        raise AuthorizationError("invalid_grant_id") from None
