"""A text as it is and as each of the usual encodings would have it: a value that was only wrapped is still a value."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_READABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\ufffd]{4}")
KEPT = 1 << 16
"""Runs that are decoded once: nearly all of an answer stands in others as well."""
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){6,}")
_ESCAPE = re.compile(r"(?:\\+u[0-9A-Fa-f]{4})+")


def views(text: str) -> Iterator[tuple[str, str]]:
    """(encoding, text), escapes within encodings as well; each text once."""
    seen = {text}
    yield "plain", text
    for name, decode in _DECODERS.items():
        view = decode(text)
        for nested, inner in [(name, view), *((f"{also} in {name}", _DECODERS[also](view)) for also in _ESCAPES)]:
            if inner and inner not in seen:
                seen.add(inner)
                yield nested, inner


def base64_bytes(text: str) -> Iterator[bytes]:
    """What base64 may stand for: every run at each of the four places where a value within it may begin."""
    for run in _base64_runs(text):
        yield from _decoded(run)


def _base64_runs(text: str) -> Iterable[str]:
    return dict.fromkeys(_BASE64.findall(text.replace("\\/", "/")))


@lru_cache(maxsize=KEPT)
def _decoded(run: str) -> Sequence[bytes]:
    urlsafe = run.replace("+", "-").replace("/", "_")
    pieces = [urlsafe[start:] for start in range(4)]
    whole = [piece[:-1] if len(piece) % 4 == 1 else piece for piece in pieces]
    return [base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4)) for piece in whole]


@lru_cache(maxsize=KEPT)
def _readable(run: str) -> str:
    """Of what a run may stand for, that in which a few characters in a row can be read."""
    texts = [found.decode("utf-8", "replace") for found in _decoded(run)]
    return "\n".join(text for text in texts if _READABLE.search(text))


def _of_base64(text: str) -> str:
    return "\n".join(filter(None, map(_readable, _base64_runs(text))))


def _of_hex(text: str) -> str:
    runs = [bytes.fromhex(match.group()) for match in _HEX.finditer(text)]
    shifted = [bytes.fromhex(match.group()[1:-1]) for match in _HEX.finditer(text)]
    return "\n".join(run.decode("utf-8", "replace") for run in [*runs, *shifted])


def _of_escapes(text: str) -> str:
    def decoded(match: re.Match[str]) -> str:
        units = "".join(re.findall(r"u([0-9A-Fa-f]{4})", match.group()))
        return bytes.fromhex(units).decode("utf-16-be", "replace")

    return _ESCAPE.sub(decoded, text)


_DECODERS: Mapping[str, Callable[[str], str]] = {
    "JSON escapes": _of_escapes,
    "percent": unquote,
    "HTML": html.unescape,
    "base64": _of_base64,
    "hex": _of_hex,
    "reversed": lambda text: text[::-1],
}
_ESCAPES = ("JSON escapes", "percent")
