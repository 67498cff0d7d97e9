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
    sensitivity: Sensitivity
    is_identity: bool
    clause: str


def _category(name: str, clause: str, *, is_sensitive: bool = False, is_identity: bool = False) -> Category:
    return Category(name, Sensitivity.SENSITIVE if is_sensitive else Sensitivity.ORDINARY, is_identity, clause)


# In the order of the tree; only leaves. The bit of a category in the database is the database's own and not this order.
CATEGORIES: Final[Mapping[str, Category]] = MappingProxyType(
    {
        category.name: category
        for category in (
            _category("identity.real_name", "1.2", is_identity=True),
            _category("identity.mobile_number", "1.2", is_identity=True),
            _category("identity.national_id", "1.2", is_sensitive=True, is_identity=True),
            _category("identity.email", "1.2", is_identity=True),
            _category("identity.account_id", "1.2", is_identity=True),
            _category("profile.birth_date", "1.2"),
            _category("profile.city", "1.2"),
            _category("profile.language", "1.2"),
            _category("profile.registered_at", "1.2"),
            _category("contact.address", "1.2", is_identity=True),
            _category("content.posts", "1.2"),
            _category("content.photos", "1.2", is_sensitive=True),
            _category("content.mentions", "1.4"),
            _category("survey.answers", "1.2"),
            _category("support.cases", "1.2"),
            _category("log.events", "1.3"),
            _category("log.ip_address", "1.3"),
            _category("software.devices", "1.3"),
            _category("partner.logins", "1.5"),
            _category("location.precise", "1.3", is_sensitive=True),
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
