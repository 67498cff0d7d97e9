"""The tree of data categories of policy chapter 1. What has no category does not exist for partners (policy 1.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Sensitivity(StrEnum):
    """PIPL 28: sensitive data needs its own explicit consent."""

    ORDINARY = "ordinary"
    SENSITIVE = "sensitive"


@dataclass(frozen=True, slots=True)
class Category:
    """A leaf of the tree. name: dotted, `identity.real_name`. is_identity: never under an analytics purpose (policy 2.8)."""

    name: str
    clause: str
    sensitivity: Sensitivity = Sensitivity.ORDINARY
    is_identity: bool = False


# In the order of the tree; only leaves. The bit of a category in the database is the database's own and not this order.
CATEGORIES: Final[Mapping[str, Category]] = MappingProxyType(
    {
        category.name: category
        for category in (
            Category("identity.real_name", "1.2", is_identity=True),
            Category("identity.mobile_number", "1.2", is_identity=True),
            Category("identity.national_id", "1.2", sensitivity=Sensitivity.SENSITIVE, is_identity=True),
            Category("identity.email", "1.2", is_identity=True),
            Category("identity.account_id", "1.2", is_identity=True),
            Category("profile.birth_date", "1.2"),
            Category("profile.city", "1.2"),
            Category("profile.language", "1.2"),
            Category("profile.registered_at", "1.2"),
            Category("contact.address", "1.2", is_identity=True),
            Category("content.posts", "1.2"),
            Category("content.photos", "1.2", sensitivity=Sensitivity.SENSITIVE),
            Category("content.mentions", "1.4"),
            Category("survey.answers", "1.2"),
            Category("support.cases", "1.2"),
            Category("log.events", "1.3"),
            Category("log.ip_address", "1.3"),
            Category("software.devices", "1.3"),
            Category("partner.logins", "1.5"),
            Category("location.precise", "1.3", sensitivity=Sensitivity.SENSITIVE),
        )
    }
)


def parents(name: str) -> tuple[str, ...]:
    """The inner nodes above a category, nearest first.

    >>> parents("identity.real_name")
    ('identity',)
    """
    parts = name.split(".")
    return tuple(".".join(parts[:length]) for length in range(len(parts) - 1, 0, -1))
