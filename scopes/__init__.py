"""The pure library: values in, decisions out. What is not listed here is private to the package."""

from scopes.basis import BASIS, Basis, Role
from scopes.category import CATEGORIES, Category, Sensitivity, parents
from scopes.decide import FOREVER, Cover, FieldDecision, cover, decide, is_visible
from scopes.evidence import Acceptance, ConsentEvent, ConsentKind, Evidence, PolicyVersion, SettingEvent, Switch
from scopes.generalise import AGE_BANDS, CITY_ENDINGS, MUNICIPALITIES, NOT_IN_A_CITY, PROVINCES, SPECIAL_REGIONS
from scopes.grant import MAINLAND, Grant, Halted, Partner
from scopes.plan import Plan, PlannedField, granted_scopes, plan
from scopes.pseudonym import field_key, pseudonym
from scopes.purpose import PURPOSES, Purpose, PurposeRule
from scopes.reason import Reason, Refusal, Refused
from scopes.redact import redact
from scopes.redaction import (
    MASKS,
    PSEUDONYMISE,
    REVEAL,
    STEPS,
    WITHHOLD,
    InvalidRedaction,
    Kind,
    MaskRule,
    Redaction,
    Rung,
    check,
    default_mask,
    is_valid,
    meet,
    strictest,
)
from scopes.rules import InvalidRules, Rules
from scopes.scope import CatalogueField, Fault, ReviewFinding, ScopeField, ScopeVersion, review
from scopes.shape import DOMAIN_CHARACTERS, LONGEST, LONGEST_LOCAL_PART, PHONE_CHARACTERS, PHONE_DIGITS
from scopes.wire import RawValue, wire_form

__all__ = [
    "AGE_BANDS",
    "BASIS",
    "CATEGORIES",
    "CITY_ENDINGS",
    "DOMAIN_CHARACTERS",
    "FOREVER",
    "LONGEST",
    "LONGEST_LOCAL_PART",
    "MAINLAND",
    "MASKS",
    "MUNICIPALITIES",
    "NOT_IN_A_CITY",
    "PHONE_CHARACTERS",
    "PHONE_DIGITS",
    "PROVINCES",
    "PSEUDONYMISE",
    "PURPOSES",
    "REVEAL",
    "SPECIAL_REGIONS",
    "STEPS",
    "WITHHOLD",
    "Acceptance",
    "Basis",
    "CatalogueField",
    "Category",
    "ConsentEvent",
    "ConsentKind",
    "Cover",
    "Evidence",
    "Fault",
    "FieldDecision",
    "Grant",
    "Halted",
    "InvalidRedaction",
    "InvalidRules",
    "Kind",
    "MaskRule",
    "Partner",
    "Plan",
    "PlannedField",
    "PolicyVersion",
    "Purpose",
    "PurposeRule",
    "RawValue",
    "Reason",
    "Redaction",
    "Refusal",
    "Refused",
    "ReviewFinding",
    "Role",
    "Rules",
    "Rung",
    "ScopeField",
    "ScopeVersion",
    "Sensitivity",
    "SettingEvent",
    "Switch",
    "check",
    "cover",
    "decide",
    "default_mask",
    "field_key",
    "granted_scopes",
    "is_valid",
    "is_visible",
    "meet",
    "parents",
    "plan",
    "pseudonym",
    "redact",
    "review",
    "strictest",
    "wire_form",
]
