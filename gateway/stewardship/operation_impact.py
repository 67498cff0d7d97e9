"""Which registered operations a change answers otherwise: each looked at under the view before and after, as registering does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.catalogue.definition import Catalogue, RowList
from gateway.request.codes import Code
from gateway.request.limits import Limits
from gateway.schema.view import PartnerSchema
from gateway.stewardship.examine import Examined, examine
from gateway.store.view import GrantView
from scopes import Purpose, Redaction

_WORD: Final = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")  # GraphQL specification 2.1.9


@dataclass(frozen=True, slots=True)
class OperationField:
    """redaction_before, redaction_after: labels; None where the operation does not get the field."""

    path: str
    redaction_before: str | None
    redaction_after: str | None


@dataclass(frozen=True, slots=True)
class OperationImpact:
    """One operation of a registered document under one purpose, None where it has none. operation: its name, if it has one.

    refused_before, refused_after: the code that a request gets; None where it is answered. fields: those that come out otherwise.
    """

    document_sha256: str
    operation: str | None
    purpose: Purpose | None
    refused_before: Code | None
    refused_after: Code | None
    fields: tuple[OperationField, ...]


@dataclass(frozen=True, slots=True)
class _Outcome:
    code: Code | None
    fields: Mapping[str, str]


def operations_of(
    catalogue: Catalogue, limits: Limits, views: tuple[GrantView, GrantView], schemas: tuple[PartnerSchema, PartnerSchema]
) -> tuple[OperationImpact, ...]:
    """Those that are answered otherwise, in the order of their documents' hashes. schemas: of the views, before and after."""
    found: list[OperationImpact] = []
    names = _names(catalogue, *views)
    for digest, document in sorted(views[1].registered.items()):
        if names is not None and names.isdisjoint(_WORD.findall(document)):
            continue
        was, becomes = (
            examine(catalogue, limits, view, document, schema=schema) for view, schema in zip(views, schemas, strict=True)
        )
        found += _differences(digest, was, becomes)
    return tuple(found)


def _names(catalogue: Catalogue, before: GrantView, after: GrantView) -> frozenset[str] | None:
    """The field names without any of which a document is answered as it was: there may be hundreds of documents, and looking at
    one takes milliseconds. None where every document may be answered otherwise."""
    if before.partner != after.partner or not before.offers or not after.offers or _purposes(before) != _purposes(after):
        return None
    was, becomes = _rules(before), _rules(after)
    changed = {path for path in {*was, *becomes} if was.get(path) != becomes.get(path)}
    types = {path.partition(".")[0] for path in changed}
    lists = (
        member.name
        for shared_type in catalogue.types.values()
        for member in shared_type.members.values()
        if isinstance(member.shared, RowList) and member.shared.type_name in types
    )
    return frozenset({path.partition(".")[2] for path in changed} | {*lists})


def _purposes(view: GrantView) -> set[Purpose]:
    return {scope.purpose for scope in view.scopes}


def _rules(view: GrantView) -> dict[str, dict[str, Redaction]]:
    """By path, what each scope says of it, those that withhold it as well."""
    found: dict[str, dict[str, Redaction]] = {}
    for scope in view.scopes:
        for path, field in scope.fields.items():
            found.setdefault(path, {})[scope.scope] = field.redaction
    return found


def _differences(digest: str, was: Examined, becomes: Examined) -> list[OperationImpact]:
    found = []
    for name, purpose in _places(was, becomes):
        one, other = _outcome(was, name, purpose), _outcome(becomes, name, purpose)
        if one != other:
            fields = tuple(
                OperationField(path, one.fields.get(path), other.fields.get(path))
                for path in dict.fromkeys([*one.fields, *other.fields])
                if one.fields.get(path) != other.fields.get(path)
            )
            found.append(OperationImpact(digest, name, purpose, one.code, other.code, fields))
    return found


def _places(*examined: Examined) -> list[tuple[str | None, Purpose | None]]:
    """Each operation under each purpose that either knows; under none where neither knows any."""
    names = dict.fromkeys(operation.name for one in examined for operation in one.operations) or {None: None}
    found: list[tuple[str | None, Purpose | None]] = []
    for name in names:
        under = [under for one in examined for operation in one.operations if operation.name == name for under in operation.under]
        purposes = dict.fromkeys(one.purpose for one in under if one.purpose is not None)
        found += [(name, purpose) for purpose in purposes or (None,)]
    return found


def _outcome(examined: Examined, name: str | None, purpose: Purpose | None) -> _Outcome:
    if examined.hindrance is not None:
        return _Outcome(examined.hindrance.code, {})
    operation = next(operation for operation in examined.operations if operation.name == name)
    if operation.hindrance is not None:
        return _Outcome(operation.hindrance.code, {})
    under = next((under for under in operation.under if under.purpose in (purpose, None)), None)
    if under is None:
        return _Outcome(Code.PURPOSE_NOT_HELD, {})
    code = None if under.hindrance is None else under.hindrance.code
    return _Outcome(code, {field.path: field.redaction for field in under.fields})
