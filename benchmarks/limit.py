"""Contestant *limit*: the best that this work can cost. A bare Starlette handler and one statement written by hand for each work.

The statement checks consent, redacts and records as the gate's does, and answers with the same JSON. There is no GraphQL, no
token, no policy code, no rate limit, no metric: what the gateway adds to this is what being a gateway costs.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.data import CLIENT_ID, PARTNER, PURPOSE, REDACTIONS
from gateway.settings import Settings
from gateway.store.pool import SESSION, Connection
from gateway.store.uuid7 import uuid7
from scopes import field_key

CONNECTIONS: Final = 16
TOKEN_ID: Final = UUID(int=0)
PROJECTION_ID: Final = sha256(b"limit").digest()
FOLDER: Final = Path(__file__).parent / "sql"
EIGHT: Final = {
    "Subject.realName": "identity.real_name",
    "Subject.mobileNumber": "identity.mobile_number",
    "Subject.nationalId": "identity.national_id",
    "Subject.email": "identity.email",
    "Subject.birthDate": "profile.birth_date",
    "Subject.city": "profile.city",
    "Subject.registeredAt": "profile.registered_at",
}
ADDRESS: Final = dict.fromkeys(
    ("Address.recipient", "Address.street", "Address.city", "Address.postcode"),
    "contact.address",
)
POST: Final = dict.fromkeys(("Post.id", "Post.text", "Post.postedAt"), "content.posts")
FREQUENT: Final = b"comaeqn.ilxsgur163tpdhyfbkvwjz-0245789ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # of a domain, the frequent ones first


class Statements:
    """The three statements' text. The categories' bits are the database's, so they are written in when the process starts."""

    def __init__(self, ordinals: dict[str, int]) -> None:
        bits = {name.replace(".", "_"): 1 << ordinal for name, ordinal in ordinals.items()}
        all_eight = _union(ordinals, EIGHT.values())
        known = {
            **bits,
            "all_eight": all_eight,
            "all_ten": all_eight | bits["contact_address"] | bits["content_posts"],
            "digits": f"'\\x{b'0123456789'.hex()}'::bytea",
            "domain": f"'\\x{FREQUENT.hex()}'::bytea",
            "registered_at": _instant("x.registered_at"),
            "posted_at": _instant("p.posted_at"),
            "withheld_eight": _counts(ordinals, list(EIGHT.values())),
            "withheld_ten": _counts(ordinals, [*EIGHT.values(), "contact.address", "content.posts"]),
        }
        known["subject"] = (FOLDER / "subject.sql").read_text().format(**known).strip()
        self.one, self.page, self.rich = (
            (FOLDER / f"{name}.sql").read_text().format(**known) for name in ("one", "page", "rich")
        )


def _union(ordinals: dict[str, int], categories: Any) -> int:
    return sum({1 << ordinals[category] for category in categories})


def _instant(column: str) -> str:
    return (
        f"case when {column} > timestamptz '0001-01-01 00:00:00+00'"
        f" and {column} < timestamptz '9999-12-31 23:59:59.999999+00'"
        f""" then to_char({column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') end"""
    )


def _counts(ordinals: dict[str, int], categories: Sequence[str]) -> str:
    counts = ", ".join(f"count(*) filter (where covered & {1 << ordinals[category]} = 0)" for category in categories)
    return f"(select array[{counts}] from shown)"


class Limit:
    """The handlers, and connections that nothing else uses: nothing has to be reset between two statements."""

    def __init__(self, url: str, partner_id: UUID, key: bytes, statements: Statements) -> None:
        self._url, self._partner_id, self._statements = url, partner_id, statements
        padded = key.ljust(64, b"\0")
        self._pads = tuple(bytes(byte ^ pad for byte in padded) for pad in (0x36, 0x5C))
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._eight, self._rich_fields = list(EIGHT), [*EIGHT, *ADDRESS, *POST]
        self._rich_counts = [*range(7), *[7] * len(ADDRESS), *[8] * len(POST)]

    async def _run(self, statement: str, *arguments: object) -> asyncpg.Record:
        async with self._free:
            connection = self._idle.pop() if self._idle else await asyncpg.connect(self._url, server_settings=SESSION)
            row = await connection.fetchrow(statement, *arguments)
            self._idle.append(connection)
        assert row is not None
        return row

    async def one(self, request: Request) -> Response:
        disclosure_id = uuid7()
        pseudonym = UUID(request.path_params["id"])
        node, subjects, counts = await self._run(
            self._statements.one, self._partner_id, pseudonym, disclosure_id, TOKEN_ID, PROJECTION_ID
        )
        told = self._told(disclosure_id, subjects, self._eight, range(7), counts)
        return _json(b'{"data":{"subject":' + (node or b"null") + b"}" + told)

    async def page(self, request: Request) -> Response:
        disclosure_id = uuid7()
        after, first = UUID(request.path_params["after"]), int(request.path_params["first"])
        row = await self._run(self._statements.page, self._partner_id, after, first, disclosure_id, TOKEN_ID, PROJECTION_ID)
        return _page(row, self._told(disclosure_id, row[3], self._eight, range(7), row[4]))

    async def rich(self, request: Request) -> Response:
        disclosure_id = uuid7()
        after, first = UUID(request.path_params["after"]), int(request.path_params["first"])
        row = await self._run(
            self._statements.rich, self._partner_id, after, first, disclosure_id, TOKEN_ID, PROJECTION_ID, *self._pads
        )
        return _page(row, self._told(disclosure_id, row[3], self._rich_fields, self._rich_counts, row[4]))

    def _told(
        self, disclosure_id: UUID, subjects: int, fields: Sequence[str], places: Sequence[int], counts: Sequence[int]
    ) -> bytes:
        withheld = ",".join(
            f'{{"field":"{field}","reason":"NOT_CONSENTED","count":{counts[place]}}}'
            for field, place in zip(fields, places, strict=True)
            if counts[place]
        )
        redacted = _REDACTED[len(fields)]
        return (
            f',"extensions":{{"disclosure":{{"id":"{disclosure_id}","purpose":"service_delivery","subjects":{subjects},'
            f'"withheld":[{withheld}],"redacted":{redacted}}}}}}}'
        ).encode()


def _redacted(fields: Sequence[str]) -> str:
    listed = [
        {"field": field, "redaction": REDACTIONS[field].label()} for field in fields if REDACTIONS[field].label() != "reveal"
    ]
    return json.dumps(listed, separators=(",", ":"))


_REDACTED: Final = {len(fields): _redacted(fields) for fields in (list(EIGHT), [*EIGHT, *ADDRESS, *POST])}


def _page(row: asyncpg.Record, told: bytes) -> Response:
    nodes = b"" if row[0] is None else b'{"node":' + row[0] + b"}"
    cursor = "null" if row[2] is None else f'"{row[2]}"'
    page_info = f'],"pageInfo":{{"hasNextPage":{"true" if row[1] else "false"},"endCursor":{cursor}}}}}}}'
    return _json(b'{"data":{"subjects":{"edges":[' + nodes + page_info.encode() + told)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def create_app() -> Starlette:
    """The application, for uvicorn."""
    settings = Settings()
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        conn = await asyncpg.connect(url, server_settings=SESSION)
        ordinals = {row["category"]: row["ordinal"] for row in await conn.fetch("select category, ordinal from gateway.category")}
        partner_id = await conn.fetchval("select partner_id from gateway.partner where name = $1", PARTNER)
        assert CLIENT_ID == "bench"
        await conn.close()
        key = field_key(settings.key("field"), partner_id, PURPOSE.value)
        limit = Limit(url, partner_id, key, Statements(ordinals))
        app.router.routes.extend(
            [
                Route("/one/{id}", limit.one),
                Route("/page/{first}/{after}", limit.page),
                Route("/rich/{first}/{after}", limit.rich),
            ]
        )
        yield

    return Starlette(lifespan=lifespan)
