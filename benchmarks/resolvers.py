"""Contestant *resolvers*: the gateway as a good team would write it with Strawberry alone.

A schema with resolvers, dataloaders that read each table once a page, parsing and validation cached, a token check whose
signature half is cached, consent read once for the page, every value redacted in Python, the record inserted before the answer
goes out.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final
from uuid import UUID

import asyncpg
import orjson
import strawberry
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, SchemaExtension, ValidationCache

from benchmarks import resolver_masks as masks
from benchmarks.data import PURPOSE, SCOPE
from gateway.settings import Settings
from gateway.store.pool import SERVING
from gateway.store.uuid7 import uuid7
from scopes import field_key

CONNECTIONS: Final = 16
PROJECTION_ID: Final = sha256(b"resolvers").digest()

Row = asyncpg.Record

STANDING: Final = """
select t.client_id, p.partner_id, p.basis_version
  from gateway.access_token t join gateway.client c using (client_id) join gateway.partner p using (partner_id)
 where t.token_id = $1 and t.revoked_at is null and t.expires_at > now() and c.status = 'active' and p.status = 'active'
   and exists (select from gateway.partner_grant g where g.partner_id = p.partner_id and g.scope = $2 and g.revoked_at is null
                and now() >= g.starts_at and now() < g.ends_at)
   and not exists (select from gateway.halt h where h.lifted_at is null
                    and (h.target = 'all' or h.partner_id = p.partner_id or h.scope = $2))"""
_STATE: Final = """
select subject_id, pseudonym, reasons,
       case when settled_until > now() then covered else gateway.covered_at(cover_until, now()) end as covered
  from gateway.consent_state
 where partner_id = $1 and purpose = $2 and basis_version = $3 and not is_synthetic and visible_until > now()"""
STATE_OF_ONE: Final = f"{_STATE} and pseudonym = $4"
STATE_OF_PAGE: Final = f"{_STATE} and pseudonym > $4 order by pseudonym limit $5"
STATE_OF_OTHERS: Final = f"{_STATE} and subject_id = any($4)"
ACCOUNTS: Final = """
select subject_id, real_name, mobile_number, national_id, email, birth_date, city, registered_at
  from platform.account where subject_id = any($1)"""
ADDRESSES: Final = """
select subject_id, recipient, street, city, postcode from platform.address where subject_id = any($1) order by address_id"""
POSTS: Final = """
select subject_id, post_id, text, posted_at, depicted_ids from platform.post
 where subject_id = any($1) and deleted_at is null and is_shared order by posted_at desc, post_id"""
HEADER: Final = """
insert into gateway.disclosure (disclosure_id, disclosed_at, partner_id, client_id, token_id, purpose, projection_id,
                                subject_count, contract_run)
values ($1, now(), $2, $3, $4, $5, $6, $7, false)"""
RECORD: Final = """
insert into gateway.disclosure_subject (disclosed_at, disclosure_id, subject_id, roots, covered, reasons)
select now(), $1, u.subject_id, u.roots, u.covered, string_to_array(u.reasons, ',')::smallint[]
  from unnest($2::uuid[], $3::smallint[], $4::bigint[], $5::text[]) as u (subject_id, roots, covered, reasons)"""


@dataclass
class Asked:
    """One request: who asks, how to load, and what has been shown so far."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    bits: Mapping[str, int]
    key: bytes
    token_id: UUID
    caller: Row
    shown: dict[UUID, Row] = field(default_factory=dict)
    others: dict[UUID, Row] = field(default_factory=dict)
    shown_others: dict[UUID, Row] = field(default_factory=dict)
    wanted: int = 0

    def __post_init__(self) -> None:
        self.accounts = DataLoader(load_fn=self._accounts)
        self.addresses = DataLoader(load_fn=self._addresses)
        self.posts = DataLoader(load_fn=self._posts)

    async def states(self, question: str, *arguments: object) -> Sequence[Row]:
        caller = self.caller
        return await self.pool.fetch(question, caller["partner_id"], PURPOSE.value, caller["basis_version"], *arguments)

    async def _accounts(self, subject_ids: list[UUID]) -> list[Row | None]:
        found = {row["subject_id"]: row for row in await self.pool.fetch(ACCOUNTS, subject_ids)}
        return [found.get(subject_id) for subject_id in subject_ids]

    async def _addresses(self, subject_ids: list[UUID]) -> list[list[Row]]:
        return _grouped(subject_ids, await self.pool.fetch(ADDRESSES, subject_ids))

    async def _posts(self, subject_ids: list[UUID]) -> list[list[Row]]:
        rows = await self.pool.fetch(POSTS, subject_ids)
        depicted = {person for row in rows for person in row["depicted_ids"]}
        if depicted:
            self.others = {row["subject_id"]: row for row in await self.states(STATE_OF_OTHERS, list(depicted))}
            mentions = self.bits["content.mentions"]
            agree = {person for person, row in self.others.items() if row["covered"] & mentions}
            rows = [row for row in rows if not row["depicted_ids"] or agree.issuperset(row["depicted_ids"])]
        return _grouped(subject_ids, rows)


def _grouped(subject_ids: list[UUID], rows: Iterable[Row]) -> list[list[Row]]:
    found: dict[UUID, list[Row]] = {subject_id: [] for subject_id in subject_ids}
    for row in rows:
        found[row["subject_id"]].append(row)
    return [found[subject_id] for subject_id in subject_ids]


Info = strawberry.Info[Asked, None]


@strawberry.type
class Address:
    recipient: str | None
    street: str | None
    city: str | None
    postcode: str | None


@strawberry.type
class Post:
    id: strawberry.ID | None
    text: str | None
    posted_at: str | None


@strawberry.type
class Subject:
    """Scalars are plain attributes, redacted as the row is taken in: a resolver each would cost a third more."""

    id: strawberry.ID
    state: strawberry.Private[Row]
    real_name: str | None
    mobile_number: str | None
    national_id: str | None
    email: str | None
    birth_date: str | None
    city: str | None
    registered_at: str | None

    @strawberry.field
    async def addresses(self, info: Info, first: int = 20) -> list[Address] | None:
        asked = info.context
        bit = asked.bits["contact.address"]
        asked.wanted |= bit
        if not self.state["covered"] & bit:
            return None
        rows = await asked.addresses.load(self.state["subject_id"])
        return [
            Address(
                recipient=masks.name(row["recipient"]),
                street=masks.street(row["street"]),
                city=masks.city(row["city"]),
                postcode=masks.postcode(row["postcode"]),
            )
            for row in rows[:first]
        ]

    @strawberry.field
    async def posts(self, info: Info, first: int = 20) -> list[Post] | None:
        asked = info.context
        bit = asked.bits["content.posts"]
        asked.wanted |= bit
        if not self.state["covered"] & bit:
            return None
        rows = (await asked.posts.load(self.state["subject_id"]))[:first]
        for row in rows:
            for person in row["depicted_ids"]:
                asked.shown_others[person] = asked.others[person]
        return [
            Post(
                id=strawberry.ID(masks.item_id(asked.key, row["post_id"])),
                text=masks.text(row["text"]),
                posted_at=masks.instant(row["posted_at"]),
            )
            for row in rows
        ]


@strawberry.type
class Edge:
    node: Subject


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Connection:
    edges: list[Edge]
    page_info: PageInfo


@strawberry.type
class Query:
    @strawberry.field
    async def subject(self, info: Info, id: strawberry.ID) -> Subject | None:  # noqa: A002 - the schema's name
        states = await info.context.states(STATE_OF_ONE, UUID(id))
        found = await _subjects(info.context, states)
        return found[0] if found else None

    @strawberry.field
    async def subjects(self, info: Info, first: int, after: str | None = None) -> Connection:
        states = await info.context.states(STATE_OF_PAGE, UUID(after) if after else UUID(int=0), first + 1)
        nodes = await _subjects(info.context, states[:first])
        page_info = PageInfo(has_next_page=len(states) > first, end_cursor=nodes[-1].id if nodes else None)
        return Connection(edges=[Edge(node=node) for node in nodes], page_info=page_info)


async def _subjects(asked: Asked, states: Sequence[Row]) -> list[Subject]:
    bits = asked.bits
    rows = await asked.accounts.load_many([state["subject_id"] for state in states])
    found = []
    for state, row in zip(states, rows, strict=True):
        if row is None:
            continue
        covered = state["covered"]
        found.append(
            Subject(
                id=strawberry.ID(str(state["pseudonym"])),
                state=state,
                real_name=masks.name(row["real_name"]) if covered & bits["identity.real_name"] else None,
                mobile_number=masks.phone(row["mobile_number"]) if covered & bits["identity.mobile_number"] else None,
                national_id=masks.national_id(row["national_id"]) if covered & bits["identity.national_id"] else None,
                email=masks.email(row["email"]) if covered & bits["identity.email"] else None,
                birth_date=masks.year(row["birth_date"]) if covered & bits["profile.birth_date"] else None,
                city=masks.city(row["city"]) if covered & bits["profile.city"] else None,
                registered_at=masks.instant(row["registered_at"]) if covered & bits["profile.registered_at"] else None,
            )
        )
        asked.shown[state["subject_id"]] = state
    return found


class Recorded(SchemaExtension):
    """Inserts the record once the operation has run, before its answer goes out."""

    async def on_operation(self) -> AsyncIterator[None]:
        yield
        asked: Asked = self.execution_context.context
        disclosure_id = uuid7()
        rows = [*asked.shown.values(), *asked.shown_others.values()]
        own = len(asked.shown)
        wanted = asked.wanted | asked.bits["the eight"]
        partial = [",".join(map(str, row["reasons"])) if row["covered"] & wanted != wanted else None for row in rows[:own]]
        caller = asked.caller
        header = (caller["partner_id"], caller["client_id"], asked.token_id, PURPOSE.value, PROJECTION_ID, own)
        async with asked.pool.acquire() as conn, conn.transaction():
            await conn.execute(HEADER, disclosure_id, *header)
            await conn.execute(
                RECORD,
                disclosure_id,
                [row["subject_id"] for row in rows],
                [1] * own + [0] * (len(rows) - own),
                [row["covered"] for row in rows],
                partial + [None] * (len(rows) - own),
            )
        self.execution_context.extensions_results["disclosure"] = {"id": str(disclosure_id), "subjects": own}


SCHEMA: Final = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache, Recorded])


class App(GraphQL[Asked, None]):
    """The view: checks the token, opens the request's loaders, writes JSON with orjson."""

    def __init__(self) -> None:
        super().__init__(SCHEMA, graphql_ide=None)
        self.pool: asyncpg.Pool[asyncpg.Record] | None = None
        self.keys: KeySet | None = None
        self.bits: dict[str, int] = {}
        self.settings = Settings()
        self._claims = lru_cache(maxsize=10_000)(self._verified)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Asked:  # noqa: ARG002
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or self.pool is None:
            raise HTTPException(401)
        token_id, scopes = self._claims(text)
        caller = await self.pool.fetchrow(STANDING, token_id, SCOPE) if SCOPE in scopes else None
        if caller is None:
            raise HTTPException(401)
        key = _field_key(self.settings, caller["partner_id"])
        return Asked(self.pool, self.bits, key, token_id, caller)

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data)

    def _verified(self, text: str) -> tuple[UUID, frozenset[str]]:
        assert self.keys is not None
        token = jwt.decode(text, self.keys, algorithms=["ES256", "Ed25519"])
        claims = token.claims
        if claims["iss"] != self.settings.issuer or claims["aud"] != f"{self.settings.base_url}/graphql":
            raise HTTPException(401)
        return UUID(claims["jti"]), frozenset(claims["scope"].split())


@lru_cache(maxsize=100)
def _field_key(settings: Settings, partner_id: UUID) -> bytes:
    return field_key(settings.key("field"), partner_id, PURPOSE.value)


def create_app() -> Starlette:
    """The application, for uvicorn."""
    view = App()
    assert view.settings.database_url is not None
    url = view.settings.database_url.get_secret_value()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(url, min_size=1, max_size=CONNECTIONS, server_settings={**SERVING, "jit": "off"}) as pool:
            rows = await pool.fetch("select category, ordinal from gateway.category")
            view.bits = {row["category"]: 1 << row["ordinal"] for row in rows}
            eight = ("identity.real_name", "identity.mobile_number", "identity.national_id", "identity.email")
            view.bits["the eight"] = sum(
                view.bits[name] for name in (*eight, "profile.birth_date", "profile.city", "profile.registered_at")
            )
            keys = await pool.fetch("select kid, public_jwk from gateway.signing_key")
            view.keys = KeySet.import_key_set({"keys": [{**json.loads(row["public_jwk"]), "kid": row["kid"]} for row in keys]})
            view.pool = pool
            yield

    return Starlette(lifespan=lifespan, routes=[Mount("/graphql", view)])
