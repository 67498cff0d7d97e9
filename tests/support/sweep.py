"""Everything that somebody may send to a gateway, well meant and not, with every byte of every answer kept."""

from __future__ import annotations

import gzip
import json
import random
import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import quote

from gateway.catalogue.definition import RowList
from gateway.catalogue.weidandan import CATALOGUE
from tests.support.leaks import Answer

PATIENCE_S = 30
JSON = "application/json"
MEDIA = (JSON, "application/graphql-response+json", "*/*", "text/html")
LISTS = {
    member.shared.type_name: name for name, member in CATALOGUE.subject.members.items() if isinstance(member.shared, RowList)
}
PATHS = tuple(CATALOGUE.fields)
ASSERTION = "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
Headers = Mapping[str, str | bytes]


class Sender:
    """One kept connection. answers: all that has come back, in order."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self.answers: list[Answer] = []

    def send(
        self, partner: str | None, what: str, method: str, path: str, headers: Headers | None = None, body: bytes | None = None
    ) -> Answer:
        """Raises what http.client raises where the gateway gives no answer at all."""
        if self._connection.sock is not None and select.select([self._connection.sock], [], [], 0)[0]:
            self._connection.close()  # the gateway has closed it: nobody asked anything for longer than it waits
        self._connection.request(method, path, body, {"Connection": "keep-alive", **(headers or {})})
        got = self._connection.getresponse()
        head = f"{got.status} {got.reason}\n" + "\n".join(f"{name}: {value}" for name, value in got.getheaders())
        answer = Answer(partner, what, got.status, head, got.read().decode("utf-8", "surrogateescape"))
        if got.will_close:
            self._connection.close()
        self.answers.append(answer)
        return answer

    def ask(self, partner: str | None, what: str, token: str, document: str, **more: object) -> Answer:
        """A GraphQL request. more: `variables`, `operationName`."""
        return self.post(partner, what, token, json.dumps({"query": document, **more}).encode())

    def post(self, partner: str | None, what: str, token: str | bytes, body: bytes, **headers: str | bytes) -> Answer:
        """headers: by name, with `_` for `-`."""
        bearer = b"Bearer " + (token.encode() if isinstance(token, str) else token)
        given: dict[str, str | bytes] = {"Authorization": bearer, "Content-Type": JSON}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(partner, what, "POST", "/graphql", given, body)

    def close(self) -> None:
        self._connection.close()


@contextmanager
def a_sender(port: int) -> Iterator[Sender]:
    sender = Sender(port)
    try:
        yield sender
    finally:
        sender.close()


def selection(paths: Sequence[str], alias: str = "") -> str:
    """These paths of a data subject, under aliases that `leaks.shown` understands where `alias` is given."""
    prefix = f"{alias}_" if alias else ""
    words = ["id"]
    rows: dict[str, list[str]] = {}
    for path in paths:
        owner, _, name = path.partition(".")
        called = f"{prefix}{name}: {name}" if alias else name
        if owner in LISTS:
            rows.setdefault(owner, []).append(called)
        else:
            words.append(called)
    words += [
        f"{prefix + LISTS[owner] + ': ' if alias else ''}{LISTS[owner]} {{ {' '.join(inner)} }}" for owner, inner in rows.items()
    ]
    return " ".join(words)


def of_each(ids: Sequence[str], chosen: str) -> str:
    """One operation over several data subjects by pseudonym."""
    return "{ " + " ".join(f'a{n}_subject: subject(id: "{known_as}") {{ {chosen} }}' for n, known_as in enumerate(ids)) + " }"


def well_meant(sender: Sender, partner: str, token: str, held: Sequence[str], ids: Sequence[str], seed: int) -> None:
    """Every field of the catalogue alone, those that the partner holds in combinations, pages, fragments, directives."""
    chooser = random.Random(seed)  # noqa: S311 - drawn again the same way
    for path in PATHS:
        sender.ask(partner, path, token, of_each(ids, selection([path])))
        sender.ask(
            partner,
            f"{path} in a page",
            token,
            f"{{ subjects(first: 5) {{ edges {{ cursor node {{ {selection([path])} }} }} }} }}",
        )
    for _ in range(8 if held else 0):
        some = chooser.sample(held, chooser.randint(2, len(held)))
        sender.ask(partner, "a combination", token, of_each(ids, selection(some)))
        sender.ask(partner, "aliases", token, of_each(ids, f"{selection(some, 'x')} {selection(some, 'y')}"))
        fragment = f"fragment F on Subject {{ {selection(some)} }}"
        page = "subjects(first: 4) { edges { node { id ...F @include(if: $is) } } }"
        for yes in (True, False):
            sender.ask(partner, "a fragment", token, f"{fragment} query ($is: Boolean!) {{ {page} }}", variables={"is": yes})
        sender.ask(partner, "all and one more", token, of_each(ids, selection([*some, chooser.choice(PATHS)])))
        query = quote(of_each(ids[:2], selection(some)))
        sender.send(partner, "GET", "GET", f"/graphql?query={query}", {"Authorization": f"Bearer {token}"})
    if held:
        pages(sender, partner, token, held)
    for document in (
        "{ access { partner purpose scopes sdl fields { path category redaction requires scopes } } }",
        "{ __schema { types { name description fields { name description args { name } } } directives { name } } }",
        '{ __type(name: "Subject") { fields { name } } }',
        "{ __typename }",
        "{ me { id } }",
        of_each(ids, "... on Subject { __typename id }"),
    ):
        sender.ask(partner, "about the schema", token, document)


def pages(sender: Sender, partner: str, token: str, held: Sequence[str]) -> None:
    """Every data subject that can be seen, with every field held."""
    chosen = f"pageInfo {{ hasNextPage startCursor endCursor }} edges {{ cursor node {{ {selection(held)} }} }}"
    after = None
    while True:
        document = f"query ($after: String) {{ subjects(first: 60, after: $after) {{ {chosen} }} }}"
        answer = sender.ask(partner, "a page of everything", token, document, variables={"after": after})
        page = answer.data["subjects"]["pageInfo"]
        if not page["hasNextPage"]:
            return
        after = page["endCursor"]


Sent = Callable[[Sender, str, str], object]
"""One request, yet to be sent: by whom, for which partner, with which token."""


def ill_meant(sender: Sender, partner: str, token: str, value: str, chosen: slice) -> None:
    """A raw value wherever a request has a place for one. An answer that repeats it has leaked it into somebody's log.

    chosen: of the places, a part for all but some of many values.
    """
    attempts = [*_documents(value), *_variables(value), *_bodies(value), *_addresses(value), *_forms(value)]
    for attempt in attempts[chosen]:
        attempt(sender, partner, token)


def _documents(value: str) -> Iterator[Sent]:
    text = json.dumps(value, ensure_ascii=False)
    for what, document in {
        "a raw id": f"{{ subject(id: {text}) {{ id }} }}",
        "a raw id with escapes": f"{{ subject(id: {json.dumps(value)}) {{ id }} }}",
        "a raw cursor": f"{{ subjects(first: 1, after: {text}) {{ edges {{ node {{ id }} }} }} }}",
        "a raw number": f"{{ subjects(first: {text}) {{ edges {{ node {{ id }} }} }} }}",
        "an unknown argument": f"{{ subjects(first: 1, where: {text}) {{ edges {{ node {{ id }} }} }} }}",
        "a purpose": f"query @purpose(is: {text}) {{ access {{ partner }} }}",
        "no syntax": f"{{ {value} }}",
        "half a string": f'{{ subject(id: "{value}',
        "a comment": f"# {value}\n{{ access {{ partner }} }}",
        "a default": f"query ($id: ID = {text}) {{ subject(id: $id) {{ id }} }}",
        "a type condition": f"{{ ... on {value} {{ id }} }}",
    }.items():
        yield _asked(what, document)


def _variables(value: str) -> Iterator[Sent]:
    found = "query A($id: ID!, $n: Int) { subject(id: $id) { id } subjects(first: $n) { edges { cursor } } }"
    others: Mapping[str, Mapping[str, object]] = {
        "variables": {"variables": {"id": value, "n": 1}},
        "a variable of another type": {"variables": {"id": [value], "n": value}},
        "an unknown variable": {"variables": {value: value}},
        "variables that are none": {"variables": value},
        "an operation's name": {"operationName": value},
        "extensions": {"extensions": {value: value}},
        "an unknown key": {value: value},
    }
    for what, more in others.items():
        yield _asked(what, found, more)


def _bodies(value: str) -> Iterator[Sent]:
    encoded, text = value.encode(), json.dumps(value, ensure_ascii=False).encode()
    for what, body in {
        "a body that is no object": text,
        "a batch": b"[" + text + b"]",
        "half a body": b'{"query": ' + text,
        "a key twice": b'{"query": %b, "query": %b}' % (text, text),
        "no UTF-8": b'{"query": "\xff' + encoded + b'"}',
        "a lone surrogate": b'{"query": "\\ud800' + encoded + b'"}',
        "deep nesting": b'{"query": "{a}", "variables": ' + b"[" * 200 + text + b"]" * 200 + b"}",
        "a long body": b'{"query": "' + encoded * 8000 + b'"}',
    }.items():
        yield _posted(what, body)
    yield _posted("compressed", gzip.compress(text), Content_Encoding="gzip")
    yield _posted("a media type", text, Content_Type=encoded)
    yield _posted("an answer's media type", b"{}", Accept=encoded)
    yield _posted("a token", b"{}", Authorization=b"Bearer " + encoded)
    yield _posted("another scheme", b"{}", Authorization=encoded)
    yield _posted("no token", text, Authorization=b"")


def _addresses(value: str) -> Iterator[Sent]:
    whole = quote(value, safe="")
    for path in (f"/{whole}", f"/graphql/{whole}", f"/oauth/{whole}", f"/metrics?{whole}={whole}", f"/.well-known/{whole}"):
        yield _sent("GET", path)
    yield _sent("GET", f"/graphql?query={whole}&variables={whole}&operationName={whole}")
    yield _sent("GET", f"/graphql?{whole}={whole}")
    for method in ("PUT", "DELETE", "OPTIONS"):
        yield _sent(method, f"/graphql?{whole}", body=value.encode())


def _forms(value: str) -> Iterator[Sent]:
    whole = quote(value, safe="")
    for path in ("/oauth/token", "/oauth/revoke"):
        for fields in (
            f"grant_type={whole}&client_id={whole}&scope={whole}",
            f"grant_type=client_credentials&client_assertion_type={whole}&client_assertion={whole}",
            f"{ASSERTION}&client_assertion=eyJhbGciOiJFUzI1NiJ9.{whole}.{whole}&scope={whole}&client_id={whole}",
            f"{whole}={whole}&token={whole}",
        ):
            yield _sent("POST", path, body=fields.encode(), media="application/x-www-form-urlencoded")
        yield _sent("POST", path, body=json.dumps(value).encode())


def _asked(what: str, document: str, more: Mapping[str, object] | None = None) -> Sent:
    return lambda sender, partner, token: sender.ask(partner, what, token, document, **(more or {}))


def _posted(what: str, body: bytes, **headers: str | bytes) -> Sent:
    return lambda sender, partner, token: sender.post(partner, what, token, body, **headers)


def _sent(method: str, path: str, body: bytes | None = None, media: str = JSON) -> Sent:
    what = f"{method} {path.partition('?')[0].partition('%')[0]}"
    return lambda sender, partner, token: sender.send(
        partner, what, method, path, {"Authorization": f"Bearer {token}", "Content-Type": media}, body
    )


def bystanders(sender: Sender) -> None:
    """The pages for machines."""
    for path in (
        "/healthz",
        "/readyz",
        "/metrics",
        "/oauth/jwks",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/graphql",
        "/",
        "/docs",
        "/graphql",
    ):
        for media in MEDIA:
            sender.send(None, path, "GET", path, {"Accept": media})
