"""The cookies of the gateway's own pages: a closed list, each strictly necessary for what it is there for (policy 3)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from gateway.settings import Settings

HOST_PREFIX: Final = "__Host-"
"""RFC 6265bis 4.1.3.2: sent back to this very host only, over TLS, and no sibling domain can set one."""

DAY_S: Final = 86_400


class Cookie(StrEnum):
    """There are no others. The cookies page shows each with its purpose and lifetime."""

    SESSION = "session"
    STAFF = "staff"  # the session of one of the controller's staff, for /admin alone
    FORM = "form"  # held against the sign-in form's token, before there is a session
    CEREMONY = "ceremony"  # binds a passkey ceremony or a trip to the upstream provider to this browser
    DEVICE = "device"  # this browser signed in before: strangers who guess cannot slow it down
    LANGUAGE = "lang"


_LIFETIME_S: Final[Mapping[Cookie, int]] = MappingProxyType(
    {Cookie.FORM: 3_600, Cookie.CEREMONY: 600, Cookie.DEVICE: 180 * DAY_S, Cookie.LANGUAGE: 365 * DAY_S}
)


def lifetime_s(settings: Settings, cookie: Cookie) -> int:
    """How long a browser keeps it, in seconds."""
    sessions = {Cookie.SESSION: settings.session_lifetime_s, Cookie.STAFF: settings.staff_session_lifetime_s}
    return sessions[cookie] if cookie in sessions else _LIFETIME_S[cookie]


def is_secure(settings: Settings) -> bool:
    """Whether browsers reach us over TLS. Plain http is for loopback only (`Settings`)."""
    return settings.base_url.startswith("https:")


def name_of(settings: Settings, cookie: Cookie) -> str:
    """Its name on the wire: browsers take the prefix over TLS only."""
    return f"{HOST_PREFIX}{cookie}" if is_secure(settings) else cookie.value


def read(request: Request, settings: Settings, cookie: Cookie) -> str:
    """Its value; empty where the browser sends none."""
    return request.cookies.get(name_of(settings, cookie), "")


def put(response: Response, settings: Settings, cookie: Cookie, value: str) -> None:
    """Set it, for the whole host, never for a script, never along with a request that another site makes in the background."""
    response.set_cookie(
        name_of(settings, cookie),
        value,
        max_age=lifetime_s(settings, cookie),
        path="/",
        secure=is_secure(settings),
        httponly=True,
        samesite="lax",
    )


def drop(response: Response, settings: Settings, cookie: Cookie) -> None:
    """Let the browser forget it."""
    response.delete_cookie(name_of(settings, cookie), path="/", secure=is_secure(settings), httponly=True, samesite="lax")
