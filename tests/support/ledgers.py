"""Invented evidence, as the ledgers hold it: what some data subjects said towards two partners, for one of which it is folded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID, uuid5

from hypothesis import strategies as st

from gateway.store.pool import Connection
from scopes import (
    CATEGORIES,
    Acceptance,
    ConsentEvent,
    ConsentKind,
    Evidence,
    Partner,
    PolicyVersion,
    Purpose,
    Role,
    SettingEvent,
    Switch,
    parents,
)

NAMESPACE: Final = UUID("6f9f9d0e-5b1c-4a52-8a53-3c0c1f6f4d10")
PARTNER_ID: Final = UUID("10000000-0000-4000-8000-000000000001")
OTHER_ID: Final = UUID("10000000-0000-4000-8000-000000000002")
# Leaves of both sensitivities, two below one node; every other one behaves as one of these
LEAVES: Final = ("identity.real_name", "identity.national_id", "profile.city", "location.precise")
NODES: Final = (*LEAVES, "identity", "location", None)
DAYS: Final = (-300, -2, 2, 300)  # from the instant of the fold
EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
assert set(LEAVES) <= CATEGORIES.keys()
assert "identity" in parents("identity.real_name")


@dataclass(frozen=True, slots=True, repr=False)
class Case:
    """A partner, a purpose, and the evidence of some data subjects."""

    partner: Partner
    purpose: Purpose
    subjects: tuple[Evidence, ...]

    def __repr__(self) -> str:
        """Short: of forty data subjects the failed comparison shows the one that matters."""
        return f"<{len(self.subjects)} subjects, {self.partner.role}, {self.partner.processing_location}, {self.purpose}>"

    @property
    def policies(self) -> tuple[PolicyVersion, ...]:
        return self.subjects[0].policies

    @property
    def subject_ids(self) -> list[UUID]:
        return [uuid5(NAMESPACE, str(number)) for number in range(len(self.subjects))]

    def at(self, now: datetime) -> Case:
        """The same case, drawn around EPOCH, around `now`."""
        return replace(self, subjects=tuple(_moved(said, now - EPOCH) for said in self.subjects))


def _moved(said: Evidence, by: timedelta) -> Evidence:
    return replace(
        said,
        policies=tuple(replace(policy, effective_at=policy.effective_at + by) for policy in said.policies),
        acceptances=tuple(replace(event, accepted_at=event.accepted_at + by) for event in said.acceptances),
        consents=tuple(replace(event, ends_at=event.ends_at and event.ends_at + by) for event in said.consents),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A partner and a purpose, and forty data subjects of whom every one has said something else.

    Drawn value by value, most would have said nothing: chance fills them in, from a seed that hypothesis prints.
    """
    chance = draw(st.randoms(use_true_random=True))
    role = chance.choices(tuple(Role), (40, 35, 10, 8, 7))[0]
    location, mechanism = chance.choices((("CN", None), ("SG", "standard_contract"), ("HK", None)), (50, 40, 10))[0]
    partner = Partner(PARTNER_ID, "p", role, location, mechanism, EPOCH, EPOCH, "active")
    purpose = chance.choice((Purpose.SERVICE_DELIVERY, Purpose.ADVERTISING, *Purpose))
    days = chance.sample(DAYS, chance.choices(range(5), (4, 24, 24, 24, 24))[0])
    policies = tuple(PolicyVersion(f"v{n}", EPOCH + timedelta(days=day)) for n, day in enumerate(days))
    return Case(partner, purpose, tuple(_said(chance, policies, purpose) for _ in range(40)))


def _said(chance: Random, policies: tuple[PolicyVersion, ...], purpose: Purpose) -> Evidence:
    accepted = chance.sample(policies, min(len(policies), chance.choices(range(3), (30, 50, 20))[0]))
    return Evidence(
        policies=policies,
        acceptances=tuple(Acceptance(policy.policy_version, EPOCH) for policy in accepted),
        # The ledger's rows name a policy: without one there are none
        consents=tuple(_consent(chance, purpose) for _ in range(chance.choices(range(5), (15, 30, 30, 15, 10))[0]) if policies),
        settings=tuple(_setting(chance) for _ in range(chance.choices(range(4), (50, 25, 15, 10))[0])),
        collected_in_mainland=chance.random() < 0.7,
        is_synthetic=chance.random() < 0.2,
    )


def _consent(chance: Random, purpose: Purpose) -> ConsentEvent:
    """Mostly towards the partner and the purpose; now and then towards others, which must not count."""
    other = next(name for name in Purpose if name is not purpose)
    to, under = chance.choices(((PARTNER_ID, purpose), (OTHER_ID, purpose), (PARTNER_ID, other)), (80, 10, 10))[0]
    if chance.random() < 0.2:
        return ConsentEvent(to, under, ConsentKind.WITHDRAWN, frozenset())
    kind = chance.choice((ConsentKind.GIVEN, ConsentKind.NARROWED))
    named = frozenset(chance.sample(LEAVES, chance.randint(1, len(LEAVES))))
    ends_at = chance.choice((None, None, *(EPOCH + timedelta(days=day) for day in DAYS)))
    return ConsentEvent(to, under, kind, named, chance.random() < 0.7, ends_at)


def _setting(chance: Random) -> SettingEvent:
    if chance.random() < 0.25:
        return SettingEvent(Switch.ADVERTISING, chance.random() < 0.4)
    partner_id = chance.choice((None, PARTNER_ID, OTHER_ID))
    return SettingEvent(Switch.SHARING, chance.random() < 0.4, partner_id, chance.choices(NODES, (4, 4, 4, 4, 3, 3, 1))[0])


async def write(conn: Connection, case: Case) -> None:
    """The case's rows, into a database that has none of them."""
    partner = case.partner
    for partner_id, role, location, mechanism in (
        (partner.partner_id, partner.role, partner.processing_location, partner.cross_border_mechanism),
        (OTHER_ID, Role.RECIPIENT, "CN", None),
    ):
        await conn.execute(
            "insert into gateway.partner (partner_id, name, legal_name, contact, role, kind, processing_location,"
            " cross_border_mechanism, agreement_starts_at, agreement_ends_at)"
            " values ($1, $2, 'x', 'x', $3, 'vendor', $4, $5, '-infinity', 'infinity')",
            partner_id,
            f"p{partner_id.hex}",
            role.value,
            location,
            mechanism,
        )
    for policy in case.policies:
        await conn.execute("insert into gateway.policy_version values ($1, $2, '')", policy.policy_version, policy.effective_at)
    numbered = list(zip(case.subject_ids, case.subjects, strict=True))
    await _copy(
        conn, "subject", "subject_id is_synthetic collected_in_mainland",
        ((subject, said.is_synthetic, said.collected_in_mainland) for subject, said in numbered),
    )  # fmt: skip
    await _copy(
        conn, "policy_acceptance", "subject_id policy_version accepted_at",
        ((subject, event.policy_version, event.accepted_at) for subject, said in numbered for event in said.acceptances),
    )  # fmt: skip
    await _copy(
        conn, "consent_event",
        "consent_id subject_id partner_id purpose kind categories cross_border policy_version ends_at",
        (
            (subject, subject, event.partner_id, event.purpose, event.kind, sorted(event.categories), event.cross_border,
             case.policies[0].policy_version, event.ends_at)
            for subject, said in numbered for event in said.consents
        ),
    )  # fmt: skip
    await _copy(
        conn, "setting_event", "subject_id switch partner_id category allowed",
        (
            (subject, event.switch, event.partner_id, event.category, event.allowed)
            for subject, said in numbered for event in said.settings
        ),
    )  # fmt: skip


async def _copy(conn: Connection, table: str, columns: str, records: Iterable[tuple[object, ...]]) -> None:
    await conn.copy_records_to_table(table, schema_name="gateway", columns=columns.split(), records=list(records))
