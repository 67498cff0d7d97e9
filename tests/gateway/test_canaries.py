"""The canary sweep: whatever is asked, rightly or wrongly, a marker comes out only where its partner's scope reveals it in clear.

Policy 9.2, 6.2: no raw value in an answer that may not have it, in a header, an error, a log, a metric or the database's log.
"""

from __future__ import annotations

import base64
import json
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gateway.catalogue.weidandan import CATALOGUE
from gateway.demo.partners import GRANTED
from scopes import Rung
from tests.gateway.demo.test_run import Running, a_free_port, run_until_it_serves, stop
from tests.support.database import a_folder

RANDOM_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")
SHOWN_MAX = 6  # characters in a row of a marker that a mask or a generalisation may show
HOSTILE = (b"null", b'"x"', b"[]", b"{}", b"{", b"\xff", b'{"query":"{"}', b'{"query":"{ me }","query":"{ me }"}', b"[" * 2000)
LISTS = {
    "addresses": "Address",
    "posts": "Post",
    "serviceEvents": "ServiceEvent",
    "devices": "Device",
    "partnerLogins": "PartnerLogin",
}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with a_folder() as data:
        demo = run_until_it_serves(data, a_free_port())
        yield demo
        if demo.process.poll() is None:
            stop(demo, signal.SIGINT)


def markers(canary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(schema path, marker) of one canary."""
    for path, value in canary["values"].items():
        yield from ((path, marker) for marker in ([value] if isinstance(value, str) else value))


def spellings(marker: str) -> set[str]:
    """A marker as it stands, and as encodings would write it."""
    raw = marker.encode()
    return {marker, json.dumps(marker)[1:-1], quote(marker), raw.hex(), base64.b64encode(raw).decode().rstrip("=")}


def leaks(text: str, canaries: Sequence[Mapping[str, Any]], allowed: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """(subject id, path) of every marker that `text` shows and none of `allowed` paths explains: whole, or seven in a row.

    Random ids hold any seven hexadecimal digits now and then, so parts are sought outside of them.
    """
    words = RANDOM_ID.sub("", text)
    explained = {marker for canary in canaries for path, marker in markers(canary) if path in allowed}
    found = []
    for canary in canaries:
        for path, marker in markers(canary):
            if marker in explained:
                continue
            parts = {marker[n : n + SHOWN_MAX + 1] for n in range(len(marker) - SHOWN_MAX)}
            told = {
                part
                for part in parts
                if not any(part in other for other in explained) and "://" not in part and "https:/" not in part
            }
            if any(spelling in text for spelling in spellings(marker)) or (_is_own(path) and any(part in words for part in told)):
                found.append((canary["subject_id"], path))
        if canary["subject_id"] in text:
            found.append((canary["subject_id"], "subject_id"))
    return found


def _is_own(path: str) -> bool:
    """Whether parts of a marker of this path are its own: addresses on the web share theirs, and ids are random."""
    return path not in {"Subject.photos", "ServiceEvent.referrer", "Post.id"}


def send(demo: Running, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> str:
    """Status, headers and body as one text."""
    connection = HTTPConnection("127.0.0.1", demo.port, timeout=60)
    connection.request(method, path, body, dict(headers))
    answer = connection.getresponse()
    text = f"{answer.status}\n{answer.headers}\n{answer.read().decode(errors='replace')}"
    connection.close()
    return text


def ask(demo: Running, token: str, document: str, variables: Mapping[str, object] | None = None) -> str:
    body = json.dumps({"query": document, "variables": variables or {}}).encode()
    return send(demo, "POST", "/graphql", body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})


def selections() -> Iterator[str]:
    """Every field of the catalogue alone, whoever may have it."""
    for shared in CATALOGUE.types.values():
        for member in shared.members.values():
            if shared is CATALOGUE.subject:
                yield member.name if member.name not in LISTS else f"{member.name} {{ __typename }}"
            else:
                outer = next(name for name, inner in LISTS.items() if inner == shared.name)
                yield f"{outer}(first: 100) {{ {member.name} }}"


def everything_of(partner: str) -> str:
    """All fields of a partner's scope at once."""
    paths = [field.path for granted, scope in GRANTED if granted.name == partner for field in scope.fields]
    below: dict[str, list[str]] = {}
    for path in paths:
        type_name, name = path.split(".")
        below.setdefault(type_name, []).append(name)
    outer = {inner: name for name, inner in LISTS.items()}
    nested = [f"{outer[name]} {{ {' '.join(fields)} }}" for name, fields in below.items() if name != "Subject"]
    return " ".join(["id", *below.get("Subject", []), *nested])


def requests_of(demo: Running, partner: str, token: str) -> Iterator[str]:
    """Everything that a partner may ask, and much that it may not, each answer as text."""
    canaries = demo.document["canaries"]
    for selection in selections():
        yield ask(demo, token, f"{{ subjects(first: 200) {{ edges {{ cursor node {{ id a: {selection} }} }} }} }}")
    for canary in canaries:
        identity = canary["pseudonyms"].get(partner, "none")
        yield ask(demo, token, f"query ($id: ID!) {{ subject(id: $id) {{ {everything_of(partner)} }} }}", {"id": identity})
        yield ask(demo, token, "query ($id: ID!) { subject(id: $id) { id } }", {"id": canary["subject_id"][:8]})
    yield ask(demo, token, "{ access { fields { path redaction } sdl } __schema { types { name fields { name description } } } }")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for body in HOSTILE:
        yield send(demo, "POST", "/graphql", body, headers)
    for path in (
        "/graphql?query=%7B__typename%7D",
        "/graphql?query=%7B",
        "/metrics",
        "/healthz",
        "/readyz",
        "/oauth/jwks",
        "/nowhere",
    ):
        yield send(demo, "GET", path, None, headers)
    yield send(demo, "POST", "/graphql", b"{}", {**headers, "Authorization": f"Bearer {token}x"})
    yield send(
        demo, "POST", "/oauth/token", b"grant_type=client_credentials&client_id=adlens", {"Content-Type": "application/json"}
    )


def revealed_to(partner: str) -> frozenset[str]:
    return frozenset(
        field.path
        for granted, scope in GRANTED
        if granted.name == partner
        for field in scope.fields
        if field.redaction.rung is Rung.REVEAL
    )


@pytest.mark.parametrize("partner", ["adlens", "swiftmsg", "citymap", "overseas", "newcomer"])
def test_a_marker_comes_out_only_where_the_partners_scope_reveals_it(running: Running, partner: str) -> None:
    """policy 6.2, 9.2: in whatever is asked, rightly or wrongly."""
    token, canaries = running.document["partners"][partner]["access_token"], running.document["canaries"]
    shown = 0
    for text in requests_of(running, partner, token):
        assert leaks(text, canaries, revealed_to(partner)) == []
        shown += text.startswith("200")

    assert shown > 0


def test_no_marker_is_in_what_the_server_printed_or_the_database_wrote_down(running: Running) -> None:
    """policy 9.2: no log, whatever had been asked before."""
    canaries = running.document["canaries"]
    texts = [path.read_text(errors="replace") for path in Path(running.data).glob("*.log")]

    assert texts
    for text in [*texts, running.screen]:
        assert leaks(text, canaries) == []


def test_the_sweep_sees_a_planted_marker_whole_in_part_and_encoded(running: Running) -> None:
    """A sweep that could not fail would prove nothing."""
    canaries = running.document["canaries"]
    name = canaries[0]["values"]["Subject.realName"]
    street = canaries[1]["values"]["Address.street"][0]

    assert leaks(f"200 {name}", canaries)
    assert leaks(f"200 {street[9:16]}", canaries)
    assert leaks(f"200 {base64.b64encode(name.encode()).decode()}", canaries)
    assert leaks(f"200 {canaries[2]['subject_id']}", canaries)
    assert leaks(f"200 {street[:6]}", canaries) == []
