"""What must come out, derived from the active scopes and what synthetic data subjects said: `scopes` decides, not the gate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from gateway.catalogue.definition import Catalogue, Leaf
from gateway.contracts.compare import raw_value
from gateway.contracts.subjects import Synthetic
from gateway.store.pool import Connection
from gateway.store.view import GrantView, load_view_of_partner
from scopes import (
    Acceptance,
    ConsentEvent,
    ConsentKind,
    Evidence,
    Halted,
    Plan,
    PolicyVersion,
    Purpose,
    Redaction,
    Refused,
    Rung,
    SettingEvent,
    Switch,
    decide,
    field_key,
    is_visible,
    plan,
    redact,
)

# in:  subject_id uuid
# row: collected_in_mainland boolean; policies, acceptances, consents, settings text (JSON, each in the order written)
# subject_pkey, policy_acceptance_by_subject, consent_event_by_subject, setting_event_by_subject
_EVIDENCE: Final = """
select s.collected_in_mainland,
       (select coalesce(json_agg(json_build_array(v.policy_version, v.effective_at)), '[]')
          from gateway.policy_version v)::text as policies,
       (select coalesce(json_agg(json_build_array(a.policy_version, a.accepted_at) order by a.acceptance_id), '[]')
          from gateway.policy_acceptance a where a.subject_id = $1)::text as acceptances,
       (select coalesce(json_agg(json_build_array(e.partner_id, e.purpose, e.kind, e.categories, e.cross_border, e.ends_at)
                                 order by e.event_id), '[]')
          from gateway.consent_event e where e.subject_id = $1)::text as consents,
       (select coalesce(json_agg(json_build_array(t.switch, t.allowed, t.partner_id, t.category) order by t.event_id), '[]')
          from gateway.setting_event t where t.subject_id = $1)::text as settings
  from gateway.subject s where s.subject_id = $1"""

# in:  name text
# partner_name_key
_PARTNER: Final = "select partner_id from gateway.partner where name = $1"

Shown = list[str | None]


@dataclass(frozen=True, slots=True)
class Promise:
    """What one partner must get under one purpose. evidence: of each synthetic data subject, by name."""

    view: GrantView
    purpose: Purpose
    held: frozenset[str]
    catalogue: Catalogue
    subjects: Mapping[str, Synthetic]
    evidence: Mapping[str, Evidence]
    field_secret: bytes
    now: datetime

    def plan(self, paths: Sequence[str], *, names_purpose: bool = False) -> Plan | str:
        """What an operation that asks for these fields may fetch; else the code of its refusal.

        names_purpose: the operation does, and its token is for all that the partner is granted.
        """
        if any(path not in self.view.offers for path in paths):
            return "VALIDATION"  # the partner's schema has no such field
        try:
            return plan(
                partner=self.view.partner,
                grants=self.view.grants,
                scopes=self.view.scopes,
                held=frozenset(scope.scope for scope in self.view.scopes) if names_purpose else self.held,
                purpose=self.purpose if names_purpose else None,
                paths=paths,
                catalogue=self.catalogue.fields,
                halted=Halted.nothing(),
                now=self.now,
            )
        except Refused as refused:
            return refused.reason.value

    def sees(self, name: str) -> bool:
        """Whether the data subject exists for this partner and purpose."""
        return is_visible(self.view.partner, self.purpose, self.evidence[name], self.now)

    def withheld(self, found: Plan, name: str) -> frozenset[str]:
        """The planned fields that this data subject's evidence does not cover."""
        decided = decide(found, self.evidence[name], self.now)
        return frozenset(
            path for path, one in decided.items() if one.redaction.rung is Rung.WITHHOLD != found.fields[path].redaction.rung
        )

    def shown(self, found: Plan, name: str, path: str) -> Shown | None:
        """The values of a planned field, of a list all of its items; None where whatever comes out has to be null."""
        redaction = decide(found, self.evidence[name], self.now)[path].redaction
        if redaction.rung is Rung.WITHHOLD:
            return None
        return self._redacted(path, name, redaction)

    def _redacted(self, path: str, name: str, redaction: Redaction) -> Shown:
        kind = self.catalogue.fields[path].kind
        key = field_key(self.field_secret, self.view.partner.partner_id, self.purpose.value)
        return [redact(kind, redaction, raw_value(kind, item), at=self.now, key=key) for item in raw_items(self, name, path)]


def raw_items(promise: Promise, name: str, path: str) -> Sequence[str | None]:
    """The planted values of a field: one of the data subject's own row, any number of a list."""
    owner, _, member = path.partition(".")
    value = promise.subjects[name].values.get(path)
    if owner == promise.catalogue.subject.name and isinstance(promise.catalogue.types[owner].members[member].shared, Leaf):
        return [value if isinstance(value, str) else None]
    return [] if value is None or isinstance(value, str) else value


async def view_of(conn: Connection, partner: str) -> GrantView | None:
    """What the partner is granted now."""
    return await load_view_of_partner(conn, await conn.fetchval(_PARTNER, partner))


async def evidence_of(conn: Connection, subject_id: UUID) -> Evidence:
    """All that a data subject said, from the ledgers."""
    row = await conn.fetchrow(_EVIDENCE, subject_id)
    assert row is not None  # noqa: S101 - whoever asks has just enrolled it
    return Evidence(
        policies=tuple(PolicyVersion(name, datetime.fromisoformat(at)) for name, at in json.loads(row["policies"])),
        acceptances=tuple(Acceptance(name, datetime.fromisoformat(at)) for name, at in json.loads(row["acceptances"])),
        consents=tuple(
            ConsentEvent(
                UUID(partner_id),
                Purpose(purpose),
                ConsentKind(kind),
                frozenset(categories),
                cross_border,
                None if ends_at is None else datetime.fromisoformat(ends_at),
            )
            for partner_id, purpose, kind, categories, cross_border, ends_at in json.loads(row["consents"])
        ),
        settings=tuple(
            SettingEvent(Switch(switch), allowed, None if partner_id is None else UUID(partner_id), category)
            for switch, allowed, partner_id, category in json.loads(row["settings"])
        ),
        collected_in_mainland=row["collected_in_mainland"],
        is_synthetic=True,
    )
