"""`authorization_details` of type `data_sharing` (RFC 9396): one token's narrowing of its scopes to a purpose and its categories.

There is one object in the array: a token serves one purpose, and its categories are a set. Narrowing twice is the intersection,
so that neither a refresh nor the token endpoint can widen what was granted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from authlib.oauth2 import OAuth2Error

from scopes import CATEGORIES, Purpose

TYPE: Final = "data_sharing"
LONGEST: Final = 8_192
_MEMBERS: Final = frozenset({"type", "purpose", "categories", "retention"})
_RETENTION = re.compile(r"P([1-9][0-9]{0,4})D")  # ISO 8601 5.5.2, days only: no other unit has a fixed length


class InvalidAuthorizationDetails(OAuth2Error):  # type: ignore[misc]  # Authlib ships no types
    """Unknown type, unknown or malformed member, or more than was granted (RFC 9396 5)."""

    error = "invalid_authorization_details"


@dataclass(frozen=True, slots=True)
class Details:
    """categories: leaf names of the tree. retention: how long the partner wants to keep what it gets; None: as its grant says."""

    purpose: Purpose
    categories: frozenset[str]
    retention: timedelta | None = None

    def wire(self) -> list[dict[str, object]]:
        """The array as it stands in requests, answers, tokens and the database."""
        named: dict[str, object] = {"type": TYPE, "purpose": self.purpose.value, "categories": sorted(self.categories)}
        return [named if self.retention is None else {**named, "retention": f"P{self.retention.days}D"}]

    def within(self, categories: Collection[str]) -> Details:
        """The same, of these categories only."""
        return replace(self, categories=self.categories & frozenset(categories))

    def narrowed(self, asked: Details | None) -> Details:
        """What is left when no more than `asked` is wanted. Raises InvalidAuthorizationDetails where it asks for more."""
        if asked is None:
            return self
        kept = self.retention if asked.retention is None else asked.retention
        longer = self.retention is not None and kept is not None and kept > self.retention
        if asked.purpose is not self.purpose or not asked.categories <= self.categories or longer:
            raise InvalidAuthorizationDetails
        return Details(self.purpose, asked.categories, kept)


def read(text: str | None) -> Details | None:
    """The parameter's meaning; None where there is none. Raises InvalidAuthorizationDetails."""
    if text is None:
        return None
    if len(text) > LONGEST:
        raise InvalidAuthorizationDetails
    try:
        found = json.loads(text, object_pairs_hook=_members)
    except (ValueError, RecursionError):
        raise InvalidAuthorizationDetails from None
    return of_wire(found)


def of_wire(found: Any) -> Details:
    """The details that a parsed array stands for. Raises InvalidAuthorizationDetails."""
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], Mapping):
        raise InvalidAuthorizationDetails
    entry = found[0]
    categories, purpose = entry.get("categories"), entry.get("purpose")
    if entry.get("type") != TYPE or not entry.keys() <= _MEMBERS or not isinstance(purpose, str):
        raise InvalidAuthorizationDetails
    if not isinstance(categories, list) or not categories or not all(isinstance(name, str) for name in categories):
        raise InvalidAuthorizationDetails
    if purpose not in set(Purpose) or not set(categories) <= CATEGORIES.keys():
        raise InvalidAuthorizationDetails
    return Details(Purpose(purpose), frozenset(categories), _retention(entry.get("retention")))


def stored(text: str | None) -> Details | None:
    """The details of a row that this gateway wrote."""
    return None if text is None else of_wire(json.loads(text))


def text_of(details: Details | None) -> str | None:
    """As a row keeps them."""
    return None if details is None else json.dumps(details.wire())


def _retention(value: object) -> timedelta | None:
    if value is None:
        return None
    match = _RETENTION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidAuthorizationDetails
    return timedelta(days=int(match[1]))


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members
