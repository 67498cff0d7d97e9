"""Pages: templates with words in the reader's language, under headers that let nothing foreign in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

import jinja2
from babel.dates import format_date, format_datetime
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from gateway.settings import Settings
from gateway.subject.cookies import HOST_PREFIX, Cookie, is_secure, put
from gateway.subject.texts import LANGUAGES, Language, Texts
from gateway.subject.wording import Sentences
from gateway.subject.words import LOCALE, Words

__all__ = ["OWN", "SCRIPT", "Language", "Pages", "Shelf", "form_source", "language_of", "static_route"]

FOLDER: Final = Path(__file__).parent
ZONE: Final = ZoneInfo("Asia/Shanghai")
CSS, SCRIPT, SVG = "text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml"

HEADERS: Final[Mapping[str, str]] = {
    "X-Frame-Options": "DENY",
    # Not no-referrer: under it browsers send `Origin: null` with our own forms
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
OVER_TLS: Final[Mapping[str, str]] = {"Strict-Transport-Security": "max-age=31536000"}
"""For a year (RFC 6797 6.1), this host alone: its siblings are not ours to speak for."""
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


class HasForms(Protocol):
    """A session: somebody is signed in, and its forms carry a token."""

    @property
    def csrf(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where pages keep their templates, their texts and the files that browsers load. address: under which those are served.

    files: the media type by name.
    """

    folder: Path
    address: str
    files: Mapping[str, str]


OWN: Final = Shelf(FOLDER, "/static", {"style.css": CSS, "passkey.js": SCRIPT, "icon.svg": SVG})


@dataclass(frozen=True, slots=True)
class _Static:
    body: bytes
    digest: str
    media_type: str


class Pages:
    """One for each worker. Sentences and templates are read once. more: shelves besides the data subject's own."""

    def __init__(self, settings: Settings, *more: Shelf) -> None:
        self._settings, self._texts = settings, Texts.load(*(shelf.folder / "text" for shelf in more))
        self._kept_safe = OVER_TLS if is_secure(settings) else {}
        shelves = (*more, OWN)
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader([shelf.folder / "templates" for shelf in shelves]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["controller"] = settings.controller_name
        self._templates.globals["contact"] = settings.controller_contact
        self._templates.globals["static"] = {
            name: f"{shelf.address}/{name}?v={one.digest}" for shelf in shelves for name, one in _files(shelf).items()
        }

    def speech(self, language: Language) -> tuple[Sentences, Words]:
        """What says sentences, and words for closed lists, in this language."""
        return partial(self._texts.say, language), Words(self._texts, language)

    def has(self, key: str) -> bool:
        """Whether there is such a sentence."""
        return key in self._texts.by_key

    def render(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        session: HasForms | None = None,
        form_action: str = "",
        **context: object,
    ) -> HTMLResponse:
        """A page. form_action: origins that its form may lead on to besides ours, spaces between. Raises what Jinja does."""
        language = language_of(request)
        say, words = self.speech(language)
        html = self._templates.get_template(template).render(
            {
                "t": say,
                "words": words,
                "lang": language,
                "languages": {other: _in_language(request, other, is_kept=status < 400) for other in LANGUAGES},
                "session": session,
                "csrf": "" if session is None else session.csrf,
                "date": partial(_date, language),
                "instant": partial(_instant, language, say),
                **context,
            }
        )
        policy = f"{POLICY} {form_action}".rstrip()
        headers = {**HEADERS, **self._kept_safe, "Content-Security-Policy": policy, "Content-Language": language}
        response = HTMLResponse(html, status, headers)
        if request.query_params.get("lang") == language:
            put(response, self._settings, Cookie.LANGUAGE, language)
        return response


def language_of(request: Request) -> Language:
    """The reader's language: asked for in the address, chosen before, else what the browser prefers, else Chinese."""
    chosen = (
        request.query_params.get("lang"),
        request.cookies.get(f"{HOST_PREFIX}{Cookie.LANGUAGE}"),
        request.cookies.get(Cookie.LANGUAGE),
    )
    for language in LANGUAGES:
        if language == next(filter(None, chosen), None):
            return language
    return _preferred(request.headers.get("accept-language", ""))


def form_source(address: str) -> str:
    """Where this address is, as `form-action` can name it: browsers hold a form's redirects to it as well.

    The grammar of CSP 3 (2.3.1) has no IPv6 host, and browsers pass over what they cannot read; its scheme stands there then.

    >>> form_source("https://shop.example:8443/cb?x=1"), form_source("http://[::1]:9/cb")
    ('https://shop.example:8443', 'http:')
    """
    parts = urlsplit(address)
    return f"{parts.scheme}:" if ":" in (parts.hostname or "") else f"{parts.scheme}://{parts.netloc}"


def static_route(shelf: Shelf = OWN) -> Route:
    """The files of a shelf. The address holds their hash, so browsers keep them for good."""
    files = _files(shelf)

    async def endpoint(request: Request) -> Response:
        file = files.get(request.path_params["name"])
        if file is None:
            return Response(status_code=404, headers={"Cache-Control": "no-store"})
        is_exact = request.query_params.get("v") == file.digest
        kept = "public, max-age=31536000, immutable" if is_exact else "no-cache"
        headers = {
            "Cache-Control": kept,
            "ETag": f'"{file.digest}"',
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(file.body, headers=headers, media_type=file.media_type)

    return Route(f"{shelf.address}/{{name}}", endpoint, methods=["GET"])


def _files(shelf: Shelf) -> Mapping[str, _Static]:
    bodies = {name: (shelf.folder / "static" / name).read_bytes() for name in shelf.files}
    return {name: _Static(body, sha256(body).hexdigest()[:16], shelf.files[name]) for name, body in bodies.items()}


def _preferred(header: str) -> Language:
    """RFC 9110 12.5.4, as far as two languages need it: the first of the highest weight, by its primary tag."""
    found: list[tuple[float, Language]] = []
    for part in header.split(","):
        tag, _, parameter = part.strip().partition(";")
        language: Language | None = {"zh": LANGUAGES[0], "en": LANGUAGES[1]}.get(tag.partition("-")[0].strip().lower())
        if language is None:
            continue
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if weight > 0:
            found.append((weight, language))
    return max(found, key=lambda pair: pair[0])[1] if found else LANGUAGES[0]


def _in_language(request: Request, language: Language, *, is_kept: bool) -> str:
    """The address of this page in another language. is_kept: with the rest of its query; a page that refuses repeats nothing."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"] if is_kept else []
    return f"{request.url.path}?{urlencode([*query, ('lang', language)])}"


def _date(language: Language, value: date) -> str:
    """The day; of an instant, the day it is in China."""
    day = value.astimezone(ZONE).date() if isinstance(value, datetime) else value
    return format_date(day, format="long", locale=LOCALE[language])


def _instant(language: Language, say: Sentences, value: datetime) -> str:
    """Day, time and the zone it is told in."""
    pattern = "y年M月d日 HH:mm" if language == "zh-CN" else "d MMM y, HH:mm"
    return say("base.instant", instant=format_datetime(value, pattern, tzinfo=ZONE, locale=LOCALE[language]))
