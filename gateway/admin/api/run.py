"""From a well-formed request to a body: limits, validation, execution, and errors that say a code and no value."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    FloatValueNode,
    GraphQLError,
    IntValueNode,
    OperationDefinitionNode,
    StringValueNode,
    Visitor,
    execute,
    visit,
)

from gateway.admin.api.ask import Asking
from gateway.admin.api.schema import SCHEMA
from gateway.request.codes import MESSAGE, Code, GatewayError
from gateway.request.limits import Limits, measure, parse_document
from gateway.request.parse import coerce_variables
from gateway.request.receive import DIGITS_MAX, Received
from gateway.request.validate import validate_document
from gateway.stewardship.actor import ActRefused, StaffCode

FORBIDDEN: Final = frozenset({StaffCode.ROLE_MISSING, StaffCode.CONFIDENTIALITY_REQUIRED})
"""Where nothing else came of a request, it is 403 and has no data, as at the partner endpoint."""

ARGUMENT: Final = "Argument '"
"""How the library's errors begin where a null variable stands for an argument that is never null: validation lets that pass."""


@dataclass(frozen=True, slots=True, repr=False)
class Ran:
    """status: 200 wherever there is data, whatever errors stand beside it."""

    status: int
    body: bytes


async def run(asking: Asking, received: Received, limits: Limits) -> Ran:
    """Raises GatewayError for a request that fails as a whole, and whatever is a defect."""
    if received.document_sha256 is not None:
        raise GatewayError(Code.DOCUMENT_ID_UNKNOWN)
    tree = parse_document(received.document, limits)
    measure(tree, received.operation_name, None, limits)
    _refuse_unstorable(tree)
    validate_document(SCHEMA, tree)
    node = _chosen(tree, received.operation_name)
    variables = coerce_variables(SCHEMA, node, received.variables)
    measure(tree, received.operation_name, variables, limits)
    given = execute(
        SCHEMA,
        tree,
        context_value=asking,
        variable_values=dict(received.variables),
        operation_name=received.operation_name,
        hide_suggestions=True,
    )
    result = given if isinstance(given, ExecutionResult) else await given
    return _answer(result)


def _chosen(tree: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation that runs: `measure` has seen to it that there is one."""
    nodes = (node for node in tree.definitions if isinstance(node, OperationDefinitionNode))
    return next(node for node in nodes if name is None or (node.name and node.name.value == name))


class _Literals(Visitor):
    """What JSON within our limits cannot say, a document must not say either: NUL, infinities, endless numbers."""

    def enter_string_value(self, node: StringValueNode, *_place: Any) -> None:
        if "\0" in node.value:
            raise GatewayError(Code.VALIDATION)

    def enter_int_value(self, node: IntValueNode, *_place: Any) -> None:
        if len(node.value) > DIGITS_MAX:
            raise GatewayError(Code.VALIDATION)

    def enter_float_value(self, node: FloatValueNode, *_place: Any) -> None:
        if len(node.value) > DIGITS_MAX or not math.isfinite(float(node.value)):
            raise GatewayError(Code.VALIDATION)


def _refuse_unstorable(tree: DocumentNode) -> None:
    """Raises GatewayError VALIDATION."""
    visit(tree, _Literals())


def _answer(result: ExecutionResult) -> Ran:
    entries = [_entry(error) for error in result.errors or ()]
    codes = {entry["extensions"]["code"] for entry in entries}
    data: Mapping[str, Any] = result.data or {}
    if entries and codes <= FORBIDDEN and not any(value is not None for value in data.values()):
        return Ran(403, _json({"errors": entries}))
    return Ran(200, _json({"errors": entries, "data": result.data} if entries else {"data": result.data}))


def _entry(error: GraphQLError) -> dict[str, Any]:
    """Raises what is neither a refusal nor a fault of the request: a defect, or a database that is away."""
    cause = error.original_error
    if isinstance(cause, ActRefused):
        findings = [{"path": one.path, "fault": one.fault} for one in cause.findings]
        return _placed(error, str(cause), {"code": str(cause.code), **({"findings": findings} if findings else {})})
    if isinstance(cause, GatewayError):
        return _placed(error, cause.message, {"code": cause.code.value})
    if error.message.startswith(ARGUMENT):
        return _placed(error, MESSAGE[Code.VARIABLES], {"code": Code.VARIABLES.value})
    raise cause or error


def _placed(error: GraphQLError, message: str, extensions: Mapping[str, Any]) -> dict[str, Any]:
    places: Sequence[Any] = error.locations or ()
    return {
        "message": message,
        "locations": [{"line": at.line, "column": at.column} for at in places],
        "path": error.path,
        "extensions": extensions,
    }


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
