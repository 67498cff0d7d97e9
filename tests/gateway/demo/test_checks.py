"""Numbers with a rule to them."""

from datetime import date

from hypothesis import given
from hypothesis.strategies import dates, integers

from gateway.demo.checks import check_character, is_national_id, national_id, old_national_id

ANY_DAY = dates(date(1900, 1, 1), date(2099, 12, 31))


def test_the_published_example_has_its_published_check_character() -> None:
    """GB 11643-1999, appendix: 11010519491231002 ends in X."""
    assert check_character("11010519491231002") == "X"


@given(born=ANY_DAY, serial=integers(0, 999))
def test_a_made_number_is_valid_and_carries_its_birth_date(born: date, serial: int) -> None:
    made = national_id("440305", born, serial)

    assert is_national_id(made)
    assert made[6:14] == f"{born:%Y%m%d}"


@given(born=ANY_DAY, serial=integers(0, 999), place=integers(0, 16), shift=integers(1, 9))
def test_one_wrong_digit_makes_it_invalid(born: date, serial: int, place: int, shift: int) -> None:
    made = national_id("440305", born, serial)
    wrong = made[:place] + str((int(made[place]) + shift) % 10) + made[place + 1 :]

    assert not is_national_id(wrong)


def test_the_old_form_has_fifteen_digits() -> None:
    assert old_national_id("440305", date(1967, 4, 9), 7) == "440305670409007"
