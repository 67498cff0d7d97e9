"""The purposes personal data may be disclosed for: policy chapter 2 and clauses 6.2 to 6.5. There are no others."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Purpose(StrEnum):
    """Every disclosure happens under exactly one. The values are wire contract."""

    SERVICE_DELIVERY = "service_delivery"
    PERSONALISATION = "personalisation"
    PRODUCT_IMPROVEMENT = "product_improvement"
    SECURITY = "security"
    ADVERTISING = "advertising"
    AD_MEASUREMENT = "ad_measurement"
    SOFTWARE_MANAGEMENT = "software_management"
    SURVEY = "survey"
    MESSAGE_DELIVERY = "message_delivery"
    LOCATION_SERVICE = "location_service"
    AGGREGATE_INSIGHT = "aggregate_insight"
    LEGAL_DISCLOSURE = "legal_disclosure"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class PurposeRule:
    """What a purpose is bound to.

    clause: of the policy. is_analytics: identity is never combined with it (policy 2.8). is_advertising: the data subject's one
    switch turns it off for all partners (policy 10, 2.5). is_entrusted: among the purposes a processor may serve (policy 6.2).
    """

    clause: str
    is_analytics: bool = False
    is_advertising: bool = False
    is_entrusted: bool = True


PURPOSES: Final[Mapping[Purpose, PurposeRule]] = MappingProxyType(
    {
        Purpose.SERVICE_DELIVERY: PurposeRule("2.1"),
        Purpose.PERSONALISATION: PurposeRule("2.2"),
        Purpose.PRODUCT_IMPROVEMENT: PurposeRule("2.3", is_analytics=True),
        Purpose.SECURITY: PurposeRule("2.4"),
        Purpose.ADVERTISING: PurposeRule("2.5", is_advertising=True),
        Purpose.AD_MEASUREMENT: PurposeRule("2.6", is_analytics=True, is_advertising=True),
        Purpose.SOFTWARE_MANAGEMENT: PurposeRule("2.7"),
        Purpose.SURVEY: PurposeRule("2.8"),
        Purpose.MESSAGE_DELIVERY: PurposeRule("6.2"),
        Purpose.LOCATION_SERVICE: PurposeRule("6.2"),
        Purpose.AGGREGATE_INSIGHT: PurposeRule("6.4", is_analytics=True, is_entrusted=False),
        Purpose.LEGAL_DISCLOSURE: PurposeRule("6.5", is_entrusted=False),
        Purpose.LOGIN: PurposeRule("1.5", is_entrusted=False),
    }
)
