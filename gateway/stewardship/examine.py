"""What registering a document shows, before anybody sends it: what each operation costs, and how each field comes out.

The same limits, validation and plan as for a request, with no data read. No token is there yet, so each purpose that the partner
holds is looked at as if a token had all of its scopes; halts, which come and go, are left out.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from graphql import (
    REMOVE,
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    VisitorAction,
    visit,
)

from gateway.catalogue.definition import Catalogue, load
from gateway.request.authorise import decide
from gateway.request.codes import MESSAGE, Code, GatewayError, Problem
from gateway.request.fetch import DATA_ROOTS
from gateway.request.limits import Limits, measure, parse_document
from gateway.request.parse import named_purpose
from gateway.request.selection import Literal, Selected, select
from gateway.request.validate import validate_document
from gateway.schema.view import PartnerSchema, Schemas
from gateway.settings import Settings
from gateway.store.partners import PartnerError
from gateway.store.pool import AnyConnection
from gateway.store.view import GrantView, load_view_of_partner
from scopes import CATEGORIES, Plan, Purpose, Refused, Sensitivity


@dataclass(frozen=True, slots=True)
class Hindrance:
    """The error that a request would get. problems: where in the document, if that is known."""

    code: Code
    extensions: Mapping[str, object]
    problems: tuple[Problem, ...]

    @classmethod
    def of(cls, error: GatewayError) -> "Hindrance":
        return cls(error.code, error.extensions, error.problems or (Problem(MESSAGE[error.code]),))


@dataclass(frozen=True, slots=True)
class ExaminedField:
    """One field path. scopes: the versions that give it, `name@version`; redaction: what their rules come to together."""

    path: str
    category: str
    sensitivity: Sensitivity
    redaction: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnderPurpose:
    """An operation under one purpose. scopes: names of those that it rests on. hindrance: None where it would be answered."""

    purpose: Purpose | None
    scopes: tuple[str, ...]
    fields: tuple[ExaminedField, ...]
    hindrance: Hindrance | None


@dataclass(frozen=True, slots=True)
class ExaminedOperation:
    """One operation of a document, with every field that any value of its variables may select.

    cost_least: page sizes that variables decide count as 1. cost_most: as the largest there may be; None where some values of
    the variables are refused as too dear. under: one entry for each purpose, none where there is a hindrance.
    """

    name: str | None
    cost_least: int
    cost_most: int | None
    under: tuple[UnderPurpose, ...]
    hindrance: Hindrance | None


@dataclass(frozen=True, slots=True)
class Examined:
    """hindrance: why no operation of the document would be answered; then there are none here."""

    document_sha256: str
    operations: tuple[ExaminedOperation, ...]
    hindrance: Hindrance | None

    @property
    def can_be_answered(self) -> bool:
        """Whether each operation would be answered under some purpose."""
        return self.hindrance is None and all(
            any(under.hindrance is None for under in operation.under) for operation in self.operations
        )


async def examine_for_partner(conn: AnyConnection, settings: Settings, *, partner_id: UUID, document: str) -> Examined:
    """Under the limits and the catalogue of the settings. Raises PartnerError (PARTNER_UNKNOWN)."""
    view = await load_view_of_partner(conn, partner_id)
    if view is None:
        raise PartnerError("PARTNER_UNKNOWN", "no such partner")
    return examine(load(settings.catalogue), Limits.of(settings), view, document)


def examine(
    catalogue: Catalogue, limits: Limits, view: GrantView, document: str, *, schema: PartnerSchema | None = None
) -> Examined:
    """What a request with this document would cost and get, or the error that it would get. Raises nothing of that itself.

    schema: the view's, where it has been built.
    """
    digest = hashlib.sha256(document.encode()).hexdigest()
    try:
        tree = parse_document(document, limits)
    except GatewayError as error:
        return Examined(digest, (), Hindrance.of(error))
    nodes = [node for node in tree.definitions if isinstance(node, OperationDefinitionNode)]
    measured = [_measured(tree, node, limits) for node in nodes]
    if not any(operation.hindrance is None for operation in measured):
        first = measured[0].hindrance if measured else Hindrance.of(GatewayError(Code.OPERATION_NAME))
        return Examined(digest, (), first)
    schema = schema or Schemas(catalogue).of(view)
    try:
        validate_document(schema.schema, tree)
    except GatewayError as error:
        return Examined(digest, (), Hindrance.of(error))
    whole = _with_every_field(tree)
    examined = [
        operation if operation.hindrance is not None else _planned(operation, whole, catalogue, view, schema)
        for operation in measured
    ]
    return Examined(digest, tuple(examined), None)


def _measured(tree: DocumentNode, node: OperationDefinitionNode, limits: Limits) -> ExaminedOperation:
    name = node.name.value if node.name else None
    try:
        least = measure(tree, name, None, limits).cost
    except GatewayError as error:
        return ExaminedOperation(name, 0, None, (), Hindrance.of(error))
    return ExaminedOperation(name, least, _cost_most(tree, node, limits), (), None)


def _cost_most(tree: DocumentNode, node: OperationDefinitionNode, limits: Limits) -> int | None:
    name = node.name.value if node.name else None
    largest: dict[str, object] = {}
    variables = [definition.variable.name.value for definition in node.variable_definitions or ()]
    for variable in variables:
        try:  # the others at 1: where this one is a page size, only it can be too large
            measure(tree, name, {**dict.fromkeys(variables, 1), variable: limits.max_page_size}, limits)
        except GatewayError as error:
            largest[variable] = limits.max_list_size if error.code is Code.PAGE_TOO_LARGE else limits.max_page_size
        else:
            largest[variable] = limits.max_page_size
    try:
        return measure(tree, name, largest, limits).cost
    except GatewayError:
        return None


def _planned(
    operation: ExaminedOperation, tree: DocumentNode, catalogue: Catalogue, view: GrantView, schema: PartnerSchema
) -> ExaminedOperation:
    fragments = {node.name.value: node for node in tree.definitions if isinstance(node, FragmentDefinitionNode)}
    node = next(
        node
        for node in tree.definitions
        if isinstance(node, OperationDefinitionNode) and (node.name.value if node.name else None) == operation.name
    )
    data = [root for root in select(schema.schema, node, fragments, {}) if root.name in DATA_ROOTS]
    under = tuple(_under(purpose, data, catalogue, view) for purpose in _purposes(node, view))
    return ExaminedOperation(operation.name, operation.cost_least, operation.cost_most, under, None)


def _purposes(node: OperationDefinitionNode, view: GrantView) -> list[Purpose | None]:
    """The purpose that the operation names to the letter, else each that the partner holds; None where it holds none."""
    named = named_purpose(node)
    if isinstance(named, Literal):
        return [Purpose(str(named.value))]
    return [*sorted({scope.purpose for scope in view.scopes}, key=lambda purpose: purpose.value)] or [None]


def _under(purpose: Purpose | None, data: list[Selected], catalogue: Catalogue, view: GrantView) -> UnderPurpose:
    held = frozenset(scope.scope for scope in view.scopes if scope.purpose is purpose)
    if not data:
        return UnderPurpose(purpose, (), (), None)
    try:
        plan = decide(catalogue, view, data, named=purpose, held=held, categories=None)
    except Refused as refused:
        return UnderPurpose(purpose, tuple(sorted(held)), (), Hindrance.of(GatewayError.of(refused)))
    return UnderPurpose(purpose, plan.scopes, _fields(plan), None)


def _fields(plan: Plan) -> tuple[ExaminedField, ...]:
    return tuple(
        ExaminedField(path, field.category, CATEGORIES[field.category].sensitivity, field.redaction.label(), field.scopes)
        for path, field in plan.fields.items()
    )


class _EveryField(Visitor):
    """Takes away each `@skip` and `@include` that a variable decides."""

    def enter_directive(self, node: DirectiveNode, *_place: Any) -> VisitorAction:
        decided = any(isinstance(argument.value, VariableNode) for argument in node.arguments or ())
        return REMOVE if node.name.value in {"skip", "include"} and decided else None


def _with_every_field(tree: DocumentNode) -> DocumentNode:
    whole: DocumentNode = visit(tree, _EveryField())
    return whole
