"""GraphQL syntax, limits, validation: from a document to the one operation of it that will run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    EnumValueNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    NamedTypeNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    VariableNode,
)
from graphql.execution.values import VariableValues, get_variable_values

from gateway.request.codes import Code, GatewayError
from gateway.request.limits import Limits, measure, parse_document
from gateway.request.receive import Received
from gateway.request.selection import Argument, Literal, Variable, switch_names
from gateway.request.validate import validate_document
from gateway.schema.view import PartnerSchema
from scopes import Purpose

COSTS_KEPT = 64
MAX_INT = 2**31


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """A valid operation under one partner's schema. switches: the Boolean variables that decide which fields are selected.

    named: the purpose that @purpose names. costs: requested cost by the integer variables it depends on, kept for the sizes that
    recur.
    """

    tree: DocumentNode
    node: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    partner_schema: PartnerSchema
    named: Argument | None
    switches: tuple[str, ...]
    simple: Mapping[str, Callable[[object], bool]] | None
    costs: dict[tuple[tuple[str, object], ...], int] = field(default_factory=dict)

    def purpose(self, variables: Mapping[str, object]) -> Purpose | None:
        """The purpose it names under these coerced variables. Raises GatewayError(VARIABLES) where a variable says null."""
        if self.named is None:
            return None
        named = self.named.value if isinstance(self.named, Literal) else variables.get(self.named.name)
        if named is None:
            raise GatewayError(Code.VARIABLES)
        return Purpose(str(named))


def parse(received: Received, partner_schema: PartnerSchema, limits: Limits) -> Operation:
    """The operation to run. Raises GatewayError: syntax, limits (before validation), validation, operation name.

    The outcome does not depend on the request's variables, so it may be remembered.
    """
    tree = parse_document(received.document, limits)
    measure(tree, received.operation_name, None, limits).require_query(received.method)
    validate_document(partner_schema.schema, tree)
    operations = [node for node in tree.definitions if isinstance(node, OperationDefinitionNode)]
    name = received.operation_name
    chosen = next(node for node in operations if name is None or (node.name and node.name.value == name))
    fragments = {node.name.value: node for node in tree.definitions if isinstance(node, FragmentDefinitionNode)}
    return Operation(
        tree=tree,
        node=chosen,
        fragments=fragments,
        partner_schema=partner_schema,
        named=named_purpose(chosen),
        switches=switch_names(chosen, fragments),
        simple=_simple(chosen),
    )


def coerce(operation: Operation, variables: Mapping[str, object]) -> Mapping[str, object]:
    """The variables as their types say. Raises GatewayError(VARIABLES), which names no value."""
    simple = operation.simple
    if simple is not None and len(simple) == len(variables):
        for name, fits in simple.items():
            if name not in variables or not fits(variables[name]):
                break
        else:
            return variables
    return coerce_variables(operation.partner_schema.schema, operation.node, variables)


def coerce_variables(
    schema: GraphQLSchema, node: OperationDefinitionNode, variables: Mapping[str, object]
) -> Mapping[str, object]:
    """The variables as the operation's types say. Raises GatewayError(VARIABLES), which names no value."""
    coerced = get_variable_values(schema, node.variable_definitions or (), dict(variables), max_errors=5, hide_suggestions=True)
    if not isinstance(coerced, VariableValues):
        raise GatewayError(Code.VARIABLES)
    return coerced.coerced


def requested_cost(operation: Operation, operation_name: str | None, variables: Mapping[str, object], limits: Limits) -> int:
    """The static cost for these variables. Raises GatewayError where a page or the whole is too large."""
    sizes = tuple([(name, value) for name, value in variables.items() if type(value) is int])
    found = operation.costs.get(sizes)
    if found is None:
        tree_cost = measure(operation.tree, operation_name, variables, limits).cost
        if len(operation.costs) >= COSTS_KEPT:
            operation.costs.clear()
        found = operation.costs[sizes] = tree_cost
    return found


def named_purpose(node: OperationDefinitionNode) -> Argument | None:
    """What `@purpose` on an operation says; None where there is none."""
    for directive in node.directives or ():
        if directive.name.value == "purpose":
            for argument in directive.arguments or ():
                if isinstance(argument.value, EnumValueNode):
                    return Literal(argument.value.value)
                if isinstance(argument.value, VariableNode):
                    return Variable(argument.value.name.value, None)
    return None


FITS: Mapping[str, Callable[[object], bool]] = {
    "Int": lambda value: type(value) is int and -MAX_INT <= value < MAX_INT,
    "ID": lambda value: type(value) is str,
    "String": lambda value: type(value) is str,
    "Boolean": lambda value: type(value) is bool,
}


def _simple(node: OperationDefinitionNode) -> Mapping[str, Callable[[object], bool]] | None:
    """A check for each variable under which its raw value is its coerced one; None where some type has none."""
    found: dict[str, Callable[[object], bool]] = {}
    for definition in node.variable_definitions or ():
        inner = definition.type.type if isinstance(definition.type, NonNullTypeNode) else definition.type
        fits = FITS.get(inner.name.value) if isinstance(inner, NamedTypeNode) else None
        if fits is None:
            return None
        found[definition.variable.name.value] = fits
    return found
