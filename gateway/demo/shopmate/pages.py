"""shopmate's pages: two languages, one stylesheet, no script."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

Language = Literal["zh-CN", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh-CN", "en")
LANGUAGE_COOKIE: Final = "shopmate_language"
HERE: Final = Path(__file__).parent
TEXT: Final[Mapping[str, Mapping[str, str]]] = tomllib.loads((HERE / "text.toml").read_text())


class Pages:
    """Renders templates. platform: the gateway's origin, the only other place that a form may lead to."""

    def __init__(self, platform: str) -> None:
        self._templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined)
        self._headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": (
                "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
                # a browser holds each address that a form's answer redirects to against this list
                f"form-action 'self' {platform}"
            ),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",  # the callback's address holds a code
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }

    def render(self, request: Request, template: str, *, status: int = 200, **context: object) -> HTMLResponse:
        language = language_of(request)

        def t(key: str) -> str:
            return TEXT[key][language]

        text = self._templates.get_template(template).render(t=t, lang=language, **context)
        return HTMLResponse(text, status, self._headers)


def language_of(request: Request) -> Language:
    """What the visitor chose here, else what their browser asks for first, else Chinese."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    first = request.headers.get("accept-language", "").split(",")[0].strip().lower()
    return "en" if first.startswith("en") else "zh-CN"


def how_key(how: str) -> str:
    """text.toml's key for a redaction's label.

    >>> how_key("mask(1,0)"), how_key("")
    ('how_mask', 'how_reveal')
    """
    return f"how_{how.partition('(')[0] or 'reveal'}"


def field_key(name: str) -> str:
    """text.toml's key for a field's name.

    >>> field_key("addresses.street")
    'fields_addresses_street'
    """
    return f"fields_{name.replace('.', '_')}"
