"""An invented world in a real database with the real gate before it, and the reference that its answers are held to."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from graphql import ExecutionResult, GraphQLSchema, build_schema, execute_sync, parse

from gateway.catalogue.weidandan import CATALOGUE
from gateway.request.authenticate import Caller
from gateway.request.codes import Media
from gateway.request.receive import Received
from gateway.schema.sdl import write_sdl
from gateway.settings import Settings
from scopes import Plan, Purpose, Rung
from tests.support.database import Database
from tests.support.permitted import PermittedCopy, Secrets, plan_of
from tests.support.population import Population, Token, population
from tests.support.population_rows import LIFETIME, write
from tests.support.world import World, a_world


@dataclass(frozen=True, slots=True)
class Answered:
    """A successful answer, its members in their order. at: the instant on record; None where nobody was asked about."""

    data: Mapping[str, Any]
    extensions: Mapping[str, Any]
    at: datetime | None

    @property
    def disclosure_id(self) -> UUID:
        return UUID(self.extensions["disclosure"]["id"])


class Inhabited:
    """`people` live in `world`'s database; `settle` moves others in. No dataclass: a failed test would print everybody."""

    def __init__(self, world: World, secrets: Secrets) -> None:
        self.world, self.secrets = world, secrets
        self.people = population(0, 2, world.started)

    def __repr__(self) -> str:
        return f"<inhabited by {self.people!r}>"

    async def settle(self, seed: int, size: int) -> Population:
        """Replace everybody and everything by a world drawn from the seed, around the database's now."""
        return await self.move_in(population(seed, size, await self.now()))

    async def now(self) -> datetime:
        """The database's clock."""
        found: datetime = await self.world.owner.fetchval("select clock_timestamp()")
        return found

    async def move_in(self, people: Population) -> Population:
        """Replace everybody and everything by this world."""
        self.people = people
        await write(self.world.owner, self.world.keys, people)
        return people

    async def ask(
        self, token: Token, document: str, variables: Mapping[str, object] | None = None, operation_name: str | None = None
    ) -> Answered:
        """Raises GatewayError as the gate does."""
        caller = Caller(
            token_id=token.token_id,
            client_id=token.client_id,
            scopes=token.held,
            is_bound=token.subject_id is not None,
            contract_run=token.contract_run,
            expires_at=self.people.now + LIFETIME,
            authenticated_at=time.time(),
        )
        received = Received(document, operation_name, variables or {}, None, Media.RESPONSE, "POST")
        answer = await self.world.gate.answer(caller, received)
        body = json.loads(answer.sealed, object_pairs_hook=_once)
        assert list(body) == ["data", "extensions"]
        told = body["extensions"].get("disclosure")
        at = None
        if told is not None:
            at = await self.world.owner.fetchval(
                "select disclosed_at from gateway.disclosure where disclosure_id = $1", UUID(told["id"])
            )
            assert at is not None, "an answer without its record"
        return Answered(body["data"], body["extensions"], at)

    def copy(self, token: Token, purpose: Purpose, at: datetime) -> PermittedCopy:
        return PermittedCopy(self.people, token, purpose, at, self.secrets)

    def plan(self, token: Token, purpose: Purpose | None, paths: Sequence[str]) -> Plan:
        """Raises Refused."""
        return plan_of(self.people, token, purpose, paths)

    def schema(self, token: Token) -> tuple[GraphQLSchema, str]:
        """What the token's partner may see of the catalogue, and its SDL."""
        offers: dict[str, list[str]] = {}
        for scope in self.people.views_of(token.partner):
            for path, given in sorted(scope.fields.items()):
                if given.redaction.rung is not Rung.WITHHOLD:
                    offers.setdefault(path, []).append(f"{scope.scope}: {given.redaction.label()}")
        sdl = write_sdl(CATALOGUE, offers)
        return _built(sdl), sdl


def execute(
    schema: GraphQLSchema,
    copy: PermittedCopy,
    document: str,
    variables: Mapping[str, object] | None = None,
    operation_name: str | None = None,
) -> ExecutionResult:
    """graphql-core's own answer over the permitted copy."""
    result = execute_sync(
        schema, parse(document), root_value=copy.root, variable_values=dict(variables or {}), operation_name=operation_name
    )
    assert isinstance(result, ExecutionResult)
    return result


@lru_cache(maxsize=16)
def _built(sdl: str) -> GraphQLSchema:
    return build_schema(sdl)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    assert len(found) == len(pairs), "a key stands twice in one object"
    return found


@asynccontextmanager
async def an_inhabited_world(database: Database, data: Path) -> AsyncIterator[Inhabited]:
    """Nobody lives in it yet. data: a folder for the master key."""
    async with a_world(database, data) as world:
        secrets = Secrets(world.keys.key, Settings(data=data).key("field"))
        yield Inhabited(world, secrets)
