"""Numbers with a rule to them: made so that they are valid and belong to nobody."""

from datetime import date
from operator import mul

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS = "10X98765432"


def check_character(body: str) -> str:
    """The last character of an identity card number.

    >>> check_character("11010519491231002")
    'X'

    body: the first 17 digits. Source: GB 11643-1999, ISO 7064 MOD 11-2.
    """
    total = sum(map(mul, map(int, body), _WEIGHTS))
    return _CHECK_CHARACTERS[total % 11]


def national_id(region: str, born: date, serial: int) -> str:
    """An 18-character identity card number. region: six digits (GB/T 2260). serial: 0 to 999, odd for men.

    >>> national_id("110105", date(1949, 12, 31), 2)
    '11010519491231002X'
    """
    body = f"{region}{born:%Y%m%d}{serial:03}"
    return body + check_character(body)


def old_national_id(region: str, born: date, serial: int) -> str:
    """The 15-digit form issued before 1999: a two-digit year and no check character.

    >>> old_national_id("110105", date(1949, 12, 31), 2)
    '110105491231002'
    """
    return f"{region}{born:%y%m%d}{serial:03}"


def is_national_id(text: str) -> bool:
    """Whether `text` is an 18-character number whose date exists and whose check character is right.

    >>> is_national_id("11010519491231002X"), is_national_id("110105194912310021")
    (True, False)
    """
    if len(text) != 18 or not text.isascii() or not text[:17].isdigit():
        return False
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    return check_character(text[:17]) == text[17]
