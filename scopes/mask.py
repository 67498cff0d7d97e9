"""Masks: a few characters at either end, stars for the rest. What is kept is part of the scope's rule; the shape is the kind's.

Two laws hold for every kind. A mask hides at least half of the value, or of its telling part, whatever its rule asks for: a
value too short for it shows fewer characters (the one exception is the mainland mobile number). And how many it shows at most
depends on the value's shape alone, never on the rule, so that a narrower mask can be computed from the output of a wider one.

Every function here takes a text of its kind's shape (`scopes.shape`) and a head and tail within its kind's `MaskRule`.
A character is a code point.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from scopes.redaction import Kind
from scopes.shape import is_mainland_mobile


def mask(kind: Kind, text: str, head: int, tail: int) -> str:
    """The masked value. kind: one that has a mask."""
    return _MASKS[kind](text, head, tail)


def mask_name(text: str, head: int, _tail: int) -> str:
    """The first character, then two stars whatever the length, so that the length does not show.

    >>> mask_name("欧阳娜娜", 1, 0), mask_name("Åsa Öberg", 1, 0), mask_name("王", 1, 0)
    ('欧**', 'Å**', '**')

    Half is hidden, so a name of one character shows none of it. A compound surname shows its first character only, a name in
    Latin or Uyghur script its first letter.
    """
    return _first_half(text, head) + "**"


def mask_phone(text: str, head: int, tail: int) -> str:
    """The ends of a phone number, as long as it was.

    >>> mask_phone("13812345678", 3, 4), mask_phone("+44 20 7946 0958", 3, 4), mask_phone("10086", 3, 4)
    ('138****5678', '+44*********0958', '1***6')

    A mainland mobile number shows what the rule asks for, at most 3 and 4 digits, and never the four between. Every other one,
    foreign, landline or short, shows at most a quarter of its characters at either end.
    """
    if not is_mainland_mobile(text):
        head, tail = min(head, len(text) // 4), min(tail, len(text) // 4)
    return _between(text, head, tail)


def mask_national_id(text: str, head: int, tail: int) -> str:
    """The ends of an identity card number, as long as it was.

    >>> mask_national_id("11010519491231002X", 1, 1)
    '1****************X'
    """
    return _between(text, head, tail)


def mask_email(text: str, head: int, _tail: int) -> str:
    """The first characters of the local part, three stars whatever its length, and the domain.

    >>> mask_email("zhang.wei@example.com", 1, 0), mask_email("z@example.com", 1, 0)
    ('z***@example.com', '***@example.com')

    Half of the local part is hidden, so one of a single letter shows none of it.
    """
    local, _, domain = text.partition("@")
    return f"{_first_half(local, head)}***@{domain}"


def mask_address(text: str, head: int, _tail: int) -> str:
    """The first characters, at most six and at most half of them, then four stars whatever the length.

    >>> mask_address("广东省深圳市南山区科技园路1号", 6, 0)
    '广东省深圳市****'
    """
    return _first_half(text, head) + "****"


def mask_postcode(text: str, head: int, tail: int) -> str:
    """The first digits, at most three of them, as long as it was.

    >>> mask_postcode("518000", 2, 0)
    '51****'
    """
    return _between(text, head, tail)


def mask_text(text: str, head: int, _tail: int) -> str:
    """The first characters, at most six and at most half of them, then three stars whatever the length.

    >>> mask_text("晚上七点老地方见", 2, 0)
    '晚上***'
    """
    return _first_half(text, head) + "***"


def _first_half(text: str, head: int) -> str:
    return text[: min(head, len(text) // 2)]


def _between(text: str, head: int, tail: int) -> str:
    """`head` and `tail` characters of the text, a star for each of the others."""
    return text[:head] + "*" * (len(text) - head - tail) + text[len(text) - tail :]


_MASKS: Final[Mapping[Kind, Callable[[str, int, int], str]]] = MappingProxyType(
    {
        Kind.NAME: mask_name,
        Kind.PHONE: mask_phone,
        Kind.NATIONAL_ID: mask_national_id,
        Kind.EMAIL: mask_email,
        Kind.ADDRESS: mask_address,
        Kind.POSTCODE: mask_postcode,
        Kind.TEXT: mask_text,
    }
)
