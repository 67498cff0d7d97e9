"""Validation against a partner's schema, in words of ours.

The rules of the library quote the document, literals among them, and guess at names that the partner did not ask for. Here each
broken rule is named, as the GraphQL specification numbers it, with the place in the document and nothing else of it.
"""

from collections.abc import Mapping
from typing import Final

from graphql import DocumentNode, GraphQLError, GraphQLSchema, specified_rules, validate
from graphql.validation import ASTValidationRule

from gateway.request.codes import Code, GatewayError, Problem

MAX_PROBLEMS: Final = 5
RULE: Final = "rule"

SAID: Final[Mapping[str, str]] = {
    "FieldsOnCorrectType": "A field is selected that this type does not have.",
    "ScalarLeafs": "A field of an object type needs a selection, and one of a scalar type takes none.",
    "KnownArgumentNames": "A field or directive does not have this argument.",
    "ProvidedRequiredArguments": "A required argument is missing.",
    "ValuesOfCorrectType": "A value is not of the type that its place asks for.",
    "KnownTypeNames": "A type is named that the schema does not have.",
    "KnownDirectives": "A directive is not known, or not allowed here.",
    "KnownOperationTypes": "The schema has no such kind of operation.",
    "KnownFragmentNames": "A fragment is spread that the document does not define.",
    "NoUnusedFragments": "A fragment is defined and not used.",
    "NoUndefinedVariables": "A variable is used that the operation does not declare.",
    "NoUnusedVariables": "A variable is declared and not used.",
    "VariablesInAllowedPosition": "A variable is used where its type does not fit.",
    "OverlappingFieldsCanBeMerged": "Two fields of one response key cannot be merged: give one of them an alias.",
}
OTHERWISE: Final = "The document breaks a validation rule of the GraphQL specification."


def _named(rule: type[ASTValidationRule]) -> type[ASTValidationRule]:
    """The same rule, whose reports say which rule it was."""

    class Named(rule):  # type: ignore[misc, valid-type]  # the base is a value here: one subclass for each rule
        def report_error(self, error: GraphQLError) -> None:
            error.extensions = {RULE: rule.__name__.removesuffix("Rule")}
            super().report_error(error)

    Named.__name__ = rule.__name__
    return Named


RULES: Final[tuple[type[ASTValidationRule], ...]] = tuple(_named(rule) for rule in specified_rules)


def validate_document(schema: GraphQLSchema, document: DocumentNode) -> None:
    """Raises GatewayError(VALIDATION) with a problem for each of the first broken rules. Measure the document before."""
    errors = validate(schema, document, RULES, max_errors=MAX_PROBLEMS, hide_suggestions=True)
    if errors:
        raise GatewayError(Code.VALIDATION, problems=tuple(_problem(error) for error in errors[:MAX_PROBLEMS]))


def _problem(error: GraphQLError) -> Problem:
    rule = (error.extensions or {}).get(RULE)
    places = tuple((at.line, at.column) for at in error.locations or ())
    return Problem(SAID.get(str(rule), OTHERWISE), places, None if rule is None else str(rule))
