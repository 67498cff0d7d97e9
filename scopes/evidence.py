"""What one data subject said, as the ledgers hold it: acceptances, consents, privacy settings. Values only."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from scopes.purpose import Purpose


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A version of the privacy policy and the instant from which it is in force."""

    policy_version: str
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Acceptance:
    policy_version: str
    accepted_at: datetime


class ConsentKind(StrEnum):
    GIVEN = "given"
    NARROWED = "narrowed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class ConsentEvent:
    """categories: leaf names, empty for a withdrawal. ends_at: None until withdrawn. cross_border: policy 9.5."""

    partner_id: UUID
    purpose: Purpose
    kind: ConsentKind
    categories: frozenset[str]
    cross_border: bool = False
    ends_at: datetime | None = None


class Switch(StrEnum):
    SHARING = "sharing"
    ADVERTISING = "advertising"


@dataclass(frozen=True, slots=True)
class SettingEvent:
    """partner_id, category: None for all. category: any node of the tree; an inner one stands for all below it."""

    switch: Switch
    allowed: bool
    partner_id: UUID | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the gate knows of one data subject's will, each ledger in the order in which it was written.

    policies: every version of the policy, in any order.
    """

    policies: tuple[PolicyVersion, ...] = ()
    acceptances: tuple[Acceptance, ...] = ()
    consents: tuple[ConsentEvent, ...] = ()
    settings: tuple[SettingEvent, ...] = ()
    collected_in_mainland: bool = True
    is_synthetic: bool = False
