"""What each mask shows of values as Chinese order platforms hold them, and what it never shows."""

from datetime import UTC, datetime
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopes import MASKS, Kind, Redaction, Rung, default_mask, redact
from scopes.shape import is_mainland_mobile
from tests.support.values import FAMILY, UYGHUR, redactions, values

NOW = datetime(2026, 2, 28, 12, tzinfo=UTC)


def masked(kind: Kind, value: str, head: int | None = None, tail: int = 0) -> str | None:
    rule = default_mask(kind) if head is None else Redaction(Rung.MASK, head=head, tail=tail)
    return redact(kind, rule, value, at=NOW, key=b"")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("王", "**"),
        ("王伟", "王**"),
        ("王小明", "王**"),
        ("欧阳娜娜", "欧**"),
        ("Amy", "A**"),
        ("Amy Smith", "A**"),
        (UYGHUR, "ئ**"),
        ("阿卜杜拉·买买提", "阿**"),
        ("\U00020000一", "\U00020000**"),
        (FAMILY, "\U0001f468**"),
        ("e\u0301va", "e**"),
        ("王" * 64, "王**"),
        ("王" * 65, None),
        ("", None),
    ],
)
def test_a_masked_name_shows_its_first_character_and_not_its_length(name: str, shown: str | None) -> None:
    """policy 1.2, real name: whatever its script; of a name of one character nothing."""
    assert masked(Kind.NAME, name) == shown
    assert masked(Kind.NAME, name, 0) == (None if shown is None else "**")


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("13812345678", "138****5678"),
        ("12345678900", "123****8900"),
        ("02012345678", "02*******78"),
        ("+8613812345678", "+86********678"),
        ("138 1234 5678", "138*******678"),
        ("+44 20 7946 0958", "+44*********0958"),
        ("0755-12345678", "075*******678"),
        ("10086", "1***6"),
        ("110", "***"),
        ("1", "*"),
        ("(0086) 10-1234-5678 (901)", "(00" + "*" * 18 + "901)"),
        ("00" + "1" * 15, "001**********1111"),
        ("1" * 18, None),
        ("+" * 33 + "1", None),
        ("008613812345678", "008*********678"),
        ("+441234567890123", "+44*********0123"),
        ("110105491231002", None),
        ("101105491231002", None),
        ("011105491231002", "011*********002"),
        ("110105194912310021", None),
        ("", None),
        (" ", None),
        ("+", None),
        ("1381234567x", None),
        ("１３８１２３４５６７８", None),
        ("١٢٣٤٥٦٧٨", None),
        ("13812345678\n", None),
    ],
)
def test_a_masked_phone_number_keeps_its_length_and_hides_its_middle(number: str, shown: str | None) -> None:
    """policy 1.2, mobile number: short and foreign ones show a quarter at either end, other text nothing; nor does
    an identity number in the wrong column."""
    assert masked(Kind.PHONE, number) == shown


def test_a_phone_rule_may_keep_less() -> None:
    assert masked(Kind.PHONE, "13812345678", 0, 4) == "*******5678"
    assert masked(Kind.PHONE, "13812345678", 3, 0) == "138********"
    assert masked(Kind.PHONE, "13812345678", 0, 0) == "***********"
    assert masked(Kind.PHONE, "+8613812345678", 1, 2) == "+***********78"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("11010519491231002X", "1****************X"),
        ("11010519491231002x", "1****************x"),
        ("110105194912310021", "1****************1"),
        ("110105491231002", "1*************2"),
        ("11010549123100X", None),
        ("11010519491231002", None),
        ("1101051949123100211", None),
        ("11010519491231002Y", None),
        ("1101051949123100２１", None),
        ("E12345678", None),
        ("", None),
    ],
)
def test_a_masked_identity_number_shows_one_character_at_either_end(number: str, shown: str | None) -> None:
    """policy 1.2, national id: of 15 or 18 characters; other documents are withheld, and check digits make no difference."""
    assert masked(Kind.NATIONAL_ID, number) == shown


def test_an_identity_rule_may_keep_at_most_seven_of_fifteen() -> None:
    assert masked(Kind.NATIONAL_ID, "110105491231002", 3, 4) == "110********1002"
    assert masked(Kind.NATIONAL_ID, "11010519491231002X", 3, 4) == "110***********002X"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("zhang.wei@example.com", "z***@example.com"),
        ("zw@example.com", "z***@example.com"),
        ("z@example.com", "***@example.com"),
        ("张伟@example.com", "张***@example.com"),
        ("z@xn--fsqu00a.xn--55qx5d", "***@xn--fsqu00a.xn--55qx5d"),
        ("张伟@例子.公司", None),
        ("zhang@wei@example.com", None),
        ("zhang@example", None),
        ("zhang@.example.com", None),
        ("zhang@example.com.", None),
        ("zhang@", None),
        ("@example.com", None),
        ("zhang wei@example.com", None),
        ("zhang@example.com ", None),
        ("z" * 64 + "@example.com", "z***@example.com"),
        ("z" * 65 + "@example.com", None),
        ("zw@" + "e" * 247 + ".com", "z***@" + "e" * 247 + ".com"),
        ("zw@" + "e" * 248 + ".com", None),
        ("", None),
    ],
)
def test_a_masked_email_shows_one_letter_and_the_domain(address: str, shown: str | None) -> None:
    """policy 1.2: nothing of a local part of one letter; nothing at all where something else than a domain follows the @."""
    assert masked(Kind.EMAIL, address) == shown


def test_an_email_rule_keeps_at_most_half_of_the_local_part() -> None:
    assert masked(Kind.EMAIL, "zhang@example.com", 3) == "zh***@example.com"
    assert masked(Kind.EMAIL, "zhangwei@example.com", 3) == "zha***@example.com"
    assert masked(Kind.EMAIL, "zhangwei@example.com", 0) == "***@example.com"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("广东省深圳市南山区科技园路1号", "广东省深圳市****"),
        ("北京市朝阳区建国路87号", "北京市朝阳区****"),
        ("北京市朝阳区", "北京市****"),
        ("上海", "上****"),
        ("沪", "****"),
        (FAMILY * 3, FAMILY + "\U0001f468****"),
        ("山" * 256, "山山山山山山****"),
        ("山" * 257, None),
        ("", None),
    ],
)
def test_a_masked_address_shows_at_most_six_characters(line: str, shown: str | None) -> None:
    """policy 1.2, postal address: and at most half, whatever its length, which does not show."""
    assert masked(Kind.ADDRESS, line) == shown


@pytest.mark.parametrize(
    ("code", "shown"),
    [("518000", "51****"), ("51800", None), ("5180000", None), ("51800a", None), ("SW1A 1AA", None), ("", None)],
)
def test_a_masked_postcode_shows_two_digits(code: str, shown: str | None) -> None:
    assert masked(Kind.POSTCODE, code) == shown


@pytest.mark.parametrize(
    ("text", "head", "shown"),
    [
        ("晚上七点老地方见", 1, "晚***"),
        ("晚上七点老地方见", 6, "晚上七点***"),
        ("a", 1, "***"),
        ("ab", 6, "a***"),
        ("好" * 20_000, 6, "好好好好好好***"),
        ("好" * 20_001, 6, None),
        ("", 1, None),
    ],
)
def test_a_masked_text_shows_its_beginning_and_not_its_length(text: str, head: int, shown: str | None) -> None:
    """policy 1.2, survey answers and support cases."""
    assert masked(Kind.TEXT, text, head) == shown


@pytest.mark.parametrize("kind", MASKS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_mask_hides_at_least_half_and_never_shows_seven_in_a_row(kind: Kind, data: st.DataObject) -> None:
    """policy 6.2, and what the canaries of the demo rely on; a domain is no part of anybody's own."""
    value = data.draw(values(kind).filter(lambda value: "*" not in str(value)))
    assert isinstance(value, str)
    for rule in redactions(kind):
        shown = redact(kind, rule, value, at=NOW, key=b"")
        if rule.rung is not Rung.MASK or shown is None:
            continue
        telling = value.partition("@")[0] if kind is Kind.EMAIL else value
        kept = shown.partition("@")[0] if kind is Kind.EMAIL else shown
        runs = [len(list(run)) for star, run in groupby(kept, key=lambda character: character == "*") if not star]
        assert max(runs, default=0) <= 6
        assert sum(runs) <= (7 if kind is Kind.PHONE and is_mainland_mobile(value) else len(telling) // 2)
