"""Ways of breaking a gateway, each with what the sweep has to say of it, and a gateway that is served broken."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from gateway.catalogue.definition import Leaf
from gateway.catalogue.weidandan import ADDRESSES
from gateway.contracts.breach import Breach
from gateway.request import authorise, fetch, serve
from gateway.request.consent import IS_READABLE
from gateway.request.redact import expression
from gateway.request.run import read_pseudonym
from gateway.request.statement import Statement, compile_statement
from gateway.settings import Settings
from gateway.watch.guard import App, Message, Receive, Send
from scopes import Kind, Redaction, Rung
from tests.gateway.contracts.conftest import GENEROUS

EXPOSED = "Address.street"  # of which shopmate sees six characters


@dataclass(frozen=True)
class Break:
    """One way of being wrong. sql: run in the database before; code: patches; answer: what becomes of an answer."""

    breach: Breach
    code: Callable[[pytest.MonkeyPatch], None] | None = None
    answer: Callable[[dict[str, Any], str], object] | None = None
    header: Callable[[str], str] | None = None
    state: str | None = None
    exposed: str = EXPOSED


def redacting(change: Callable[[Kind, Redaction, str], str | None]) -> Callable[[pytest.MonkeyPatch], None]:
    """Other SQL for some values. change: kind, rule and column; None leaves it as it is."""

    def patched(kind: Kind, redaction: Redaction, column: str, **rest: Any) -> str:
        return change(kind, redaction, column) or expression(kind, redaction, column, **rest)

    return lambda patch: patch.setattr(fetch, "expression", patched)


def revealing(kind: Kind, rung: Rung) -> Callable[[pytest.MonkeyPatch], None]:
    """Values of a kind in clear where the rule is of this rung."""
    clear = Redaction(Rung.REVEAL)
    return redacting(
        lambda found, rule, column: (
            expression(found, clear, column, key_pads=("", ""), at="statement_timestamp()")
            if (found, rule.rung) == (kind, rung)
            else None
        )
    )


def saying(before: str, after: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Another text of the statement."""

    def compiled(*words: Any, **rest: Any) -> Statement:
        made = compile_statement(*words, **rest)
        assert before in made.text or "caller" in made.text
        return replace(made, text=made.text.replace(before, after))

    return lambda patch: patch.setattr(authorise, "compile_statement", compiled)


def _aliases_in_clear(patch: pytest.MonkeyPatch) -> None:
    member = fetch._NodeWriter._member

    def changed(self: Any, field: Any, found: Any, writer: Any) -> None:
        if isinstance(found.shared, Leaf) and field.key != field.name:
            writer.string(field.key, f"{found.shared.column}::text")
        else:
            member(self, field, found, writer)

    patch.setattr(fetch._NodeWriter, "_member", changed)


def _keys_in_clear(patch: pytest.MonkeyPatch) -> None:
    """What made pseudonyms of them is still in the statement."""

    def patched(kind: Kind, redaction: Redaction, column: str, **rest: Any) -> str:
        made = expression(kind, redaction, column, **rest)
        return f"left({made}, 0) || {column}::text" if kind is Kind.IDENTIFIER else made

    patch.setattr(fetch, "expression", patched)


def _counting_one_more(patch: pytest.MonkeyPatch) -> None:
    assemble = serve._assemble

    def changed(prepared: Any, ran: Any, *rest: Any) -> Any:
        row = [*ran.row]
        if len(row) > 2 and row[2]:
            row[2] = [count + 1 for count in row[2]]
        return assemble(prepared, replace(ran, row=row), *rest)

    patch.setattr(serve, "_assemble", changed)


def _edges(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = ((body.get("data") or {}).get("subjects") or {}).get("edges")
    return found if isinstance(found, list) else []


def _swap(body: dict[str, Any], _secret: str) -> None:
    """Values of two data subjects change places, whichever differ: masks of two values may be equal."""
    nodes = [edge["node"] for edge in _edges(body) if edge.get("node")]
    for one, other in pairwise(nodes):
        for key in one.keys() - {"id"}:
            if isinstance(one[key], str) and isinstance(other[key], str):
                one[key], other[key] = other[key], one[key]


def _told(body: dict[str, Any], text: str) -> None:
    body.setdefault("extensions", {})["trace"] = text


def _quoting(body: dict[str, Any], secret: str) -> None:
    for error in body.get("errors", ()):
        error["message"] += f" near {secret[3:12]!r}"


def _forgiving(body: dict[str, Any], _secret: str) -> None:
    """A field that does not exist is null instead of an error."""
    if body.pop("errors", None):
        body["data"] = {"subjects": None}


def _cut_before_consent(patch: pytest.MonkeyPatch) -> None:
    """A page of the first few, of whom then only those are left who may be seen."""
    page = fetch.Fetcher._page
    whole = re.compile(
        r"s\n   where (.+? and .+?) and (.+) and (s\.pseudonym > \S+)\n   order by s\.pseudonym limit (.+) \+ 1\)$", re.DOTALL
    )
    cut = r"(select * from gateway.consent_state s where \1 and \3 order by s.pseudonym limit \4 + 1) s where \2)"

    def changed(self: Any, number: int, selected: Any) -> tuple[str, ...]:
        first, *rest = page(self, number, selected)
        return (whole.sub(cut, first).replace("gateway.consent_state (", "("), *rest)

    patch.setattr(fetch.Fetcher, "_page", changed)


def _known_although_unseen(patch: pytest.MonkeyPatch) -> None:
    """Whoever refuses is an empty data subject, and who does not exist is none."""
    root = fetch.Fetcher.root

    def changed(self: Any, number: int, selected: Any) -> Any:
        made = root(self, number, selected)
        if selected.name != "subject":
            return made
        wanted = selected.arguments["id"]
        place = self.arguments.add(("pseudonym", wanted), "uuid", read_pseudonym(wanted))
        known = f"(select textsend('{{}}') from gateway.consent_state s where s.pseudonym = {place} limit 1)"
        (answer,) = made.answer
        return replace(made, answer=(replace(answer, column=f"coalesce({answer.column}, {known})"),))

    patch.setattr(fetch.Fetcher, "root", changed)


def _list_as_long_as_it_is(patch: pytest.MonkeyPatch) -> None:
    """Of addresses that are withheld, a null for each."""
    listed = fetch._NodeWriter._list
    each = "(select string_agg('null', ',') from platform.address x where x.subject_id = c.subject_id)"

    def changed(self: Any, field: Any, table: Any, *rest: Any) -> str:
        made = listed(self, field, table, *rest)
        return made.replace("else 'null' end", f"else '[' || coalesce({each}, '') || ']' end") if table is ADDRESSES else made

    patch.setattr(fetch._NodeWriter, "_list", changed)


def _everybody(body: dict[str, Any], _secret: str) -> None:
    told = (body.get("extensions") or {}).get("disclosure")
    if told:
        told["subjects"] += 4


TRIGGER = """
create function gateway.broken() returns trigger language plpgsql as $$ begin {} return new; end $$;
create trigger broken before insert or update on gateway.consent_state for each row execute function gateway.broken();"""

BREAKS: Mapping[str, Break] = {
    "a mask that keeps all it may": Break(
        Breach.VALUE,
        redacting(
            lambda kind, rule, column: (
                expression(kind, Redaction(Rung.MASK, head=3, tail=4), column, key_pads=("", ""), at="statement_timestamp()")
                if (kind, rule.rung) == (Kind.NATIONAL_ID, Rung.MASK)
                else None
            )
        ),
    ),
    "a mask with one digit more at its end": Break(
        Breach.VALUE,
        redacting(
            lambda kind, rule, column: (
                f"left({column}, 3) || '***' || right({column}, 5)" if (kind, rule.rung) == (Kind.PHONE, Rung.MASK) else None
            )
        ),
    ),
    "a mask that masks nothing": Break(Breach.VALUE, revealing(Kind.EMAIL, Rung.MASK)),
    "a birth date for a year": Break(Breach.VALUE, revealing(Kind.BIRTH_DATE, Rung.GENERALISE)),
    "an address for a network": Break(Breach.VALUE, revealing(Kind.IP, Rung.GENERALISE)),
    "a place for a district": Break(Breach.VALUE, revealing(Kind.LOCATION, Rung.GENERALISE)),
    "an instant for a day": Break(Breach.VALUE, revealing(Kind.INSTANT, Rung.GENERALISE)),
    "a field that asks for nobody's consent": Break(
        Breach.NOT_WITHHELD, lambda patch: patch.setattr(fetch, "covers", lambda _mask, **_rest: "true")
    ),
    "whoever said no is on the page": Break(
        Breach.VISIBLE, lambda patch: patch.setattr(fetch, "IS_READABLE", IS_READABLE.rpartition(" and ")[0])
    ),
    "a state that outlives its withdrawal": Break(Breach.VISIBLE, state="new.visible_until := 'infinity';"),
    "a state that covers what was not agreed to": Break(
        Breach.NOT_WITHHELD, state="if new.covered <> 0 then new.covered := -1; new.settled_until := 'infinity'; end if;"
    ),
    "a pseudonym that all partners share": Break(Breach.VISIBLE, state="new.pseudonym := md5(new.subject_id::text)::uuid;"),
    "a raw id in place of the pseudonym": Break(Breach.RAW_ID, saying("c.pseudonym::text", "c.subject_id::text")),
    "a cursor with a raw id": Break(
        Breach.RAW_ID, lambda patch: patch.setattr(fetch, "PSEUDONYM", """('"' || {}.subject_id || '"')""")
    ),
    "rows of everybody": Break(Breach.VALUE, saying("x.subject_id = c.subject_id and", "true and")),
    "aliases that skip the redaction": Break(Breach.VALUE, _aliases_in_clear),
    "a count of more than those shown": Break(Breach.COUNT, _counting_one_more),
    "a cursor that counts everybody": Break(
        Breach.EXISTENCE,
        lambda patch: patch.setattr(
            fetch.Fetcher, "_cursor", lambda *_words: "(select '\"' || count(*) || '\"' from platform.account)"
        ),
    ),
    "values of two that changed places": Break(Breach.VALUE, answer=_swap),
    "somebody who is left out": Break(Breach.INVISIBLE, answer=lambda body, _secret: _edges(body)[-1:] and _edges(body).pop()),
    "a page that is cut before consent is asked": Break(Breach.PAGES, _cut_before_consent),
    "a page that begins with the one before": Break(Breach.PAGES, saying("s.pseudonym > ", "s.pseudonym >= ")),
    "a withheld list that tells how long it is": Break(Breach.EXISTENCE, _list_as_long_as_it_is),
    "somebody who refuses and is known to": Break(Breach.EXISTENCE, _known_although_unseen),
    "a number of data subjects that nobody sees": Break(Breach.COUNT, answer=_everybody),
    "a key of a row in clear": Break(Breach.VALUE, _keys_in_clear),
    "a cursor of the bytes of a raw id": Break(
        Breach.RAW_ID,
        lambda patch: patch.setattr(fetch, "PSEUDONYM", """('"' || encode(uuid_send({}.subject_id), 'base64') || '"')"""),
    ),
    "a mask that trusts the shape": Break(
        Breach.VALUE,
        redacting(
            lambda kind, rule, column: (
                f"left({column}, 3) || '****' || right({column}, 4)" if (kind, rule.rung) == (Kind.PHONE, Rung.MASK) else None
            )
        ),
    ),
    "a redaction that raises": Break(
        Breach.REFUSAL,
        redacting(lambda kind, _rule, column: f"({column}::bigint)::text" if kind is Kind.PHONE else None),
    ),
    "a key that nobody asked for": Break(
        Breach.UNASKED, answer=lambda body, _secret: body["data"].update(debug=None) if body.get("data") else None
    ),
    "a field that does not exist and is null": Break(Breach.REFUSAL, answer=_forgiving),
    "an error that quotes": Break(Breach.RAW, answer=_quoting),
    "an extension with a short value": Break(
        Breach.RAW, answer=lambda body, secret: _told(body, f"near {secret}."), exposed="Address.postcode"
    ),
    "an extension with a name": Break(Breach.RAW, answer=_told, exposed="Subject.realName"),
    "an extension in hexadecimal": Break(Breach.RAW, answer=lambda body, secret: _told(body, secret.encode().hex())),
    "an extension that is reversed": Break(Breach.RAW, answer=lambda body, secret: _told(body, secret[::-1])),
    "an extension in escapes": Break(Breach.RAW, answer=lambda body, secret: _told(body, json.dumps(secret[4:14]).strip('"'))),
    "a header in base64": Break(Breach.RAW, header=lambda secret: base64.b64encode(f"u={secret}".encode()).decode()),
}


class Broken:
    """The application, with its answers changed on their way out."""

    def __init__(self, app: App, broken: Break) -> None:
        self._app, self._broken, self.secret = app, broken, ""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/graphql":
            await self._app(scope, receive, send)
            return
        start: Message = {}
        chunks: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                chunks.append(message.get("body", b""))

        await self._app(scope, receive, keep)
        body = json.loads(b"".join(chunks))
        if self._broken.answer is not None:
            self._broken.answer(body, self.secret)
        text = json.dumps(body, ensure_ascii=False).encode()
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        headers.append((b"content-length", str(len(text)).encode()))
        if self._broken.header is not None:
            headers.append((b"x-trace", self._broken.header(self.secret).encode()))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": text})


@asynccontextmanager
async def listening(app: App, listener: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", interface="asgi3", ws="none"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            assert not task.done()
            await asyncio.sleep(0.01)  # uvicorn tells nobody
        yield
    finally:
        server.should_exit = True
        await task


@contextmanager
def told(patch: pytest.MonkeyPatch, url: str, data: Path, port: int) -> Iterator[Settings]:
    """What a worker reads from its environment."""
    for name, value in {
        "DATABASE_URL": url,
        "GATEWAY_DATA": str(data),
        "GATEWAY_BASE_URL": f"http://localhost:{port}",
        "GATEWAY_PORT": str(port),
        **{f"GATEWAY_{name.upper()}": value for name, value in GENEROUS.items()},
    }.items():
        patch.setenv(name, value)
    yield Settings()
