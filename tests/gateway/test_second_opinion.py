"""Two executors, one answer: the gate gives to any operation what graphql-core makes of the permitted copy, key for key."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from uuid import uuid4

import pytest
import pytest_asyncio
from graphql import DocumentNode, parse, validate
from hypothesis import event, given
from hypothesis import strategies as st
from hypothesis_graphql import queries

from gateway.request.codes import Code, GatewayError
from scopes import Purpose
from tests.support.access import access_of
from tests.support.database import Database
from tests.support.documents import Drawn, Hardener
from tests.support.generated import generated
from tests.support.inhabited import Inhabited, an_inhabited_world, execute
from tests.support.population import Draw, Token

PURPOSE = Purpose.SERVICE_DELIVERY
LIMITS = {Code.TOO_MANY_ALIASES, Code.TOO_MANY_DIRECTIVES, Code.COST_TOO_HIGH, Code.DOCUMENT_TOO_LONG, Code.TOO_MANY_ROOT_FIELDS}
OPERATIONS = 6  # in each world


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def inhabited(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inhabited]:
    async with an_inhabited_world(module_database, tmp_path_factory.mktemp("worlds")) as found:
        yield found


async def _settle(inhabited: Inhabited, seed: int) -> Token:
    """A world with a token whose partner sees some people, under the only purpose there is."""
    while True:
        people = await inhabited.settle(seed, 12, PURPOSE)
        fit = [token for token in people.tokens if _is_free(inhabited, token)]
        if any(_sees(inhabited, token) for token in fit):
            return Draw(seed).choice(fit)
        seed += 1


def _is_free(inhabited: Inhabited, token: Token) -> bool:
    """Whether nothing that its schema has is refused to it."""
    views, partner = inhabited.people.views_of(token.partner), token.partner
    held = {scope.scope for scope in views} <= token.held
    return (
        bool(views)
        and held
        and partner.is_live(inhabited.people.now)
        and not (partner.is_abroad and not partner.cross_border_mechanism)
    )


def _sees(inhabited: Inhabited, token: Token) -> bool:
    return len(inhabited.copy(token, PURPOSE, inhabited.people.now).visible) > (0 if token.subject_id else 2)


async def agree(
    inhabited: Inhabited, token: Token, text: str, variables: Mapping[str, object] | None = None, name: str | None = None
) -> Mapping[str, object]:
    """Both executors' answer. Raises GatewayError as the gate does."""
    answered = await inhabited.ask(token, text, variables, name)
    copy = inhabited.copy(token, PURPOSE, answered.at or inhabited.people.now)
    schema, sdl = inhabited.schema(token)
    copy.root = {**copy.root, "access": access_of(inhabited.people, token, PURPOSE, sdl)}
    reference = execute(schema, copy, text, variables, name)
    assert reference.errors is None
    assert json.dumps(answered.data) == json.dumps(reference.data), (text, variables)
    event("shows somebody" if copy.roots() else "shows nobody")
    told = answered.extensions.get("disclosure")
    if told is not None:
        assert told["subjects"] == len(copy.roots())
        assert {each["field"]: each["count"] for each in told["withheld"]} == copy.withheld()
    return answered.data


@generated(40)
@given(data=st.data(), seed=st.integers(0, 2**32))
async def test_any_operation_gets_the_answer_that_an_ordinary_executor_gives(
    inhabited: Inhabited, data: st.DataObject, seed: int
) -> None:
    """The GraphQL specification, section 6: merging, fragments, arguments, variables, directives, order of keys."""
    token = await _settle(inhabited, seed)
    schema, _ = inhabited.schema(token)
    ids = [str(name) for name in inhabited.copy(token, PURPOSE, inhabited.people.now).names.values()] + [str(uuid4())]

    for number in range(OPERATIONS):
        roots = data.draw(st.sampled_from([None, ("subjects",), ("subjects", "subject", "me")]))
        document = data.draw(queries(schema, fields=roots, print_ast=_as_it_is))
        drawn = Hardener(Draw(seed + number), schema, ids).harden(document)
        assert validate(schema, parse(drawn.text)) == [], drawn.text
        await _agree_within_limits(inhabited, token, drawn)


async def _agree_within_limits(inhabited: Inhabited, token: Token, drawn: Drawn) -> None:
    """As `agree`; a document that is larger than the gate takes is refused, and there are few of them."""
    try:
        await agree(inhabited, token, drawn.text, drawn.variables, drawn.operation_name)
    except GatewayError as refused:
        if refused.code not in LIMITS:
            raise
        event("beyond a limit")


def _as_it_is(document: DocumentNode) -> DocumentNode:
    return document
