"""One linear pass says what an operation may ask for, before anything else looks at it."""

from collections.abc import Mapping

import pytest
from graphql import OperationType, get_introspection_query
from hypothesis import given
from hypothesis import strategies as st

from gateway.request.codes import MESSAGE, Code, GatewayError
from gateway.request.limits import Limits, Measured, measure, parse_document
from gateway.request.validate import OTHERWISE, SAID, validate_document
from tests.support.surface import SCHEMA

WIDE = Limits(
    max_document_tokens=10**6,
    max_depth=10**6,
    max_aliases=10**9,
    max_directives=10**9,
    max_fields=10**9,
    max_fragments=10**6,
    max_cost=10**9,
)


USUAL = Limits()


def measured(text: str, variables: Mapping[str, object] | None = None, limits: Limits = USUAL) -> Measured:
    return measure(parse_document(text, limits), None, {} if variables is None else variables, limits)


def refused(text: str, variables: Mapping[str, object] | None = None, limits: Limits = USUAL) -> Code:
    with pytest.raises(GatewayError) as error:
        measured(text, variables, limits)
    return error.value.code


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("{ me { id } }", 1),
        ("{ __typename }", 0),
        ("{ a: me { id } b: me { id } }", 2),
        ("{ subjects(first: 50) { edges { node { id realName } } } }", 51),
        ("{ subjects(first: 50) { pageInfo { hasNextPage } edges { cursor node { id } } } }", 51),
        ("{ subjects(first: 50) { edges { node { posts(first: 5) { text } } } } }", 1 + 50 * (1 + 1 + 5)),
        ("{ me { posts(first: 5) { text } } }", 7),
        ("{ me { posts { text } } }", 22),
        ("{ me { photos(first: 3) } }", 5),
        ("{ subjects(first: 0) { edges { node { id } } } }", 1),
        ("{ ... { me { id } } }", 1),
        ("query { ...All } fragment All on Query { me { ...One } } fragment One on Subject { id }", 1),
    ],
)
def test_cost_is_the_number_of_objects_that_can_come_back(text: str, cost: int) -> None:
    assert measured(text).cost == cost


PAGE = "query ($n: Int!) { subjects(first: $n) { edges { node { id } } } }"
LIST = "query ($n: Int! = 7) { me { posts(first: $n) { id } } }"


@pytest.mark.parametrize(
    ("text", "variables", "cost"),
    [
        (PAGE, {"n": 500}, 501),
        (PAGE, {"n": 500.0}, 501),
        (LIST, {}, 9),
        (LIST, {"n": 100}, 102),
        (PAGE, {"n": "no number"}, 101),  # unknown: as much as a list may hold
        (PAGE, {}, 101),
    ],
)
def test_a_variable_decides_the_page(text: str, variables: Mapping[str, object], cost: int) -> None:
    assert measured(text, variables).cost == cost


def test_without_variables_the_document_alone_is_measured() -> None:
    """So the outcome can be remembered by document: no value of a variable would have made it smaller."""
    tree = parse_document(PAGE, Limits())

    assert measure(tree, None, None, Limits()).cost == 2


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("{ subjects(first: 501) { edges { cursor } } }", {}),
        ("{ subjects(first: -1) { edges { cursor } } }", {}),
        ("{ subjects(first: %s) { edges { cursor } } }" % ("9" * 6_000), {}),
        ("{ subjects(first: -%s) { edges { cursor } } }" % ("9" * 6_000), {}),
        (PAGE, {"n": 501}),
        (PAGE, {"n": -1}),
        (PAGE, {"n": 10**30}),
        ("query ($n: Int = 501) { subjects(first: $n) { edges { cursor } } }", {}),
        ("{ me { posts(first: 101) { id } } }", {}),
        ("{ me { photos(first: 101) } }", {}),
        ("{ me { ... { ... { posts(first: 101) { id } } } } }", {}),
        ("{ me { ...P } } fragment P on Subject { posts(first: 101) { id } }", {}),
        ("{ ...Q } fragment Q on Query { me { ...P } } fragment P on Subject { posts(first: 101) { id } }", {}),
        (LIST, {"n": 101}),
    ],
)
def test_a_page_out_of_range_is_refused_by_the_name_of_its_argument(text: str, variables: Mapping[str, object]) -> None:
    with pytest.raises(GatewayError) as error:
        measured(text, variables)

    assert error.value.code is Code.PAGE_TOO_LARGE
    assert error.value.extensions["argument"] == "first"


def test_a_root_page_may_be_larger_than_a_nested_one_also_out_of_a_fragment() -> None:
    assert measured("{ ...Q } fragment Q on Query { subjects(first: 500) { edges { cursor } } }").cost == 501


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{" + "me {" * 12 + " id " + "}" * 13, Code.TOO_DEEP),
        ("{" + "me {" * 150 + " id " + "}" * 151, Code.TOO_DEEP),
        ("{" + "me {" * 900 + " id " + "}" * 901, Code.TOO_DEEP),
        ("{ search(filter: " + "[" * 15 + "]" * 15 + ") { id } }", Code.TOO_DEEP),
        ("{ search(filter: " + "{ inner: " * 15 + "{}" + "}" * 15 + ") { id } }", Code.TOO_DEEP),
        ("query ($a: " + "[" * 30 + "Int" + "]" * 30 + ") { me { id } }", Code.TOO_DEEP),
        ("query A { me { id } } query B {" + "me {" * 30 + " id " + "}" * 31, Code.OPERATION_NAME),
        ("{ me { id } } fragment F on Subject {" + "friend {" * 30 + "id" + "}" * 31, Code.TOO_DEEP),
        ("{" + "".join(f"a{number}: __typename " for number in range(11)) + "}", Code.TOO_MANY_ROOT_FIELDS),
        ("{ me {" + "".join(f"a{number}: id " for number in range(61)) + "} }", Code.TOO_MANY_ALIASES),
        ("{ me { id " + "@include(if: true) " * 61 + "} }", Code.TOO_MANY_DIRECTIVES),
        ("{ me { id @skip(if: [" + "1 " * 100 + "]) } }", Code.TOO_MANY_DIRECTIVES),
        ("query " + "@a " * 61 + "{ me { id } }", Code.TOO_MANY_DIRECTIVES),
        ("{ me { " + "id " * 201 + "} }", Code.TOO_MANY_FIELDS),
        ("{ me { id } } " + "".join(f"fragment F{number} on Subject {{ id }} " for number in range(61)), Code.TOO_MANY_FRAGMENTS),
        ("{ " + "id " * 2_001 + "}", Code.DOCUMENT_TOO_LONG),
        ("#\n" * 2_001 + "{ id }", Code.DOCUMENT_TOO_LONG),
        ("{ subjects(first: 500) { edges { node { posts(first: 100) { friend { id } } } } } }", Code.COST_TOO_HIGH),
        ("{" + "list {" * 10 + "id" + "}" * 11, Code.COST_TOO_HIGH),
        ("{ me { ...A } } fragment A on Subject { ...A }", Code.VALIDATION),
        ("{ me { ...A } } fragment A on Subject { friend { ...B } } fragment B on Subject { friend { ...A } }", Code.VALIDATION),
        ("{ me { id } } fragment A on Subject { ...B } fragment B on Subject { ...A }", Code.VALIDATION),
        ("{ me { id } } fragment A on Subject { id } fragment A on Subject { id }", Code.VALIDATION),
        ("type Query { me: Int }", Code.VALIDATION),
        ("{ me { id } } extend type Query { more: Int }", Code.VALIDATION),
        ("fragment A on Subject { id }", Code.OPERATION_NAME),
        ("query A { me { id } } query B { me { id } }", Code.OPERATION_NAME),
        ("{", Code.SYNTAX),
        ("", Code.SYNTAX),
        ("{ me { id } } }", Code.SYNTAX),
        ('{ me(id: "unfinished) }', Code.SYNTAX),
    ],
)
def test_each_limit_has_its_code(text: str, code: Code) -> None:
    assert refused(text) is code


def test_a_syntax_error_tells_the_place_and_nothing_else() -> None:
    with pytest.raises(GatewayError) as error:
        parse_document('{\n  me "CANARY" }', Limits())

    assert error.value.problems[0].locations == ((2, 6),)
    assert "CANARY" not in repr(error.value.problems)


def test_only_the_operation_that_runs_is_held_to_pages_and_cost() -> None:
    text = "query A { me { id } } query B { subjects(first: 5000) { edges { cursor } } me { posts(first: 5000) { id } } }"
    tree = parse_document(text, Limits())

    assert measure(tree, "A", {}, Limits()).cost == 1
    with pytest.raises(GatewayError):
        measure(tree, "B", {}, Limits())
    with pytest.raises(GatewayError):
        measure(tree, "C", {}, Limits())


def test_the_usual_introspection_query_passes_and_a_nested_one_does_not() -> None:
    assert measured(get_introspection_query()).cost == 50
    assert refused("{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }") is Code.TOO_DEEP
    assert refused('{ __type(name: "A") {' + "ofType {" * 25 + "name" + "}" * 27) is Code.TOO_DEEP


LEAVES = "name description isDeprecated args { name description type { kind name } }"
TYPES = f"types {{ fields {{ type {{ fields {{ {LEAVES} }} }} }} }}"


@pytest.mark.parametrize(
    "text",
    [
        f"{{ __schema {{ {TYPES} }} }}",
        "{ __schema { " + " ".join(f"t{n}: types {{ fields {{ type {{ name kind }} }} }}" for n in range(30)) + " } }",
        "{ " + " ".join(f"s{n}: __schema {{ types {{ fields {{ {LEAVES} }} }} }}" for n in range(8)) + " }",
        f"{{ ...S }} fragment S on Query {{ __schema {{ ...T }} }} fragment T on __Schema {{ {TYPES} }}",
    ],
)
def test_introspection_that_multiplies_the_schema_is_refused_by_its_cost(text: str) -> None:
    """Two thousand characters of it kept a worker, and with it every partner, busy for seconds."""
    assert refused(text) is Code.COST_TOO_HIGH


def test_schema_that_is_told_costs_what_an_answer_of_its_size_costs() -> None:
    assert measured("{ __schema { types { name fields { name } } } }").cost == 1 + 30 * (1 + 1 + 10 * 2) // 100
    assert measured('{ __type(name: "Subject") { fields { name type { name } } } }').cost == 1


@pytest.mark.parametrize("spreads", [1, 2, 3])
@pytest.mark.parametrize("length", [18, 30, 1_000])
def test_a_chain_of_fragments_is_measured_in_linear_steps(length: int, spreads: int) -> None:
    """Each spreads the next several times: expanded, thirty of them are a thousand million fields."""
    chain = "".join(f"fragment F{n} on Subject {{ {f'...F{n + 1} ' * spreads}}} " for n in range(length))
    text = f"{{ me {{ ...F0 }} }} {chain} fragment F{length} on Subject {{ id }}"

    found = measured(text, limits=WIDE)

    assert found.steps <= 4 * (spreads * length + 4)
    assert found.fields == min(spreads**length + 1, 10**9)
    if spreads > 1:
        assert refused(text, limits=Limits(max_document_tokens=10**6, max_fragments=10**6)) is Code.TOO_MANY_FIELDS


def test_twenty_nested_lists_saturate() -> None:
    assert measured("{" + "posts(first: 100) {" * 20 + "id" + "}" * 21, limits=WIDE).cost == 10**9


NAMES = st.sampled_from(["me", "id", "subjects", "edges", "node", "posts", "first", "F0", "F1", "F2", "F3", "__schema", "fields"])
VALUES = st.recursive(
    st.sampled_from(["1", "-1", "99999999999", "1.5", "true", "null", "RED", "$n", '"x"', '"""y"""']),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{' '.join(items)}]")
        | st.lists(inner, max_size=3).map(lambda items: "{" + " ".join(f"k{n}: {item}" for n, item in enumerate(items)) + "}")
    ),
    max_leaves=6,
)
ARGUMENTS = st.lists(st.tuples(NAMES, VALUES), max_size=2).map(
    lambda pairs: f"({', '.join(f'{n}: {v}' for n, v in pairs)})" if pairs else ""
)
DIRECTIVES = st.sampled_from(["", "", "", "@include(if: $n)", "@skip(if: true) @unknown(a: [1])"])


def _selections(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    below = inner.map(lambda text: f"{{ {text} }}")
    field = st.tuples(st.sampled_from(["", "", "a: "]), NAMES, ARGUMENTS, DIRECTIVES, st.just("") | below).map(" ".join)
    inline = st.tuples(st.sampled_from(["...", "... on Subject"]), DIRECTIVES, below).map(" ".join)
    return st.lists(field | inline, min_size=1, max_size=3).map(" ".join)


SPREADS = st.sampled_from(["...F0", "...F1", "...F2", "...Missing @skip(if: $n)"])
SELECTIONS = st.recursive(NAMES | SPREADS, _selections, max_leaves=8)
BODY = st.lists(SELECTIONS, min_size=1, max_size=3).map(lambda items: f"{{ {' '.join(items)} }}")
DOCUMENTS = st.tuples(
    st.sampled_from(["", "query ", "query Q($n: Int = 5) ", "mutation ", "subscription "]),
    BODY,
    st.lists(BODY, max_size=3).map(lambda bodies: " ".join(f"fragment F{n} on Subject {body}" for n, body in enumerate(bodies))),
).map(" ".join)


@given(text=DOCUMENTS, variables=st.dictionaries(st.just("n"), st.none() | st.integers() | st.floats() | st.text()))
def test_any_document_is_measured_in_linear_steps_or_refused(text: str, variables: dict[str, object]) -> None:
    tree = parse_document(text, WIDE)
    tokens = len(text)
    for limits in (WIDE, Limits()):
        for given_variables in (variables, None):
            try:
                found = measure(tree, None, given_variables, limits)
            except GatewayError:
                continue
            assert found.steps <= 8 * tokens
            assert 0 <= found.cost <= 10**9
            assert isinstance(found.operation, OperationType)


@given(text=DOCUMENTS)
def test_what_is_within_limits_can_be_validated(text: str) -> None:
    """Neither the measure nor the rules raise anything but a GatewayError, and no message holds more than fixed words."""
    try:
        tree = parse_document(text, Limits())
        measure(tree, None, {}, Limits())
        validate_document(SCHEMA, tree)
    except GatewayError as error:
        told = {problem.message for problem in error.problems}
        code = error.code
    else:
        return
    assert told <= {*SAID.values(), OTHERWISE, MESSAGE[code]}


@given(text=st.text(max_size=200) | st.lists(st.sampled_from(list('{}()[]:!$@.a1 "#|&=')), max_size=200).map("".join))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        parse_document(text, Limits())
    except GatewayError as error:
        code = error.code
    else:
        return
    assert code in {Code.SYNTAX, Code.TOO_DEEP, Code.DOCUMENT_TOO_LONG}


def test_validation_says_which_rule_is_broken_and_where_without_quoting() -> None:
    tree = parse_document('{ me { realNam } subjects(first: "13812345678") { edges { cursor } } }', Limits())

    with pytest.raises(GatewayError) as error:
        validate_document(SCHEMA, tree)

    told = [(problem.rule, problem.locations) for problem in error.value.problems]
    assert told == [("FieldsOnCorrectType", ((1, 8),)), ("ValuesOfCorrectType", ((1, 34),))]
    assert "realName" not in repr(error.value.problems)
    assert "138" not in repr(error.value.problems)
