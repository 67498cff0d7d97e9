"""The decisions in tests/vectors, as data: other implementations of the same rules can be put to them as well."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from scopes import (
    Acceptance,
    ConsentEvent,
    ConsentKind,
    Evidence,
    FieldDecision,
    Grant,
    Halted,
    Kind,
    Partner,
    Plan,
    PlannedField,
    PolicyVersion,
    Purpose,
    RawValue,
    Reason,
    Redaction,
    Refusal,
    Refused,
    Role,
    ScopeField,
    ScopeVersion,
    SettingEvent,
    Switch,
    decide,
    plan,
    redact,
)
from tests.support.wills import CATALOGUE, DAY, NOON, OTHER_PARTNER_ID, PARTNER_ID

Vector = Mapping[str, Any]
VECTORS = Path(__file__).resolve().parents[1] / "vectors"
PARTNER_IDS = {"this": PARTNER_ID, "other": OTHER_PARTNER_ID}
KEY = b"k" * 32


def vectors(name: str) -> list[Any]:
    listed = json.loads((VECTORS / f"{name}.json").read_text())["vectors"]
    return [pytest.param(vector, id=vector.get("name", f"{n}")) for n, vector in enumerate(listed)]


def a_partner(wire: Vector) -> Partner:
    return Partner(
        partner_id=PARTNER_ID,
        name="partner",
        role=Role(wire.get("role", "recipient")),
        processing_location=wire.get("processing_location", "CN"),
        cross_border_mechanism=wire.get("cross_border_mechanism"),
        agreement_starts_at=NOON - DAY,
        agreement_ends_at=NOON + DAY,
        status=wire.get("status", "active"),
    )


def an_instant(wire: str | None) -> datetime | None:
    return None if wire is None else datetime.fromisoformat(wire)


def an_evidence(wire: Vector, purpose: Purpose) -> Evidence:
    consents = [
        ConsentEvent(
            partner_id=PARTNER_IDS[event.get("partner", "this")],
            purpose=Purpose(event.get("purpose", purpose)),
            kind=ConsentKind(event["kind"]),
            categories=frozenset(event["categories"]),
            cross_border=event.get("cross_border", False),
            ends_at=an_instant(event.get("ends_at")),
        )
        for event in wire.get("consents", [])
    ]
    settings = [
        SettingEvent(
            switch=Switch(event["switch"]),
            allowed=event["allowed"],
            partner_id=PARTNER_IDS[event["partner"]] if "partner" in event else None,
            category=event.get("category"),
        )
        for event in wire.get("settings", [])
    ]
    policies = [
        PolicyVersion(item["policy_version"], datetime.fromisoformat(item["effective_at"])) for item in wire.get("policies", [])
    ]
    return Evidence(
        policies=tuple(policies),
        acceptances=tuple(Acceptance(version, NOON - DAY) for version in wire.get("acceptances", [])),
        consents=tuple(consents),
        settings=tuple(settings),
        collected_in_mainland=wire.get("collected_in_mainland", True),
    )


@pytest.mark.parametrize("vector", vectors("decide"))
def test_decisions_are_as_written(vector: Vector) -> None:
    """policy 6: each vector names its clause."""
    purpose = Purpose(vector["purpose"])
    fields = {}
    for path, wire in vector["fields"].items():
        offered = CATALOGUE[path]
        fields[path] = PlannedField(path, offered.category, offered.kind, Redaction.from_wire(wire), ("scope@1",))
    planned = Plan(purpose, a_partner(vector["partner"]), fields, ("scope",))

    decided = decide(planned, an_evidence(vector["evidence"], purpose), datetime.fromisoformat(vector["now"]))

    expected = vector["expected"].items()
    assert decided == {
        path: FieldDecision(Redaction.from_wire(told["redaction"]), Reason[told["reason"]]) for path, told in expected
    }


@pytest.mark.parametrize("vector", vectors("plan"))
def test_plans_are_as_written(vector: Vector) -> None:
    """policy 2, 6, 9.4: each vector names its clause."""
    halted = Halted(
        everything=vector["halted"].get("everything", False),
        partners=frozenset([PARTNER_ID] if vector["halted"].get("partner") else []),
        scopes=frozenset(vector["halted"].get("scopes", [])),
    )
    scopes = [
        ScopeVersion(
            scope["scope"],
            scope["version"],
            Purpose(scope["purpose"]),
            NOON - DAY,
            None,
            {path: ScopeField(Redaction.from_wire(rule), "needed") for path, rule in scope["fields"].items()},
        )
        for scope in vector["scopes"]
    ]
    told: dict[str, object]
    try:
        planned = plan(
            partner=a_partner(vector["partner"]),
            grants=[Grant(UUID(int=1), name, NOON - DAY, NOON + DAY, timedelta(days=30), None) for name in vector["grants"]],
            scopes=scopes,
            held=frozenset(vector["held"]),
            purpose=Purpose(vector["purpose"]) if vector["purpose"] else None,
            paths=vector["paths"],
            catalogue=CATALOGUE,
            halted=halted,
            now=NOON,
        )
        told = {"purpose": planned.purpose, "fields": {path: field.redaction.to_wire() for path, field in planned.fields.items()}}
    except Refused as refused:
        told = {"refused": refused.reason, "scope": refused.scope, "path": refused.path}

    assert told == vector["expected"]


def a_value(kind: Kind, wire: Any) -> RawValue | None:  # Any: as JSON has it
    match kind, wire:
        case _, None:
            return None
        case Kind.BIRTH_DATE, _:
            return date.fromisoformat(wire)
        case Kind.INSTANT, _:
            return datetime.fromisoformat(wire)
        case Kind.IP, _:
            return ip_address(wire)
        case Kind.LOCATION, [longitude, latitude]:
            return float(longitude), float(latitude)
        case _:
            return str(wire)


@pytest.mark.parametrize("vector", vectors("redact"))
def test_redactions_are_as_written(vector: Vector) -> None:
    """policy 6.2."""
    kind, rule = Kind(vector["kind"]), Redaction.from_wire(vector["redaction"])
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    assert redact(kind, rule, a_value(kind, vector["value"]), at=at, key=KEY) == vector["shown"]


def test_the_vectors_use_every_reason_and_refusal() -> None:
    """Closed lists are total: a new member needs a vector."""
    reasons = {told["reason"] for param in vectors("decide") for told in param.values[0]["expected"].values()}
    refusals = {param.values[0]["expected"].get("refused") for param in vectors("plan")} - {None}
    kinds = {param.values[0]["kind"] for param in vectors("redact")}

    assert reasons == {reason.wire for reason in Reason}
    assert refusals == {refusal.value for refusal in Refusal}
    assert kinds >= set(Kind) - {Kind.URL, Kind.IDENTIFIER, Kind.LABEL}
