"""The shapes of text: what a phone number, an e-mail address or a name is taken for. A value of another shape is withheld.

A column can hold anything at all, an identity number where a phone number should stand; so even in clear nothing leaves under a
kind whose shape it has not.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from scopes.redaction import Kind

DIGITS: Final = frozenset("0123456789")
PHONE_CHARACTERS: Final = frozenset("0123456789+-() ")
PHONE_DIGITS: Final = 17  # ITU-T E.164 6: fifteen, behind an international prefix of two
DOMAIN_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.")

# Characters (code points), not bytes, of every kind that is text. No kind takes an empty value.
LONGEST: Final[Mapping[Kind, int]] = MappingProxyType(
    {
        Kind.NAME: 64,
        Kind.PHONE: 32,
        Kind.NATIONAL_ID: 18,
        Kind.EMAIL: 254,  # RFC 5321 4.5.3.1.3, less the angle brackets
        Kind.CITY: 64,
        Kind.ADDRESS: 256,
        Kind.POSTCODE: 6,
        Kind.TEXT: 20_000,
        Kind.URL: 2_048,
        Kind.LABEL: 256,
    }
)
LONGEST_LOCAL_PART: Final = 64  # RFC 5321 4.5.3.1.1


def has_shape(kind: Kind, text: str) -> bool:
    """Whether the text is what its kind says: neither empty nor over-long, and of the kind's own shape where it has one."""
    if not 1 <= len(text) <= LONGEST[kind]:
        return False
    match kind:
        case Kind.PHONE:
            return is_phone(text)
        case Kind.NATIONAL_ID:
            return is_national_id(text)
        case Kind.POSTCODE:
            return len(text) == 6 and set(text) <= DIGITS  # a foreign postcode is withheld
        case Kind.EMAIL:
            return is_email(text)
        case _:
            return True


def is_phone(text: str) -> bool:
    """Digits, spaces, + - ( and ), with 1 to 17 digits among them: mainland or foreign, mobile or landline, long or short.

    An identity number is none: 18 digits are too many, and no number of 15 is dialled without a + or a 0 before it.
    """
    digits = sum(character in DIGITS for character in text)
    is_short_id = len(text) == digits == 15 and text[0] != "0"
    return set(text) <= PHONE_CHARACTERS and 1 <= digits <= PHONE_DIGITS and not is_short_id


def is_mainland_mobile(text: str) -> bool:
    """11 digits, the first of them 1."""
    return len(text) == 11 and text[0] == "1" and set(text) <= DIGITS


def is_national_id(text: str) -> bool:
    """An identity card number (GB 11643): 15 digits, or 17 digits and a digit, X or x.

    The check digit is not tested: a number with a slip in it is as telling as one without. Other documents (passports, permits)
    have other shapes.
    """
    body = text[:-1] if len(text) == 18 and text[-1] in ("X", "x") else text
    return len(text) in (15, 18) and set(body) <= DIGITS


def is_email(text: str) -> bool:
    """One @, a local part of 1 to 64 characters without a space, and a domain in ASCII.

    The domain has letters, digits, hyphens and a dot, and neither begins nor ends with a dot: masks show it whole, so nothing
    else may stand there. An internationalised one has that shape in its ASCII form (RFC 5890).
    """
    local, _, domain = text.partition("@")
    if not 1 <= len(local) <= LONGEST_LOCAL_PART or " " in local:
        return False
    return set(domain) <= DOMAIN_CHARACTERS and "." in domain and domain[0] != "." and domain[-1] != "."
