"""Who may do what: least privilege, per person (policy 9.3)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class StaffRole(StrEnum):
    STEWARD = "steward"
    APPROVER = "approver"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    SUPPORT = "support"


class Act(StrEnum):
    """Everything that staff can do."""

    REGISTERS_READ = "registers.read"  # partners, clients, scopes, grants, rules, halts, registered operations
    OVERVIEW_READ = "overview.read"  # counts over time
    CHANGES_READ = "changes.read"
    CHANGE_PROPOSE = "change.propose"
    CHANGE_WITHDRAW = "change.withdraw"
    CHANGE_APPROVE = "change.approve"
    CHANGE_REJECT = "change.reject"
    CONFIGURATION_EXPORT = "configuration.export"
    INITIAL_TOKEN_ISSUE = "initial_token.issue"  # noqa: S105 - the name of an act
    OPERATION_REGISTER = "operation.register"
    OPERATION_END = "operation.end"
    PARTNER_SUSPEND = "partner.suspend"
    HALT_ADD = "halt.add"
    HALT_LIFT = "halt.lift"
    KEYS_ROTATE = "keys.rotate"
    CLIENT_SECRET_ADD = "client_secret.add"  # noqa: S105 - the name of an act
    CLIENT_SECRET_END = "client_secret.end"  # noqa: S105 - the name of an act
    DISCLOSURES_READ = "disclosures.read"
    DISCLOSURES_EXPORT = "disclosures.export"
    ACTS_READ = "acts.read"
    ACCESS_REVIEW = "access.review"
    SUBJECT_CONSENTS_READ = "subject_consents.read"
    SUBJECT_CONSENT_WITHDRAW = "subject_consents.withdraw"
    STAFF_READ = "staff.read"
    STAFF_ADD = "staff.add"
    STAFF_CHANGE = "staff.change"
    STAFF_END = "staff.end"
    TOKEN_ISSUE = "token.issue"  # noqa: S105 - of one's own; the name of an act
    TOKEN_REVOKE = "token.revoke"  # noqa: S105
    PASSKEY_ADD = "passkey.add"  # one's own
    PASSKEY_REMOVE = "passkey.remove"
    CONFIDENTIALITY_ACCEPT = "confidentiality.accept"


_EVERYBODY: Final = frozenset(StaffRole)
_S, _A, _U, _O, _P = StaffRole.STEWARD, StaffRole.APPROVER, StaffRole.AUDITOR, StaffRole.OPERATOR, StaffRole.SUPPORT

PERMITTED: Final[Mapping[Act, frozenset[StaffRole]]] = {
    Act.REGISTERS_READ: _EVERYBODY,
    Act.OVERVIEW_READ: frozenset({_S, _A, _U, _O}),
    Act.CHANGES_READ: frozenset({_S, _A, _U}),
    Act.CHANGE_PROPOSE: frozenset({_S}),
    Act.CHANGE_WITHDRAW: frozenset({_S}),
    Act.CHANGE_APPROVE: frozenset({_A}),
    Act.CHANGE_REJECT: frozenset({_A}),
    Act.CONFIGURATION_EXPORT: frozenset({_S, _A, _U}),
    Act.INITIAL_TOKEN_ISSUE: frozenset({_S}),
    Act.OPERATION_REGISTER: frozenset({_S}),
    Act.OPERATION_END: frozenset({_S, _O}),
    Act.PARTNER_SUSPEND: frozenset({_S, _O}),
    Act.HALT_ADD: frozenset({_O}),
    Act.HALT_LIFT: frozenset({_O}),
    Act.KEYS_ROTATE: frozenset({_O}),
    Act.CLIENT_SECRET_ADD: frozenset({_O}),
    Act.CLIENT_SECRET_END: frozenset({_O}),
    Act.DISCLOSURES_READ: frozenset({_U}),
    Act.DISCLOSURES_EXPORT: frozenset({_U}),
    Act.ACTS_READ: frozenset({_U}),
    Act.ACCESS_REVIEW: frozenset({_U, _A}),
    Act.SUBJECT_CONSENTS_READ: frozenset({_P}),
    Act.SUBJECT_CONSENT_WITHDRAW: frozenset({_P}),
    Act.STAFF_READ: frozenset({_U}),
    Act.STAFF_ADD: frozenset(),
    Act.STAFF_CHANGE: frozenset(),
    Act.STAFF_END: frozenset(),
    Act.TOKEN_ISSUE: _EVERYBODY,
    Act.TOKEN_REVOKE: _EVERYBODY,
    Act.PASSKEY_ADD: _EVERYBODY,
    Act.PASSKEY_REMOVE: _EVERYBODY,
    Act.CONFIDENTIALITY_ACCEPT: _EVERYBODY,
}
"""An act without a role is for the machine alone: whoever names the staff has access to the machine itself."""

MACHINE: Final = frozenset(
    {
        Act.REGISTERS_READ,
        Act.OVERVIEW_READ,
        Act.CHANGES_READ,
        Act.CONFIGURATION_EXPORT,
        Act.OPERATION_END,
        Act.PARTNER_SUSPEND,
        Act.HALT_ADD,
        Act.HALT_LIFT,
        Act.KEYS_ROTATE,
        Act.CLIENT_SECRET_ADD,
        Act.CLIENT_SECRET_END,
        Act.SUBJECT_CONSENT_WITHDRAW,
        Act.STAFF_READ,
        Act.STAFF_ADD,
        Act.STAFF_CHANGE,
        Act.STAFF_END,
    }
)
"""What somebody at the machine may do without being one of the staff: read the registers, and narrow. Nothing that widens."""
