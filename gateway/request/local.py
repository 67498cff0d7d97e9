"""The root fields that tell of the schema and of the token itself: introspection and `access`. They hold no personal data."""

import json
from collections.abc import Collection, Mapping

from graphql import DocumentNode, OperationDefinitionNode, SelectionSetNode, execute_sync

from gateway.catalogue.definition import Catalogue
from gateway.request.authenticate import Caller
from gateway.request.authorise import Planned
from gateway.request.codes import Code, GatewayError
from gateway.request.parse import Operation
from gateway.store.view import GrantView
from scopes import BASIS, CATEGORIES, Basis, Partner, Purpose, strictest


def answer(
    operation: Operation, planned: Planned, variables: Mapping[str, object], catalogue: Catalogue, view: GrantView, caller: Caller
) -> Mapping[str, bytes]:
    """The JSON of each local root field, by response key, as graphql-core's own executor answers it."""
    if not planned.local:
        return {}
    names = {variable.variable.name.value for variable in operation.node.variable_definitions or ()}
    node = OperationDefinitionNode(
        operation=operation.node.operation,
        name=operation.node.name,
        variable_definitions=operation.node.variable_definitions,
        directives=(),
        selection_set=SelectionSetNode(selections=tuple(field for root in planned.local for field in root.nodes)),
    )
    result = execute_sync(
        operation.partner_schema.schema,
        DocumentNode(definitions=(node, *operation.fragments.values())),
        root_value={"access": _access(operation, planned.purpose or operation.purpose(variables), catalogue, view, caller)},
        variable_values={name: value for name, value in variables.items() if name in names},
    )
    if result.errors or result.data is None:
        raise GatewayError(Code.VALIDATION)
    return {key: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() for key, value in result.data.items()}


def _access(
    operation: Operation, named: Purpose | None, catalogue: Catalogue, view: GrantView, caller: Caller
) -> Mapping[str, object]:
    held = {scope.scope: scope for scope in view.scopes if scope.scope in caller.scopes}
    purposes = {scope.purpose for scope in held.values()}
    purpose = named or (next(iter(purposes)) if len(purposes) == 1 else None)
    return {
        "partner": view.partner.name,
        "purpose": purpose,
        "scopes": sorted(held),
        "fields": [_field(path, purpose, catalogue, view, _giving(path, held.keys(), catalogue, caller)) for path in view.offers],
        "sdl": operation.partner_schema.sdl,
    }


def _giving(path: str, held: Collection[str], catalogue: Catalogue, caller: Caller) -> Collection[str]:
    """The scopes of the token that its narrowing leaves this field."""
    return held if caller.may_read(catalogue.fields[path].category) else ()


def _field(
    path: str, purpose: Purpose | None, catalogue: Catalogue, view: GrantView, held: Collection[str]
) -> Mapping[str, object]:
    field, offers = catalogue.fields[path], view.offers[path]
    # as `scopes.plan` has it: a scope that withholds the field has its say as well
    giving = [scope for scope in view.scopes if scope.scope in held and scope.purpose is purpose and path in scope.fields]
    redaction = strictest(field.kind, [scope.fields[path].redaction for scope in giving]) if giving else None
    purposes = {scope.purpose for scope in giving} or {offer.purpose for offer in offers}
    needed = {basis for each in purposes for basis in requirements(view.partner, each, field.category)}
    return {
        "path": path,
        "category": field.category,
        "redaction": redaction and redaction.label(),
        "requires": [basis for basis in Basis if basis in needed],
        "scopes": [offer.scope for offer in offers],
    }


def requirements(partner: Partner, purpose: Purpose, category: str) -> list[Basis]:
    """The evidence a data subject's value needs towards this partner under this purpose (policy 6.1, 6.2, 9.5)."""
    needed = [BASIS[purpose, partner.role, CATEGORIES[category].sensitivity]]
    if partner.processing_location != "CN":
        needed.append(Basis.CROSS_BORDER_CONSENT)
    return needed
