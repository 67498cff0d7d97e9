"""The whole configuration as values, and what would have to be decided so that one stands in place of another. Pure."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.oauth.registration import InvalidClientMetadata, validate
from gateway.stewardship.content import (
    ChangeKind,
    Days,
    Instant,
    PartnerContent,
    RulesContent,
    ScopeContent,
    ScopeName,
)

RULES: Final = "rules"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ClientPart(_Part):
    """A client of the partner: metadata of RFC 7591 with its `client_id`, public keys included, never a secret."""

    metadata: dict[str, Any]
    status: Literal["active", "suspended", "ended"] = "active"


class GrantPart(_Part):
    """A scope that the partner may use. starts_at: left out for the instant of the approval."""

    scope: ScopeName
    starts_at: Instant | None = None
    ends_at: Instant
    retention_days: Days


class OperationPart(_Part):
    """A document that is registered for the partner, to the letter."""

    label: Annotated[str, Field(min_length=1, pattern=r"\S")]
    document: Annotated[str, Field(min_length=1, max_length=1_000_000)]

    @property
    def sha256(self) -> str:
        return sha256(self.document.encode()).hexdigest()


class PartnerForm(PartnerContent):
    """A partner as a file: what is on record of it, and its clients, grants and registered operations."""

    clients: Annotated[list[ClientPart], Field(max_length=1_000)] = []  # noqa: RUF012 - pydantic copies it
    grants: Annotated[list[GrantPart], Field(max_length=10_000)] = []  # noqa: RUF012 - as above
    operations: Annotated[list[OperationPart], Field(max_length=500)] = []  # noqa: RUF012 - as above

    def registration(self) -> dict[str, Any]:
        """As a change of kind `partner` has it."""
        return {name: value for name, value in self.wire().items() if name in PartnerContent.model_fields}


@dataclass(frozen=True, slots=True)
class Configuration:
    """Scopes and partners by name. A grant's id is not part of it: see `Standing`."""

    rules: RulesContent
    scopes: Mapping[str, ScopeContent]
    partners: Mapping[str, PartnerForm]


@dataclass(frozen=True, slots=True)
class Standing:
    """The configuration that stands at an instant, with the id of each grant, in the order of its partner's `grants`.

    Partners and clients that have ended are not in it.
    """

    configuration: Configuration
    grant_ids: Mapping[str, Sequence[str]]
    now: datetime


class Step(StrEnum):
    ADD = "add"
    CHANGE = "change"
    END = "end"


@dataclass(frozen=True, slots=True)
class Difference:
    """One member at its place, before and after; None: it is not there."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to decide. kind: None for a registered operation, which no change is needed for.

    content: what is proposed, or what there is to register or to end. needs: titles of other items that may
    have to be approved first; must: those that have to be.
    """

    step: Step
    kind: ChangeKind | None
    title: str
    content: Mapping[str, Any]
    differences: tuple[Difference, ...] = ()
    needs: frozenset[str] = frozenset()
    must: frozenset[str] = frozenset()


def plan(standing: Standing, wanted: Configuration) -> tuple[Item, ...]:
    """What to add, change and end, in an order in which each can be decided after those before it. Empty: nothing.

    Members that are only ordered differently, or spelt differently but mean the same, are no difference.
    """
    have = standing.configuration
    scopes = [*_scopes(have, wanted)]
    rules = [*_rules(have, wanted, scopes)]
    added = {one.title for one in scopes if one.step is Step.ADD}
    return (
        *rules,
        *(replace(one, needs=frozenset(rule.title for rule in rules)) for one in scopes if one.step is not Step.END),
        *(replace(one, must=one.must | (one.needs & added)) for one in _partners(standing, wanted)),
        *(one for one in scopes if one.step is Step.END),
    )


def differences_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Of two contents of one kind, member by member; the fields of a scope by their paths."""
    told = [_by_path(one) if "fields" in one else one for one in (before, after)]
    return _differences(told[0], told[1])


def normal_metadata(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """As the register would keep them; as they are where it would not take them."""
    try:
        found: Mapping[str, Any] = json.loads(validate(metadata).document)
    except InvalidClientMetadata:
        return metadata
    return found


def _rules(have: Configuration, wanted: Configuration, scopes: Sequence[Item]) -> Iterator[Item]:
    before, after = have.rules.rules().to_wire(), wanted.rules.rules().to_wire()
    if before != after:
        needs = frozenset(one.title for one in scopes)
        yield Item(Step.CHANGE, ChangeKind.RULES, RULES, after, _differences(before, after), needs)


def _scopes(have: Configuration, wanted: Configuration) -> Iterator[Item]:
    for name in sorted(have.scopes.keys() | wanted.scopes.keys()):
        before, after, title = _scope(have.scopes.get(name)), _scope(wanted.scopes.get(name)), f"scope {name}"
        if after is None:
            yield Item(Step.END, ChangeKind.SCOPE_END, title, {"scope": name})
        elif before is None:
            yield Item(Step.ADD, ChangeKind.SCOPE, title, after, _differences({}, _by_path(after)))
        elif differences := _differences(_by_path(before | {"active_from": after["active_from"]}), _by_path(after)):
            yield Item(Step.CHANGE, ChangeKind.SCOPE, title, after, differences)


def _scope(scope: ScopeContent | None) -> dict[str, Any] | None:
    if scope is None:
        return None
    wire = scope.wire()
    return {**wire, "fields": sorted(wire["fields"], key=lambda field: str(field["path"]))}


def _by_path(scope: Mapping[str, Any]) -> dict[str, Any]:
    """With its fields by their paths, so that a difference names the field and not its place."""
    fields = {field["path"]: {name: value for name, value in field.items() if name != "path"} for field in scope["fields"]}
    return {**scope, "fields": fields}


def _partners(standing: Standing, wanted: Configuration) -> Iterator[Item]:
    have = standing.configuration.partners
    for name in sorted(have.keys() | wanted.partners.keys()):
        before, after, title = have.get(name), wanted.partners.get(name), f"partner {name}"
        if after is None or after.status == "ended":  # with everything that it had
            if before is not None:
                content = {**(after or before).registration(), "status": "ended"}
                yield Item(Step.END, ChangeKind.PARTNER, title, content, _differences(before.registration(), content))
            continue
        step = Step.ADD if before is None else Step.CHANGE
        differences = _differences({} if before is None else before.registration(), after.registration())
        own = frozenset({title}) if differences else frozenset[str]()
        if differences:
            yield Item(step, ChangeKind.PARTNER, title, after.registration(), differences)
        must = own if before is None else frozenset[str]()
        granted = [*_grants(standing, before, after)]
        answered_by = frozenset[str]().union(*({item.title} | item.needs for item in granted))
        operations = [replace(item, needs=answered_by) for item in _operations(before, after)]
        for item in (*_clients(before, after), *granted, *operations):
            yield replace(item, needs=item.needs | own, must=item.must | must)


def _clients(before: PartnerForm | None, after: PartnerForm) -> Iterator[Item]:
    held, named = _by_id(before), _by_id(after)
    for client_id in sorted(held.keys() | named.keys()):
        had, want, title = held.get(client_id), named.get(client_id), f"client {client_id} of {after.name}"
        if want is None or want["status"] == "ended":
            if had is not None:
                content = {**(want or had), "status": "ended"}
                yield Item(Step.END, ChangeKind.CLIENT, title, content, _differences(had, content))
        elif had != want:
            step = Step.ADD if had is None else Step.CHANGE
            yield Item(step, ChangeKind.CLIENT, title, want, _differences(had or {}, want))


def _by_id(partner: PartnerForm | None) -> dict[str, dict[str, Any]]:
    """Contents of kind `client`, by client_id."""
    if partner is None:
        return {}
    return {
        str(one.metadata["client_id"]): {
            "partner": partner.name,
            "metadata": dict(normal_metadata(one.metadata)),
            "status": one.status,
        }
        for one in partner.clients
    }


def _grants(standing: Standing, before: PartnerForm | None, after: PartnerForm) -> Iterator[Item]:
    """A grant is not changed: another takes its place. One whose period is over is nothing to decide about."""
    left = [*zip(before.grants, standing.grant_ids[before.name], strict=True)] if before is not None else []
    new = []
    for want in after.grants:
        found = next((one for one in left if _is_same(one[0], want)), None)
        if found is not None:
            left.remove(found)
        elif want.ends_at > standing.now:
            new.append(want)
    for want in new:
        told, needs = want.model_dump(mode="json"), frozenset({f"scope {want.scope}"})
        yield Item(
            Step.ADD, ChangeKind.GRANT, _grant(want, after), {"partner": after.name, **told}, _differences({}, told), needs
        )
    for held, grant_id in left:
        told, title = held.model_dump(mode="json"), f"{_grant(held, after)} until {held.ends_at.isoformat()}"
        content = {"grant_id": grant_id, "partner": after.name, "scope": held.scope}
        successors = frozenset(_grant(one, after) for one in new if one.scope == held.scope)  # first, or the flow would stop
        yield Item(Step.END, ChangeKind.GRANT_END, title, content, _differences(told, {}), must=successors)


def _grant(grant: GrantPart, partner: PartnerForm) -> str:
    return f"grant of {grant.scope} to {partner.name}"


def _is_same(held: GrantPart, want: GrantPart) -> bool:
    """Whether the grant that stands is the one that is wanted; a start that is left out is any."""
    begins = want.starts_at or held.starts_at
    return (held.scope, held.starts_at, held.ends_at, held.retention_days) == (
        want.scope,
        begins,
        want.ends_at,
        want.retention_days,
    )


def _operations(before: PartnerForm | None, after: PartnerForm) -> Iterator[Item]:
    held = {one.sha256: one for one in (before.operations if before is not None else ())}
    named = {one.sha256: one for one in after.operations}
    for digest in sorted(held.keys() | named.keys()):
        had, want, title = held.get(digest), named.get(digest), f"operation {digest} of {after.name}"
        told = [{} if one is None else {"label": one.label} for one in (had, want)]
        if told[0] != told[1]:
            step = Step.ADD if had is None else Step.END if want is None else Step.CHANGE
            wanted = {} if want is None else want.model_dump(mode="json")
            content = {"partner": after.name, "document_sha256": digest, **wanted}
            yield Item(step, None, title, content, _differences(told[0], told[1]))


def _differences(before: Any, after: Any, path: str = "") -> tuple[Difference, ...]:
    """Member by member, down to where lists or plain values differ."""
    if (before is None and isinstance(after, Mapping)) or (after is None and isinstance(before, Mapping)):
        before, after = before or {}, after or {}
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found: list[Difference] = []
        for name in sorted(before.keys() | after.keys()):
            found += _differences(before.get(name), after.get(name), f"{path}.{name}" if path else str(name))
        return tuple(found)
    return () if before == after else (Difference(path, before, after),)


def twice(names: Sequence[str]) -> str | None:
    """The first that stands there more than once."""
    return next((name for name, count in Counter(names).items() if count > 1), None)
