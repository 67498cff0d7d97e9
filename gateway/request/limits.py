"""What an operation may ask for, settled before validation: one linear pass over any document that parses.

Each fragment is measured once however often it is spread, nothing recurses, and every sum saturates, so 2,000 tokens cost the
same whether they spell a list or a bomb. Validators of the usual kind expand fragments, and thirty chained ones keep them busy
for ever.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Self

from graphql import (
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLSyntaxError,
    InlineFragmentNode,
    IntValueNode,
    ListTypeNode,
    ListValueNode,
    NonNullTypeNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    TypeNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    parse,
)

from gateway.request.codes import Code, GatewayError, Problem
from gateway.request.shape import Sets, Shape, spread_names

ENOUGH: Final = 10**9  # sums stop here: no limit is larger
DEFAULT_FIRST: Final = 20
PAGE_ARGUMENT: Final = "first"
WRAPPERS: Final = frozenset({"edges", "node", "pageInfo"})  # the layers of a Relay connection: its page was counted above them
INTROSPECTION: Final = frozenset({"__schema", "__type"})
INTROSPECTION_LISTS: Final = frozenset({"fields", "interfaces", "possibleTypes", "inputFields"})
INTROSPECTION_DEPTH: Final = 20  # the usual introspection query is 13 deep
INTROSPECTION_NESTING: Final = 3  # that many of the lists inside one another multiply the answer without telling more
# How many of each a schema of this kind has, in tenths: few arguments take more than one, few types are wrapped twice
INTROSPECTION_SIZES: Final[Mapping[str, int]] = {
    "types": 300,
    "directives": 80,
    "fields": 100,
    "args": 5,
    "enumValues": 10,
    "inputFields": 5,
    "interfaces": 5,
    "possibleTypes": 5,
    "ofType": 4,
}
ONE: Final = 10
INTROSPECTION_MAX: Final = 15_000  # fields answered; the usual query is at 5,000
INTROSPECTION_POINT: Final = 100  # that many of them are as much work as an object of the data


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one request. Counts are after fragments are spread; body_timeout_s is in seconds."""

    max_body_bytes: int = 65_536
    max_url_bytes: int = 8_192
    max_document_tokens: int = 2_000
    max_depth: int = 12
    max_aliases: int = 60
    max_directives: int = 60
    max_root_fields: int = 10
    max_fields: int = 2_000
    max_fragments: int = 60  # validation compares them pair by pair
    max_page_size: int = 500
    max_list_size: int = 100
    max_cost: int = 100_000
    body_timeout_s: float = 10.0

    @classmethod
    def of(cls, settings: object) -> Self:
        """The limits that a settings value names as attributes of the same names; defaults for the others."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls) if hasattr(settings, field.name)})


@dataclass(frozen=True, slots=True)
class Measured:
    """An operation within its limits. cost: objects that it can return at most, 1 for each root field. steps: nodes visited."""

    operation: OperationType
    cost: int
    depth: int
    aliases: int
    directives: int
    root_fields: int
    fields: int
    steps: int

    def require_query(self, method: str) -> None:
        """Raises GatewayError(METHOD_NOT_ALLOWED) for an operation other than a query over GET (GraphQL over HTTP 5.2)."""
        if method == "GET" and self.operation is not OperationType.QUERY:
            raise GatewayError(Code.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})


def parse_document(text: str, limits: Limits) -> DocumentNode:
    """The document's tree. Raises GatewayError: SYNTAX with a position, DOCUMENT_TOO_LONG, TOO_DEEP. Quotes nothing of the
    text."""
    try:
        return parse(text, max_lexical_tokens=limits.max_document_tokens, max_comments=limits.max_document_tokens)
    except GraphQLSyntaxError as error:
        said = error.message
        positions = tuple((at.line, at.column) for at in error.locations or ())
    except RecursionError:
        said, positions = "nested too deeply", ()
    # the parser has one class of error for all; its own words tell the limits apart, and go no further than this
    if "nested too deeply" in said:
        raise GatewayError(Code.TOO_DEEP)
    if said.endswith("Parsing aborted."):
        raise GatewayError(Code.DOCUMENT_TOO_LONG, extensions={"maximum": limits.max_document_tokens})
    raise GatewayError(Code.SYNTAX, problems=(Problem(GatewayError(Code.SYNTAX).message, positions),))


def measure(
    document: DocumentNode, operation_name: str | None, variables: Mapping[str, object] | None, limits: Limits
) -> Measured:
    """How much the operation asks for. Works on any document that parses, valid or not, in steps linear in its size.

    variables: as sent or as coerced; None measures the document alone, where a page size that a variable decides counts as 1
    (what is refused then is refused whatever the variables are, so the outcome may be remembered by document).
    Raises GatewayError: one of the limits, OPERATION_NAME, or VALIDATION (a cycle of fragments, a definition of types).
    """
    shape = Shape.of(document)
    _judge(len(shape.fragments), limits.max_fragments, Code.TOO_MANY_FRAGMENTS)
    matching = [node for node in shape.operations if operation_name in (None, node.name.value if node.name else None)]
    if len(matching) != 1:
        raise GatewayError(Code.OPERATION_NAME)
    chosen = matching[0]
    meter = _Meter(shape, chosen, variables, limits)
    measured = meter.chosen(chosen)
    rest = _Meter(shape, None, None, limits)  # will not run, but validation walks it too
    rest.others([node for node in shape.operations if node is not chosen], skip=meter.measured)
    return replace(measured, steps=shape.steps + meter.steps + rest.steps)


@dataclass(slots=True)
class _Size:
    """What one selection set holds, all that it spreads included; one for each set, added up and then read only.

    fields and cost: selected fields, and objects returned for one parent object. here: the fields of this level. largest: the
    greatest page size asked at this level, whose bound depends on where the set stands. in_schema: nesting of introspection
    lists. told: fields that introspection would answer for one parent object, and schema: those that it will, both in tenths.
    """

    depth: int = 0
    introspection_depth: int = 0
    in_schema: int = 0
    nesting: int = 0
    aliases: int = 0
    directives: int = 0
    here: int = 0
    fields: int = 0
    cost: int = 0
    largest: int = 0
    told: int = 0
    schema: int = 0

    def add(self, other: "_Size") -> None:
        """Both in one selection set."""
        self.depth = max(self.depth, other.depth)
        self.introspection_depth = max(self.introspection_depth, other.introspection_depth)
        self.in_schema = max(self.in_schema, other.in_schema)
        self.nesting = max(self.nesting, other.nesting)
        self.aliases = _sum(self.aliases, other.aliases)
        self.directives = _sum(self.directives, other.directives)
        self.here = _sum(self.here, other.here)
        self.fields = _sum(self.fields, other.fields)
        self.cost = _sum(self.cost, other.cost)
        self.largest = max(self.largest, other.largest)
        self.told = _sum(self.told, other.told)
        self.schema = _sum(self.schema, other.schema)


_UNKNOWN = _Size(depth=1, here=1, fields=1, cost=1, told=ONE)  # a fragment that is not there: validation will say so
_NOTHING = _Size()


class _Meter:
    """Measures under the variables of one operation; without one, page sizes are neither known nor judged."""

    def __init__(
        self, shape: Shape, running: OperationDefinitionNode | None, variables: Mapping[str, object] | None, limits: Limits
    ) -> None:
        self._shape, self._variables, self._limits, self._running = shape, variables, limits, running
        self._defaults = {one.variable.name.value: one.default_value for one in (running and running.variable_definitions) or ()}
        self.measured: dict[str, _Size] = {}
        self.steps = 0

    def chosen(self, node: OperationDefinitionNode) -> Measured:
        """The operation that will run. Raises GatewayError."""
        self._measure_fragments(self._shape.reached(spread_names(self._shape.bodies[id(node)])))
        size = self._operation(node)
        limits = self._limits
        _judge(size.aliases, limits.max_aliases, Code.TOO_MANY_ALIASES)
        _judge(size.directives, limits.max_directives, Code.TOO_MANY_DIRECTIVES)
        _judge(size.here, limits.max_root_fields, Code.TOO_MANY_ROOT_FIELDS)
        _judge_page(size.largest, limits.max_page_size)
        _judge(size.cost, limits.max_cost, Code.COST_TOO_HIGH)
        _judge(size.schema // ONE, INTROSPECTION_MAX, Code.COST_TOO_HIGH)
        depth = max(size.depth, size.introspection_depth)
        return Measured(node.operation, size.cost, depth, size.aliases, size.directives, size.here, size.fields, 0)

    def others(self, nodes: Sequence[OperationDefinitionNode], *, skip: Container[str]) -> None:
        """All that will not run is held to depth and number of fields. Raises GatewayError."""
        rest = [name for name in self._shape.fragments if name not in skip]
        for node in nodes:
            rest.extend(spread_names(self._shape.bodies[id(node)]))
        self._measure_fragments(self._shape.reached(rest))
        for node in nodes:
            self._operation(node)

    def _measure_fragments(self, names: Container[str]) -> None:
        for name in self._shape.order:
            if name in names:
                fragment = self._shape.fragments[name]
                size = self._of_sets(self._shape.bodies[id(fragment)])
                size.add(_Size(directives=self._directives(fragment.directives)))
                size.add(self._declared(fragment.variable_definitions))
                # where it is spread decides which depth it may have
                _judge(size.depth, max(self._limits.max_depth, INTROSPECTION_DEPTH), Code.TOO_DEEP)
                self.measured[name] = size

    def _operation(self, node: OperationDefinitionNode) -> _Size:
        size = self._of_sets(self._shape.bodies[id(node)])
        size.add(self._declared(node.variable_definitions))
        size.add(_Size(directives=self._directives(node.directives)))
        _judge(size.depth, self._limits.max_depth, Code.TOO_DEEP)
        _judge(size.introspection_depth, INTROSPECTION_DEPTH, Code.TOO_DEEP)
        _judge(size.nesting, INTROSPECTION_NESTING - 1, Code.TOO_DEEP)
        _judge(size.fields, self._limits.max_fields, Code.TOO_MANY_FIELDS)
        return size

    def _declared(self, definitions: Iterable[VariableDefinitionNode] | None) -> _Size:
        """Each declared variable counts as a field: it is coerced like one."""
        count = directives = 0
        for definition in definitions or ():
            self.steps += 1
            count += 1 + self._type(definition.type) + self._value(definition.default_value)
            directives += self._directives(definition.directives)
        return _Size(fields=count, directives=directives)

    def _of_sets(self, sets: Sets) -> _Size:
        """sets: a selection set and all below it, parents first. So children are known before their parents in reverse."""
        known: dict[int, _Size] = {}
        for selection_set, is_root in reversed(sets):
            known[id(selection_set)] = self._of_set(selection_set, known, is_root=is_root)
        return known[id(sets[0][0])]

    def _of_set(self, selection_set: SelectionSetNode, known: Mapping[int, _Size], *, is_root: bool) -> _Size:
        total = _Size()
        for node in selection_set.selections:
            self.steps += 1
            directives = self._directives(node.directives)
            if isinstance(node, FieldNode):
                total.add(self._field(node, known.get(id(node.selection_set)), is_root=is_root))
            elif isinstance(node, InlineFragmentNode):
                total.add(known[id(node.selection_set)])
            elif isinstance(node, FragmentSpreadNode):
                total.add(self.measured.get(node.name.value, _UNKNOWN))
            else:  # a kind of selection that this pass does not know must not pass unmeasured
                raise GatewayError(Code.VALIDATION)
            total.directives = _sum(total.directives, directives)
        return total

    def _field(self, node: FieldNode, below: _Size | None, *, is_root: bool) -> _Size:
        name = node.name.value
        inner = below or _NOTHING
        asked = self._first(node.arguments)
        if self._running:
            _judge_page(inner.largest, self._limits.max_list_size)
        size = _Size(
            depth=1,
            aliases=_sum(inner.aliases, 1 if node.alias else 0),
            directives=inner.directives,
            here=1,
            fields=_sum(inner.fields, 1 + self._arguments(node.arguments)),
            cost=1,
            largest=asked or 0,
        )
        if name in INTROSPECTION:
            size.introspection_depth, size.nesting = 1 + max(inner.depth, inner.introspection_depth), inner.in_schema
            size.schema, size.cost = inner.told, 1 + inner.told // (ONE * INTROSPECTION_POINT)
            return size
        size.depth += inner.depth
        size.introspection_depth = inner.introspection_depth and 1 + inner.introspection_depth
        size.in_schema, size.nesting = inner.in_schema + (name in INTROSPECTION_LISTS), inner.nesting
        size.cost = self._cost(name, asked, below, is_root=is_root)
        size.told = min(INTROSPECTION_SIZES.get(name, ONE) * (ONE + inner.told) // ONE, ENOUGH)
        return size

    def _cost(self, name: str, asked: int | None, below: _Size | None, *, is_root: bool) -> int:
        """Objects under one parent: 1 for the field, and the page of what is below it. A leaf without a page size costs nothing.

        Without the schema a nested field with a selection may be a list of the default size, so it counts as one.
        """
        if below is None:
            return 0 if asked is None else _sum(1, asked)
        if name in WRAPPERS:
            return _sum(below.cost, 1 if name == "node" else 0)
        if asked is not None:
            return _sum(1, asked * max(1, below.cost))
        return _sum(1, below.cost) if is_root else _sum(1, DEFAULT_FIRST * max(1, below.cost))

    def _first(self, arguments: Iterable[ArgumentNode] | None) -> int | None:
        """The page size that a field asks for; None where it has no such argument. Raises GatewayError(PAGE_TOO_LARGE) below
        0."""
        for argument in (arguments or ()) if self._running else ():
            if argument.name.value == PAGE_ARGUMENT:
                return self._page(argument.value)
        return None

    def _page(self, value: ValueNode | None) -> int:
        """Where nothing tells the size, the largest is assumed; where a variable will, 1, for want of its value."""
        if isinstance(value, VariableNode):
            name = value.name.value
            if self._variables is not None and name in self._variables:
                return _whole(self._variables[name], self._limits.max_list_size)
            default = self._defaults.get(name)
            if default is None:
                return 1 if self._variables is None else self._limits.max_list_size
            return 1 if self._variables is None else self._page(default if isinstance(default, IntValueNode) else None)
        if isinstance(value, IntValueNode):
            return _whole(int(value.value) if len(value.value) < 10 else -1 if value.value.startswith("-") else ENOUGH, 0)
        return self._limits.max_list_size

    def _directives(self, directives: Iterable[DirectiveNode] | None) -> int:
        count = 0
        for directive in directives or ():
            count += 1 + self._arguments(directive.arguments)
        return count

    def _arguments(self, arguments: Iterable[ArgumentNode] | None) -> int:
        """Entries of lists and objects among the values: each is coerced, so each counts."""
        return sum(self._value(argument.value) for argument in arguments or ())

    def _value(self, value: ValueNode | None) -> int:
        """Entries below a value. Raises GatewayError(TOO_DEEP)."""
        count, level = 0, [value]
        for depth in range(self._limits.max_depth + 1):
            inner: list[ValueNode | None] = []
            for node in level:
                if isinstance(node, ListValueNode):
                    inner.extend(node.values)
                elif isinstance(node, ObjectValueNode):
                    inner.extend(entry.value for entry in node.fields)
            if not inner:
                return count
            count, level = count + len(inner), inner
            self.steps += len(inner)
            _judge(depth + 1, self._limits.max_depth, Code.TOO_DEEP)
        return count

    def _type(self, node: TypeNode) -> int:
        depth = 0
        while isinstance(node, ListTypeNode | NonNullTypeNode):
            node = node.type
            depth += 1
            _judge(depth, 2 * self._limits.max_depth, Code.TOO_DEEP)
        return depth


def _judge(value: int, maximum: int, code: Code) -> None:
    if value > maximum:
        raise GatewayError(code, extensions={"maximum": maximum})


def _judge_page(value: int, maximum: int) -> None:
    if value > maximum:
        raise GatewayError(Code.PAGE_TOO_LARGE, extensions={"argument": PAGE_ARGUMENT, "maximum": maximum})


def _whole(value: object, otherwise: int) -> int:
    """A page size as a number that saturates; `otherwise` for what is none (validation or coercion will say so)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return otherwise
    if value < 0:
        raise GatewayError(Code.PAGE_TOO_LARGE, extensions={"argument": PAGE_ARGUMENT})
    return min(value, ENOUGH)


def _sum(one: int, other: int) -> int:
    return min(one + other, ENOUGH)
