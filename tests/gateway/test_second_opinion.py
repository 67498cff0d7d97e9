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
from scopes import Purpose, Refused
from tests.support.access import access_of
from tests.support.database import Database
from tests.support.documents import Drawn, Hardener
from tests.support.generated import generated
from tests.support.hard_operations import HARD, NEEDED
from tests.support.inhabited import Inhabited, an_inhabited_world, execute
from tests.support.permitted import PermittedCopy, Secrets, offered_paths, plan_of
from tests.support.population import Draw, Population, Token, population

PURPOSE = Purpose.SERVICE_DELIVERY
LIMITS = {Code.TOO_MANY_ALIASES, Code.TOO_MANY_DIRECTIVES, Code.COST_TOO_HIGH, Code.DOCUMENT_TOO_LONG, Code.TOO_MANY_ROOT_FIELDS}
OPERATIONS = 6  # in each world


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def inhabited(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inhabited]:
    async with an_inhabited_world(module_database, tmp_path_factory.mktemp("worlds")) as found:
        yield found


async def settle(inhabited: Inhabited, seed: int, needed: frozenset[str] = frozenset()) -> Token:
    """A world and a token of it that is refused nothing of its schema and sees some people, under the only purpose there is.

    needed: schema paths that it gives. The first such world from this seed on.
    """
    now = await inhabited.now()
    while True:
        people = population(seed, 12, now, PURPOSE)
        fit = [token for token in people.tokens if _is_fit(people, token, needed)]
        if fit:
            await inhabited.move_in(people)
            return Draw(seed).choice(fit)
        seed += 1


def _is_fit(people: Population, token: Token, needed: frozenset[str]) -> bool:
    scopes = people.views_of(token.partner)
    if not scopes or not {scope.scope for scope in scopes} <= token.held or not needed <= offered_paths(people, token, PURPOSE):
        return False
    try:
        plan_of(people, token, PURPOSE, [])
    except Refused:
        return False
    copy = PermittedCopy(people, token, PURPOSE, people.now, Secrets(b"", b""))
    return len(copy.visible) > (0 if token.subject_id else 2)


async def agree(
    inhabited: Inhabited, token: Token, text: str, variables: Mapping[str, object] | None = None, name: str | None = None
) -> PermittedCopy:
    """Put an operation to both executors; the copy remembers what it showed. Raises GatewayError as the gate does."""
    answered = await inhabited.ask(token, text, variables, name)
    copy = inhabited.copy(token, PURPOSE, answered.at or inhabited.people.now)
    schema, sdl = inhabited.schema(token)
    copy.root = {**copy.root, "access": access_of(inhabited.people, token, PURPOSE, sdl)}
    reference = execute(schema, copy, text, variables, name)
    assert reference.errors is None
    assert json.dumps(answered.data) == json.dumps(reference.data), (text, variables)
    told = answered.extensions.get("disclosure")
    if told is not None:
        assert told["subjects"] == len(copy.roots())
        assert {each["field"]: each["count"] for each in told["withheld"]} == copy.withheld()
    return copy


@generated(40)
@given(data=st.data(), seed=st.integers(0, 2**32))
async def test_any_operation_gets_the_answer_that_an_ordinary_executor_gives(
    inhabited: Inhabited, data: st.DataObject, seed: int
) -> None:
    """The GraphQL specification, section 6: merging, fragments, arguments, variables, directives, order of keys."""
    token = await settle(inhabited, seed)
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
        copy = await agree(inhabited, token, drawn.text, drawn.variables, drawn.operation_name)
        event("shows somebody" if copy.roots() else "shows nobody")
    except GatewayError as refused:
        if refused.code not in LIMITS:
            raise
        event("beyond a limit")


def _as_it_is(document: DocumentNode) -> DocumentNode:
    return document


@pytest.mark.parametrize("case", HARD)
async def test_an_operation_that_executors_get_wrong_is_answered_as_the_specification_says(
    inhabited: Inhabited, case: str
) -> None:
    """The GraphQL specification, sections 5 and 6."""
    for seed in (1, 1_000):
        token = await settle(inhabited, seed, NEEDED)

        await agree(inhabited, token, *HARD[case])


@pytest.mark.parametrize(("name", "keys"), [("A", ["a"]), ("B", ["b"])])
async def test_of_several_operations_the_named_one_runs(inhabited: Inhabited, name: str, keys: list[str]) -> None:
    token = await settle(inhabited, 1, NEEDED)
    document = """query A { a: subjects(first: 1) { ...F } } fragment F on SubjectConnection { edges { cursor } }
        query B { b: me { id } }"""

    copy = await agree(inhabited, token, document, None, name)

    assert list(copy.shown.seen) == keys


PAGE = "{ edges { cursor } }"
UPPER = str(uuid4()).upper()


@pytest.mark.parametrize(
    ("document", "variables", "name", "code"),
    [
        (f"query A {{ __typename }} query B {{ subjects(first: 1) {PAGE} }}", {}, None, Code.OPERATION_NAME),
        (f"query A {{ subjects(first: 1) {PAGE} }}", {}, "B", Code.OPERATION_NAME),
        (f"query ($n: Int!) {{ subjects(first: $n) {PAGE} }}", {}, None, Code.VARIABLES),
        (f"query ($n: Int = 1) {{ subjects(first: $n) {PAGE} }}", {"n": None}, None, Code.VARIABLES),
        (f"query ($n: Int!) {{ subjects(first: $n) {PAGE} }}", {"n": "1"}, None, Code.VARIABLES),
        (f"query ($n: Int!) {{ subjects(first: $n) {PAGE} }}", {"n": 2**31}, None, Code.VARIABLES),
        (f"query ($n: Int!) {{ subjects(first: $n) {PAGE} }}", {"n": -1}, None, Code.PAGE_TOO_LARGE),
        (f"query ($p: Purpose = login) @purpose(is: $p) {{ subjects(first: 1) {PAGE} }}", {"p": None}, None, Code.VARIABLES),
        (f"query ($p: Purpose!) @purpose(is: $p) {{ subjects(first: 1) {PAGE} }}", {"p": "login"}, None, Code.PURPOSE_NOT_HELD),
        (f'{{ subjects(first: 1, after: "") {PAGE} }}', {}, None, Code.CURSOR_INVALID),
        (f'{{ subjects(first: 1, after: "{{}}") {PAGE} }}', {}, None, Code.CURSOR_INVALID),
        (
            f"query ($a: String) {{ subjects(first: 1, after: $a) {PAGE} }}",
            {"a": str(uuid4()).upper()},
            None,
            Code.CURSOR_INVALID,
        ),
    ],
)
async def test_what_an_ordinary_executor_refuses_the_gate_refuses_as_a_whole(
    inhabited: Inhabited, document: str, variables: Mapping[str, object], name: str | None, code: Code
) -> None:
    """No answer, no disclosure: an argument that cannot be read is never taken for another."""
    token = await settle(inhabited, 1, NEEDED)

    with pytest.raises(GatewayError) as raised:
        await inhabited.ask(token, document, variables, name)

    assert raised.value.code is code
    assert await inhabited.world.owner.fetchval("select count(*) from gateway.disclosure") == 0
