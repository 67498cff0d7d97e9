"""Partners, their right to use scopes, and the halts that stop them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self
from uuid import UUID

from scopes.basis import Role

MAINLAND: Final = "CN"  # ISO 3166-1; Hong Kong, Macao and Taiwan have codes of their own and count as outside (policy 8.1)


@dataclass(frozen=True, slots=True)
class Partner:
    """processing_location: ISO 3166-1 alpha-2. cross_border_mechanism: assessment, standard_contract, certification, or None."""

    partner_id: UUID
    name: str
    role: Role
    processing_location: str
    cross_border_mechanism: str | None
    agreement_starts_at: datetime
    agreement_ends_at: datetime
    status: str

    def is_live(self, now: datetime) -> bool:
        """Whether the partner is active under an agreement in force (policy 6.2)."""
        return self.status == "active" and self.agreement_starts_at <= now < self.agreement_ends_at

    @property
    def is_abroad(self) -> bool:
        """Whether it processes outside mainland China (policy 8.1, 9.5)."""
        return self.processing_location != MAINLAND


@dataclass(frozen=True, slots=True)
class Grant:
    """A partner's right to use a scope for a period. retention: how long the partner may keep what it got (policy 8.2)."""

    grant_id: UUID
    scope: str
    starts_at: datetime
    ends_at: datetime
    retention: timedelta
    revoked_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        return self.starts_at <= now < self.ends_at and (self.revoked_at is None or now < self.revoked_at)


@dataclass(frozen=True, slots=True)
class Halted:
    """The halts in force (policy 9.4). everything: all partners, all scopes."""

    everything: bool = False
    partners: frozenset[UUID] = frozenset()
    scopes: frozenset[str] = frozenset()

    @classmethod
    def nothing(cls) -> Self:
        return cls()
