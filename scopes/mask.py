"""Masks: a few characters at either end, stars for the rest. What is kept is part of the scope's rule; the shape is the kind's.

Two laws hold for every kind. A mask hides at least half of the value, or of its telling part, whatever its rule asks for: a
value too short for it shows fewer characters (the one exception is the mainland mobile number). And how many it shows at most
depends on the value's shape alone, never on the rule, so that a narrower mask can be computed from the output of a wider one.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from scopes.redaction import Kind

DIGITS: Final = frozenset("0123456789")
PHONE_CHARACTERS: Final = frozenset("0123456789+-() ")
DOMAIN_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.")

# Characters, not bytes. Longer values are not of the kind: something else stands in the column.
LONGEST_NAME: Final = 64
LONGEST_PHONE: Final = 32
LONGEST_EMAIL: Final = 254  # RFC 5321 4.5.3.1.3, less the angle brackets
LONGEST_LOCAL_PART: Final = 64  # RFC 5321 4.5.3.1.1
LONGEST_ADDRESS: Final = 256


def mask(kind: Kind, text: str, head: int, tail: int) -> str | None:
    """The masked value, None where it has not the kind's shape. text: in wire form. head, tail: within the kind's MaskRule."""
    masked = _MASKS.get(kind)
    return None if masked is None else masked(text, head, tail)


def mask_name(text: str, head: int, _tail: int) -> str | None:
    """The first character, then two stars whatever the length, so that the length does not show.

    >>> mask_name("欧阳娜娜", 1, 0)
    '欧**'

    text: 1 to 64 characters of any script; a character is a code point. Half is hidden, so a name of one character shows none of
    it. A compound surname shows its first character only, a name in Latin or Uyghur script its first letter.
    """
    if not 1 <= len(text) <= LONGEST_NAME:
        return None
    return text[: min(head, len(text) // 2)] + "**"


def mask_phone(text: str, head: int, tail: int) -> str | None:
    """The ends of a phone number, as long as it was.

    >>> mask_phone("13812345678", 3, 4)
    '138****5678'
    >>> mask_phone("+44 20 7946 0958", 3, 4)
    '+44*********0958'

    text: digits, spaces, + - ( and ), at most 32 of them and at least one digit. A mainland mobile number (11 digits, the first
    of them 1) shows what the rule asks for, at most 3 and 4, and never the four digits between, which tell one subscriber from
    another. Every other shape, foreign, landline or short, shows at most a quarter of its characters at either end.
    """
    if not 1 <= len(text) <= LONGEST_PHONE or not set(text) <= PHONE_CHARACTERS or not set(text) & DIGITS:
        return None
    if not (len(text) == 11 and text[0] == "1" and set(text) <= DIGITS):
        head, tail = min(head, len(text) // 4), min(tail, len(text) // 4)
    return _between(text, head, tail)


def mask_national_id(text: str, head: int, tail: int) -> str | None:
    """The ends of an identity card number, as long as it was (GB 11643).

    >>> mask_national_id("11010519491231002X", 1, 1)
    '1****************X'

    text: 15 digits, or 17 digits and a digit, X or x. Its shape is tested, not its check digit: a number with a slip in it is as
    telling as one without. Other documents (passports, permits) have other shapes and are withheld.
    """
    body = text[:-1] if len(text) == 18 and text[-1] in "Xx" else text
    if len(text) not in (15, 18) or not set(body) <= DIGITS:
        return None
    return _between(text, head, tail)


def mask_email(text: str, head: int, _tail: int) -> str | None:
    """The first characters of the local part, three stars whatever its length, and the domain.

    >>> mask_email("zhang.wei@example.com", 1, 0)
    'z***@example.com'

    text: as `split_email` takes it. Half of the local part is hidden, so one of a single letter shows none of it.
    """
    parts = split_email(text)
    if parts is None:
        return None
    local, domain = parts
    return f"{local[: min(head, len(local) // 2)]}***@{domain}"


def split_email(text: str) -> tuple[str, str] | None:
    """Local part and domain of an e-mail address, None where it is none.

    At most 254 characters, exactly one @, a local part of 1 to 64 characters, a domain of ASCII letters, digits, hyphens and dots
    that has a dot and neither begins nor ends with one: anything else after the @ could be anything at all. An internationalised
    domain has that shape in its ASCII form (RFC 5890).
    """
    local, at, domain = text.partition("@")
    if len(text) > LONGEST_EMAIL or not at or not 1 <= len(local) <= LONGEST_LOCAL_PART:
        return None
    if not set(domain) <= DOMAIN_CHARACTERS or "." not in domain or domain.startswith(".") or domain.endswith("."):
        return None
    return local, domain


def mask_address(text: str, head: int, _tail: int) -> str | None:
    """The first characters, at most six of them, then four stars whatever the length.

    >>> mask_address("广东省深圳市南山区科技园路1号", 6, 0)
    '广东省深圳市****'

    text: 1 to 256 characters. Half is hidden.
    """
    if not 1 <= len(text) <= LONGEST_ADDRESS:
        return None
    return text[: min(head, len(text) // 2)] + "****"


def mask_postcode(text: str, head: int, _tail: int) -> str | None:
    """The first digits, at most three of them, as long as it was.

    >>> mask_postcode("518000", 2, 0)
    '51****'

    text: six digits; a foreign postcode is withheld.
    """
    if len(text) != 6 or not set(text) <= DIGITS:
        return None
    return _between(text, head, 0)


def mask_text(text: str, head: int, _tail: int) -> str | None:
    """The first characters, at most six of them, then three stars whatever the length. text: not empty. Half is hidden.

    >>> mask_text("晚上七点老地方见", 2, 0)
    '晚上***'
    """
    return text[: min(head, len(text) // 2)] + "***" if text else None


def _between(text: str, head: int, tail: int) -> str:
    """`head` and `tail` characters of the text, a star for each of the others."""
    return text[:head] + "*" * (len(text) - head - tail) + text[len(text) - tail :]


_MASKS: Final[Mapping[Kind, Callable[[str, int, int], str | None]]] = MappingProxyType(
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
