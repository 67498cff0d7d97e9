"""Values of every kind as columns may hold them, good and bad, and every redaction that their kind knows."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Final
from uuid import UUID

from hypothesis import strategies as st

from scopes import MASKS, PSEUDONYMISE, REVEAL, STEPS, WITHHOLD, Kind, RawValue, Redaction, Rung

FAMILY: Final = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # one picture, five code points
UYGHUR: Final = "ئابدۇرېھىم"
E_ACUTE: Final = "e\u0301"  # two code points

# What somebody might type into any text field
ODD_TEXTS: Final = (
    "",
    " ",
    "*",
    "***",
    "0",
    "١٢٣",
    "１３８１２３４５６７８",
    "\n",
    "\\",
    "'",
    '"',
    "%",
    "_",
    "\t王",
    FAMILY,
    E_ACUTE,
    "\ufeff",
)

TEXTS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.NAME: (
        "王",
        "王伟",
        "欧阳娜娜",
        "Amy Smith",
        "X",
        UYGHUR,
        FAMILY,
        "\U00020000一",
        "阿卜杜拉·买买提",
        "王" * 64,
        "王" * 65,
    ),
    Kind.PHONE: (
        "13812345678",
        "02012345678",
        "1381234567",
        "138123456789",
        "138 1234 5678",
        "+8613812345678",
        "+44 20 7946 0958",
        "0755-12345678",
        "(0755) 1234567",
        "10086",
        "110",
        "1",
        "+",
        "+()-",
        "1381234567x",
        "1" * 15,
        "0" * 15,
        "1" * 17,
        "1" * 18,
        "1" + " " * 31,
        "1" + " " * 32,
    ),
    Kind.NATIONAL_ID: (
        "11010519491231002X",
        "11010519491231002x",
        "110105194912310021",
        "110105491231002",
        "11010549123100X",
        "11010519491231002Y",
        "11010519491231002",
        "1101051949123100211",
        "X" * 18,
        "X10105194912310021",
        "E12345678",
    ),
    Kind.EMAIL: (
        "zhang.wei@example.com",
        "z@example.com",
        "zw@example.com",
        "zhw@example.com",
        "@example.com",
        "zhang@",
        "zhang@example",
        "zhang@.com",
        "zhang@example.",
        "zhang@.example.com",
        "zhang@exa..mple.com",
        "zhang@@example.com",
        "zhang@wei@example.com",
        "zhang wei@example.com",
        "zhang@example .com",
        "张伟@example.com",
        "张伟@例子.公司",
        "zhang@xn--fsqu00a.xn--55qx5d",
        "*@EXAMPLE.Com",
        "z" * 64 + "@example.com",
        "z" * 65 + "@example.com",
        "z@" + "e" * 248 + ".com",
        "z@" + "e" * 249 + ".com",
    ),
    Kind.ADDRESS: (
        "广东省深圳市南山区科技园路1号",
        "北京市朝阳区建国路87号",
        "上海市",
        "重庆市万州区",
        "香港特别行政区九龙城区",
        "黑龙江省齐齐哈尔市龙沙区",
        "吉林省延边朝鲜族自治州延吉市光明街1号",
        "云南省迪庆藏族自治州香格里拉市",
        "新疆维吾尔自治区乌鲁木齐市天山区",
        "新疆维吾尔自治区克孜勒苏柯尔克孜自治州阿图什市",
        "新疆维吾尔自治区阿克苏地区库车市",
        "内蒙古自治区锡林郭勒盟锡林浩特市",
        "西藏自治区拉萨市",
        "宁夏回族自治区银川市",
        "台湾省台北市",
        "广东省",
        "广东省市",
        "广东省深市",
        "广东省南山区科技园路1号深圳市",
        "广东省路1号市",
        "广东省一二三四五市",
        "深圳市南山区",
        "广东深圳市",
        "省深圳市",
        "自治区深圳市",
        "山" * 256,
        "山" * 257,
        "广东省深圳市" + "路" * 250,
        "广东省深圳市" + "路" * 251,
        "一",
        "一二",
        "一二三",
    ),
    Kind.POSTCODE: ("518000", "51800", "5180000", "51800a", "SW1A 1AA"),
    Kind.CITY: ("深圳市", "市" * 64, "市" * 65),
    Kind.TEXT: ("晚上七点老地方见", "a", "ab", "abc", "好" * 20_000, "好" * 20_001, FAMILY * 3),
    Kind.URL: ("https://example.com/?q=1", "u" * 2_048, "u" * 2_049),
    Kind.LABEL: ("zh-CN", "l" * 256, "l" * 257),
}

DATES: Final = (
    date(1, 1, 1),
    date(1, 1, 2),
    date(999, 12, 31),
    date(2000, 2, 29),
    date(2004, 2, 28),
    date(2004, 2, 29),
    date(2004, 3, 1),
    date(1900, 2, 28),
    date(1949, 12, 31),
    date(9999, 12, 30),
    date(9999, 12, 31),
)

INSTANTS: Final = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(987, 6, 5, 4, 3, 2, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2024, 11, 26, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_998, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
)

ADDRESSES: Final = (
    IPv4Address(0),
    IPv4Address("203.0.113.77"),
    IPv4Address("255.255.255.255"),
    IPv4Interface("10.1.2.3/8"),
    IPv6Address("::"),
    IPv6Address("::1"),
    IPv6Address("::ffff"),
    IPv6Address("::1:0"),
    IPv6Address("::1:0:0"),
    IPv6Address("::1.2.3.4"),
    IPv6Address("::ffff:1.2.3.4"),
    IPv6Address("::fffe:1.2.3.4"),
    IPv6Address("::1:0:0:1"),
    IPv6Address("1::"),
    IPv6Address("0:1::"),
    IPv6Address("0:0:1::"),
    IPv6Address("1:0:0:1:0:0:0:1"),
    IPv6Address("1:0:0:2:3:0:0:1"),
    IPv6Address("1:0:1:1:1:1:1:1"),
    IPv6Address("64:ff9b::1.2.3.4"),
    IPv6Address("2001:db8:85a3::8a2e:370:7334"),
    IPv6Interface("2001:db8:85a3::8a2e:370:7334/32"),
)

NAN, INFINITY = float("nan"), float("inf")
PLACES: Final = (
    (116.39722, 39.91667),
    (0.0, 0.0),
    (-0.0, -0.0),
    (-0.000001, 0.000004999999),
    (0.000005, -0.000005),
    (0.000015, 0.000025),
    (-180.0, -90.0),
    (180.0, 90.0),
    (180.00001, 0.0),
    (0.0, 90.0000001),
    (39.9499999, 39.95),
    (-0.05, 0.05),
    (-0.050001, 0.049999999999),
    (5e-324, 1e-300),
    (NAN, 1.0),
    (1.0, NAN),
    (INFINITY, 0.0),
    (0.0, -INFINITY),
    (1e300, 0.0),
)

IDENTIFIERS: Final = (UUID(int=0), UUID(int=2**128 - 1), UUID("01900000-0000-7000-8000-0000000000ab"))

TYPED: Final[Mapping[Kind, tuple[RawValue, ...]]] = {
    Kind.BIRTH_DATE: DATES,
    Kind.INSTANT: INSTANTS,
    Kind.IP: ADDRESSES,
    Kind.LOCATION: PLACES,
    Kind.IDENTIFIER: IDENTIFIERS,
}


def edges(kind: Kind) -> tuple[RawValue, ...]:
    """The values at the edges of the kind's rules; for text also what belongs to every other kind."""
    if kind in TYPED:
        return TYPED[kind]
    return (*TEXTS[kind], *ODD_TEXTS, *(text for other in TEXTS if other is not kind for text in TEXTS[other][:3]))


def redactions(kind: Kind) -> tuple[Redaction, ...]:
    """All that `check` lets pass for the kind."""
    rule = MASKS.get(kind)
    heads, tails = (range(rule.head + 1), range(rule.tail + 1)) if rule else (range(0), range(0))
    masks = (Redaction(Rung.MASK, head=head, tail=tail) for head in heads for tail in tails)
    steps = (Redaction(Rung.GENERALISE, step=step) for chain in STEPS.get(kind, ()) for step in chain)
    return (REVEAL, *masks, *steps, PSEUDONYMISE, WITHHOLD)


def storable_text(max_size: int = 40) -> st.SearchStrategy[str]:
    """Any text that PostgreSQL can hold."""
    return st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=max_size)


_SHAPED: Final[Mapping[Kind, st.SearchStrategy[str]]] = {
    Kind.PHONE: st.one_of(
        st.from_regex(r"1[0-9]{10}", fullmatch=True),
        st.text("0123456789+-() ", max_size=34),
        st.text("0123456789", min_size=9, max_size=19),
    ),
    Kind.NATIONAL_ID: st.one_of(
        st.from_regex(r"[0-9]{17}[0-9Xx]", fullmatch=True), st.text("0123456789Xx", min_size=14, max_size=19)
    ),
    Kind.POSTCODE: st.text("0123456789", min_size=5, max_size=7),
    Kind.EMAIL: st.builds("{}@{}".format, storable_text(6), st.text("aZ9-.é @", max_size=8)),
    Kind.ADDRESS: st.builds(
        "{}{}{}{}".format,
        st.sampled_from(
            ["广东省", "黑龙江省", "西藏自治区", "内蒙古自治区", "广西壮族自治区", "新疆维吾尔自治区", "北京市", "省", ""]
        ),
        st.text("深圳路省1自治", max_size=11),
        st.sampled_from(["市", "自治州", "地区", "盟", "区"]),
        storable_text(5),
    ),
}

_TYPED: Final[Mapping[Kind, st.SearchStrategy[RawValue]]] = {
    Kind.BIRTH_DATE: st.dates(),
    Kind.INSTANT: st.datetimes(timezones=st.just(UTC)),
    Kind.IP: st.one_of(
        st.ip_addresses(),
        st.integers(0, 2**40).map(IPv6Address),
        st.integers(0, 2**128 - 1).map(lambda n: IPv6Address(n & (0xFFFF << 16 * (n % 8)))),
    ),
    Kind.LOCATION: st.tuples(
        st.one_of(st.floats(-181, 181), st.integers(-3_600_000, 3_600_000).map(lambda n: n / 20_000)),
        st.one_of(st.floats(-91, 91), st.integers(-1_800_000, 1_800_000).map(lambda n: n / 20_000)),
    ),
    Kind.IDENTIFIER: st.uuids(),
}


def values(kind: Kind) -> st.SearchStrategy[RawValue]:
    """Any value that a column of the kind's type may hold, most of them near the kind's shape."""
    known = st.sampled_from(edges(kind))
    if kind in _TYPED:
        return st.one_of(known, _TYPED[kind])
    return st.one_of(known, storable_text(), _SHAPED.get(kind, storable_text(8)))
