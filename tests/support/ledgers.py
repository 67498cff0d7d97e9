"""Invented evidence, as the ledgers hold it: what some data subjects said towards two partners, for one of which it is folded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
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

offsets = st.sampled_from(DAYS).map(lambda days: timedelta(days=days))
leaves = st.frozensets(st.sampled_from(LEAVES), min_size=1)


@dataclass(frozen=True, slots=True)
class Case:
    """A partner, a purpose, and the evidence of some data subjects."""

    partner: Partner
    purpose: Purpose
    subjects: tuple[Evidence, ...]

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
def cases(draw: st.DrawFn, *, most: int = 12) -> Case:
    """Evidence of up to `most` data subjects, around EPOCH."""
    role = draw(st.sampled_from((Role.PROCESSOR, Role.RECIPIENT, Role.PROCESSOR, Role.RECIPIENT, *Role)))
    location, mechanism = draw(st.sampled_from((("CN", None), ("CN", None), ("SG", "standard_contract"), ("SG", None))))
    partner = Partner(PARTNER_ID, "p", role, location, mechanism, EPOCH, EPOCH, "active")
    purpose = draw(st.sampled_from((Purpose.SERVICE_DELIVERY, Purpose.ADVERTISING, *Purpose)))
    instants = draw(st.lists(st.sampled_from(DAYS), unique=True, max_size=4))
    policies = tuple(PolicyVersion(f"v{n}", EPOCH + timedelta(days=days)) for n, days in enumerate(instants))
    said = st.builds(
        Evidence,
        policies=st.just(policies),
        acceptances=_acceptances(policies),
        consents=_consents(purpose) if policies else st.just(()),
        settings=_settings(),
        collected_in_mainland=st.booleans(),
        is_synthetic=st.booleans(),
    )
    return Case(partner, purpose, tuple(draw(st.lists(said, min_size=1, max_size=most))))


def _acceptances(policies: Sequence[PolicyVersion]) -> st.SearchStrategy[tuple[Acceptance, ...]]:
    if not policies:
        return st.just(())
    one = st.sampled_from(policies).map(lambda policy: Acceptance(policy.policy_version, EPOCH))
    return st.lists(one, max_size=3).map(tuple)


def _consents(purpose: Purpose) -> st.SearchStrategy[tuple[ConsentEvent, ...]]:
    """Mostly towards the partner and the purpose; some towards others, which must not count."""
    other = next(name for name in Purpose if name is not purpose)
    to = st.sampled_from(((PARTNER_ID, purpose), (PARTNER_ID, purpose), (OTHER_ID, purpose), (PARTNER_ID, other)))
    ends = st.none() | offsets.map(lambda offset: EPOCH + offset)
    given = st.builds(
        lambda to, kind, named, crosses, ends_at: ConsentEvent(to[0], to[1], kind, named, crosses, ends_at),
        to,
        st.sampled_from((ConsentKind.GIVEN, ConsentKind.NARROWED)),
        leaves,
        st.booleans(),
        ends,
    )
    withdrawn = to.map(lambda to: ConsentEvent(to[0], to[1], ConsentKind.WITHDRAWN, frozenset()))
    return st.lists(st.one_of(given, given, withdrawn), max_size=4).map(tuple)


def _settings() -> st.SearchStrategy[tuple[SettingEvent, ...]]:
    sharing = st.builds(
        SettingEvent,
        st.just(Switch.SHARING),
        st.booleans(),
        st.sampled_from((None, PARTNER_ID, OTHER_ID)),
        st.sampled_from(NODES),
    )
    advertising = st.builds(SettingEvent, st.just(Switch.ADVERTISING), st.booleans())
    return st.lists(st.one_of(sharing, advertising), max_size=3).map(tuple)


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
