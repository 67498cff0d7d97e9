"""What shopmate asks about the person who signed in, and what it can say about what came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

LISTS: Final[Mapping[str, Sequence[str]]] = {
    "addresses": ("recipient", "mobileNumber", "street", "city", "postcode"),
    "posts": ("id", "text", "postedAt"),
    "serviceEvents": ("kind", "at", "ipAddress"),
    "devices": ("appVersion", "browser"),
    "partnerLogins": ("partner", "at"),
}
TYPES: Final = {
    "addresses": "Address",
    "posts": "Post",
    "serviceEvents": "ServiceEvent",
    "devices": "Device",
    "partnerLogins": "PartnerLogin",
}
ORDER: Final = (
    *("realName", "mobileNumber", "email", "birthDate", "nationalId", "city", "language", "registeredAt", "location"),
    *("addresses", "posts", "photos", "mentions", "surveyAnswers", "supportCases", "serviceEvents", "devices", "partnerLogins"),
)
PLAIN_LISTS: Final = frozenset({"photos", "mentions", "surveyAnswers", "supportCases"})
SHOWN: Final = 2  # items of a list


def _selection(name: str) -> str:
    if name in LISTS:
        return f"{name}(first: {SHOWN}) {{ {' '.join(LISTS[name])} }}"
    return f"{name}(first: {SHOWN})" if name in PLAIN_LISTS else name


QUERY: Final = "{\n  me {\n    id\n" + "".join(f"    {_selection(name)}\n" for name in ORDER) + "  }\n}"


@dataclass(frozen=True, slots=True, repr=False)
class Line:
    """One row of the page. name: `realName`, or `addresses.street`; the words for it stand in text.toml.

    values: None where it was not shared, else what came, of a list its items. how: the gateway's word for what it did to the
    value, `mask(1,0)`; empty where it came as it is.
    """

    name: str
    values: tuple[str, ...] | None
    how: str


def lines(subject: Mapping[str, Any], extensions: Mapping[str, Any]) -> list[Line]:
    """What came of `QUERY`, field by field, in a fixed order."""
    how = {entry["field"]: entry["redaction"] for entry in extensions.get("disclosure", {}).get("redacted", ())}
    found = []
    for name in ORDER:
        value = subject.get(name)
        if name not in LISTS:
            items = value if name in PLAIN_LISTS else [value]
            found.append(_line(name, items, how.get(f"Subject.{name}", "")))
            continue
        for inner in LISTS[name]:
            items = None if value is None else [item.get(inner) for item in value]
            found.append(_line(f"{name}.{inner}", items, how.get(f"{TYPES[name]}.{inner}", "")))
    return found


def _line(name: str, items: Sequence[Any] | None, how: str) -> Line:
    """Nothing was shared where there is no list, or where each of its items is null."""
    if items is None or (items and all(item is None for item in items)):
        return Line(name, None, "")
    return Line(name, tuple(str(item) for item in items if item is not None), how)
