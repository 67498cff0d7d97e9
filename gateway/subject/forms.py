"""Forms before there is a session: their token, and where they may lead on to."""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from gateway.oauth.form import Form, read_form
from gateway.oauth.proxy import Proxies
from gateway.settings import Settings
from gateway.subject import cookies
from gateway.subject.cookies import Cookie
from gateway.subject.session import check_token

HOME: Final = "/me"
NEXT_MAX: Final = 2_048
_LABEL: Final = "sign-in-form"
# What somebody signs in for. No backslash, no control character: browsers read both in ways of their own.
_OWN: Final = re.compile(r"/(?:me(?:[/?][!-\[\]-~]*)?|consent/[!-\[\]-~]+)")


def next_path(text: str) -> str:
    """Where to go on after signing in: one of our own pages, else the overview. No text can lead to another site.

    >>> next_path("/consent/1?signed_in=1"), next_path("//evil.example"), next_path("/me\\\\@evil.example")
    ('/consent/1?signed_in=1', '/me', '/me')
    """
    return text if len(text) <= NEXT_MAX and _OWN.fullmatch(text) else HOME


class FormTokens:
    """The sign-in form's CSRF token: an HMAC of a random text that only this browser's cookie holds.

    Without it another site could sign somebody in to an account of its own choice (RFC 6749 10.12 calls it login CSRF).
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._key, self._proxies = settings, settings.key(_LABEL), Proxies.of(settings)

    def issue(self, request: Request) -> tuple[str, str]:
        """The token for the page, and the text for the cookie: the one that the browser has, so that two tabs both work."""
        text = cookies.read(request, self._settings, Cookie.FORM) or secrets.token_urlsafe(24)
        return self._token(text), text

    def keep(self, response: Response, text: str) -> None:
        cookies.put(response, self._settings, Cookie.FORM, text)

    async def read(self, request: Request) -> Form:
        """The form that was sent. Raises Forbidden where our own page did not send it, InvalidRequest."""
        form = await read_form(request, within_s=self._settings.body_timeout_s, proxies=self._proxies)
        check_token(self._token(cookies.read(request, self._settings, Cookie.FORM)), form)
        return form

    def _token(self, text: str) -> str:
        digest = hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()
