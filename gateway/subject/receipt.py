"""The receipt of one consent, in the information structure of ISO/IEC TS 27560:2023: a record that its data subject can keep.

Built from the ledger and from the notice that was shown; it holds nobody's values, and names the data subject by the pseudonym
that the partner knows it by. Members are named as the specification names them; two that it lacks are ours: `disclosed_as` (how a
value is redacted) and `notice_content`, what was shown.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from gateway.settings import Settings
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from gateway.subject.notice import find
from scopes import BASIS, CATEGORIES, MAINLAND, Basis, ConsentKind, Purpose, Role, Sensitivity, pseudonym

SCHEMA: Final = "ISO/IEC TS 27560:2023"
RIGHTS: Final = ("access", "copy", "rectification", "erasure", "withdrawal", "complaint")
CONTROLLER: Final = "controller"

CONSENT = question("offers", "consent_to_record")


@dataclass(frozen=True, slots=True)
class Receipt:
    """document: the whole receipt, JSON. The rest is what its page needs to say it in words."""

    document: Mapping[str, Any]
    partner_name: str
    legal_name: str
    categories: tuple[str, ...]
    state: str
    cross_border: bool
    mechanism: str | None
    ends_at: datetime | None
    history: tuple[tuple[datetime, str, tuple[str, ...]], ...]

    @property
    def file_name(self) -> str:
        return f"consent-{self.partner_name}-{str(self.document['record_id'])[:8]}.json"


async def make_receipt(conn: AnyConnection, settings: Settings, subject_id: UUID, consent_id: UUID) -> Receipt | None:
    """None where there is no such consent of this data subject."""
    row = await conn.fetchrow(CONSENT, consent_id, subject_id)
    if row is None:
        return None
    events = json.loads(row["events"])
    given = next((event for event in reversed(events) if event["categories"]), events[-1])
    digest = next((event["notice_sha256"] for event in reversed(events) if event["notice_sha256"]), None)
    shown = None if digest is None else await find(conn, bytes.fromhex(digest))
    ends_at = None if given["ends_at"] is None else datetime.fromisoformat(given["ends_at"])
    state = _state(row, events, ends_at)
    document = {
        "schema_version": SCHEMA,
        "record_id": str(consent_id),
        "receipt_created_at": row["now"].isoformat(),
        "pii_principal_id": str(pseudonym(settings.key("pseudonym"), row["partner_id"], row["purpose"], subject_id)),
        "consent_state": state,
        "pii_processing": _processing(row, given, shown, digest, settings, consent_id),
        "party_identification": _parties(row, settings),
        "events": [_event(event) for event in events],
        "notice_content": shown,
    }
    history = tuple(
        (datetime.fromisoformat(event["recorded_at"]), str(event["kind"]), tuple(event["categories"])) for event in events
    )
    return Receipt(
        document=document,
        partner_name=row["name"],
        legal_name=row["legal_name"],
        categories=tuple(given["categories"]),
        state=state,
        cross_border=given["cross_border"],
        mechanism=row["cross_border_mechanism"],
        ends_at=ends_at,
        history=history,
    )


def _state(row: asyncpg.Record, events: Sequence[Mapping[str, Any]], ends_at: datetime | None) -> str:
    last = ConsentKind(events[-1]["kind"])
    if last is ConsentKind.WITHDRAWN:
        return "consent_withdrawn"
    if not row["is_latest"]:
        return "consent_replaced"
    if ends_at is not None and ends_at <= row["now"]:
        return "consent_expired"
    return f"consent_{last.value}"


def _processing(
    row: asyncpg.Record,
    given: Mapping[str, Any],
    shown: Mapping[str, Any] | None,
    digest: str | None,
    settings: Settings,
    consent_id: UUID,
) -> dict[str, object]:
    purpose, role, location = Purpose(row["purpose"]), Role(row["role"]), row["processing_location"]
    fields = {} if shown is None else {one["category"]: one["fields"] for one in shown["categories"]}
    retention = None if shown is None else shown["terms"]["retention_days"]
    return {
        "privacy_notice": {
            "policy_version": given["policy_version"],
            "notice_version": None if shown is None else shown["notice_version"],
            "notice_sha256": digest,
        },
        "language": None if shown is None else shown["language"],
        "purposes": [
            {
                "purpose": purpose.value,
                "purpose_description": None if shown is None or shown["purpose"] is None else shown["purpose"]["words"],
                "lawful_basis": sorted({_basis(purpose, role, name).value for name in given["categories"]} | _border(given)),
                "pii_information": [_information(purpose, role, name, fields.get(name, ())) for name in given["categories"]],
                "pii_controllers": [CONTROLLER],
                "collection_method": "given by the data subject, or arisen from their use of the service",
                "processing_method": "disclosed on request, redacted as stated under disclosed_as, each time recorded",
                "storage_locations": [location],
                "retention_period": None if retention is None else f"P{retention}D",
                "processing_locations": [location],
                "geographic_restrictions": _geography(row, given),
                "jurisdiction": settings.jurisdiction,
                "recipient_third_parties": [row["name"]],
                "withdrawal_method": f"{settings.base_url}/me/consents/{consent_id}",
                "privacy_rights": list(RIGHTS),
            }
        ],
    }


def _basis(purpose: Purpose, role: Role, category: str) -> Basis:
    return BASIS[purpose, role, CATEGORIES[category].sensitivity]


def _border(given: Mapping[str, Any]) -> set[str]:
    return {Basis.CROSS_BORDER_CONSENT.value} if given["cross_border"] else set()


def _information(purpose: Purpose, role: Role, category: str, fields: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    return {
        "pii_type": category,
        "pii_attribute_id": [field["path"] for field in fields],
        "disclosed_as": {field["path"]: field["redaction"] for field in fields},
        "pii_optional": True,
        "sensitive_pii_category": CATEGORIES[category].sensitivity is Sensitivity.SENSITIVE,
        "lawful_basis": _basis(purpose, role, category).value,
    }


def _geography(row: asyncpg.Record, given: Mapping[str, Any]) -> str:
    """Policy 8.1, 9.5."""
    if row["processing_location"] == MAINLAND:
        return "stays in mainland China"
    return (
        f"leaves mainland China under: {row['cross_border_mechanism']}"
        if given["cross_border"]
        else "may not leave mainland China"
    )


def _parties(row: asyncpg.Record, settings: Settings) -> list[dict[str, object]]:
    return [
        {
            "party_id": CONTROLLER,
            "party_name": settings.controller_name,
            "party_role": "PII controller",
            "party_contact": settings.controller_contact or settings.base_url,
            "party_country": settings.jurisdiction,
        },
        {
            "party_id": row["name"],
            "party_name": row["legal_name"],
            "party_role": row["role"],
            "party_type": row["kind"],
            "party_contact": row["contact"],
            "party_country": row["processing_location"],
        },
    ]


def _event(event: Mapping[str, Any]) -> dict[str, object]:
    return {
        "event_time": event["recorded_at"],
        "event_type": "explicit",
        "event_state": f"consent_{event['kind']}",
        "entity_id": "pii_principal",
        "validity_ends_at": event["ends_at"],
        "pii_types": event["categories"],
        "cross_border": event["cross_border"],
        "policy_version": event["policy_version"],
        "notice_sha256": event["notice_sha256"],
    }
