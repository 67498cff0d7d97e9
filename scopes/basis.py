"""Which legal basis a disclosure about one data subject needs, by purpose, partner role and sensitivity (policy 6)."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from scopes.category import Sensitivity
from scopes.purpose import PURPOSES, Purpose


class Role(StrEnum):
    """What a partner is to the controller (PIPL 21 to 23, policy 6)."""

    PROCESSOR = "processor"
    RECIPIENT = "recipient"
    SUCCESSOR = "successor"
    AUTHORITY = "authority"
    PUBLIC = "public"


class Basis(StrEnum):
    """What must be on record before a value may go out. NONE: nothing suffices, it never goes out."""

    POLICY_ACCEPTANCE = "policy_acceptance"
    SEPARATE_CONSENT = "separate_consent"
    SENSITIVE_CONSENT = "sensitive_consent"
    CROSS_BORDER_CONSENT = "cross_border_consent"  # on top of another, never alone (policy 9.5)
    LEGAL_ORDER = "legal_order"
    ANONYMOUS = "anonymous"  # aggregates only (policy 6.4): no value about one data subject rests on it
    NONE = "none"


def _basis(purpose: Purpose, role: Role, sensitivity: Sensitivity) -> Basis:
    is_sensitive = sensitivity is Sensitivity.SENSITIVE
    if purpose is Purpose.LEGAL_DISCLOSURE:  # policy 6.5
        return Basis.LEGAL_ORDER if role is Role.AUTHORITY else Basis.NONE
    if purpose is Purpose.AGGREGATE_INSIGHT:  # policy 6.4: nothing about one data subject
        return Basis.ANONYMOUS
    if role is Role.PROCESSOR and PURPOSES[purpose].is_entrusted:  # policy 6.2, 1.2
        return Basis.SENSITIVE_CONSENT if is_sensitive else Basis.POLICY_ACCEPTANCE
    if role in (Role.RECIPIENT, Role.SUCCESSOR):  # policy 6.1, 6.3
        return Basis.SENSITIVE_CONSENT if is_sensitive else Basis.SEPARATE_CONSENT
    return Basis.NONE


BASIS: Final[Mapping[tuple[Purpose, Role, Sensitivity], Basis]] = MappingProxyType(
    {
        (purpose, role, sensitivity): _basis(purpose, role, sensitivity)
        for purpose in Purpose
        for role in Role
        for sensitivity in Sensitivity
    }
)
