"""Generalisations: a year for a date, a city for an address, a network for an IP address. Computed from the wire form alone."""

from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from scopes.redaction import Kind
from scopes.wire import fixed

MUNICIPALITIES: Final = ("北京市", "天津市", "上海市", "重庆市")
SPECIAL_REGIONS: Final = ("香港特别行政区", "澳门特别行政区")
PROVINCES: Final = (
    "河北省", "山西省", "辽宁省", "吉林省", "黑龙江省", "江苏省", "浙江省", "安徽省", "福建省", "江西省", "山东省", "河南省",
    "湖北省", "湖南省", "广东省", "海南省", "四川省", "贵州省", "云南省", "陕西省", "甘肃省", "青海省", "台湾省",
    "内蒙古自治区", "广西壮族自治区", "西藏自治区", "宁夏回族自治区", "新疆维吾尔自治区",
)  # fmt: skip

# (ending, where it may begin, counted from 0 after the province): the shortest and the longest names there are
CITY_ENDINGS: Final = (("市", 2, 4), ("自治州", 4, 10), ("地区", 2, 5), ("盟", 2, 4))
# What stands in lines that name a street, and in no city's name
NOT_IN_A_CITY: Final = frozenset("0123456789 路街巷弄号楼栋室村")

# The first age of each band; 14 and 18 are the law's own (PIPL 31, Civil Code 17)
AGE_BANDS: Final = (0, 14, 18, 25, 35, 45, 55, 65)

DISTRICT: Final = 5_000  # units of 0.00001 degree: 0.05 degree, about 5.5 km north to south


def generalise(kind: Kind, step: str, text: str, at: datetime) -> str | None:
    """The generalised value, None where the step finds none. text: in wire form. step: one that the kind knows."""
    match kind, step:
        case Kind.BIRTH_DATE, "age_band":
            return age_band(text, at)
        case Kind.BIRTH_DATE, "decade":
            return text[:3] + "0s"
        case Kind.BIRTH_DATE | Kind.INSTANT, _:
            return text[: {"year": 4, "month": 7, "day": 10}[step]]
        case Kind.IP, _:
            return network(text)
        case Kind.LOCATION, _:
            return district(text)
        case Kind.EMAIL, _:
            return text.partition("@")[2]
        case Kind.ADDRESS, _:
            return city(text)
    return None


def age_band(text: str, at: datetime) -> str | None:
    """The band of completed years of age on the UTC date of `at`.

    >>> age_band("2004-02-29", datetime(2022, 2, 28, tzinfo=UTC))
    '14-17'
    >>> age_band("2004-02-29", datetime(2022, 3, 1, tzinfo=UTC))
    '18-24'

    Whoever was born on 29 February completes a year on 1 March where there is no 29th. A date still to come has no age: None.
    """
    today = at.astimezone(UTC).date()
    born = date.fromisoformat(text)
    if born > today:
        return None
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    index = max(n for n, first in enumerate(AGE_BANDS) if first <= age)
    if index == len(AGE_BANDS) - 1:
        return f"{AGE_BANDS[index]}+"
    return f"{AGE_BANDS[index]}-{AGE_BANDS[index + 1] - 1}"


def network(text: str) -> str:
    """The /24 of an IPv4 address, the /48 of an IPv6 one.

    >>> network("203.0.113.77"), network("2001:db8:85a3::8a2e:370:7334")
    ('203.0.113.0/24', '2001:db8:85a3::/48')
    """
    if ":" in text:
        return str(IPv6Network((text, 48), strict=False))
    return str(IPv4Network((text, 24), strict=False))


def district(text: str) -> str:
    """The south-west corner of the square of 0.05 degree a place lies in.

    >>> district("39.91667,116.39722")
    '39.90,116.35'
    """
    corners = [int(Decimal(part) * 100_000) // DISTRICT for part in text.split(",")]
    return ",".join(fixed(corner * 5, 2) for corner in corners)


def city(text: str) -> str | None:
    """Province and city of a postal line; the municipality or special administrative region alone where it is one.

    >>> city("广东省深圳市南山区科技园路1号"), city("北京市朝阳区建国路87号"), city("吉林省延边朝鲜族自治州延吉市光明街")
    ('广东省深圳市', '北京市', '吉林省延边朝鲜族自治州')

    text: begins with the full name of one of the 34 provincial units, then of one city, prefecture, league or region. What
    follows is not looked at. Anything else is None, also a line that leaves the province out: a city's name is known by its
    ending only, so what is passed must stand where one stands, be as short as one, and hold nothing that a street's name has.
    """
    for region in (*MUNICIPALITIES, *SPECIAL_REGIONS):
        if text.startswith(region):
            return region
    for province in PROVINCES:
        if text.startswith(province):
            name = _city_name(text[len(province) :])
            return None if name is None else province + name
    return None


def _city_name(rest: str) -> str | None:
    for ending, first, last in CITY_ENDINGS:
        begins_at = rest.find(ending)
        if first <= begins_at <= last:
            name = rest[:begins_at]
            return name + ending if not set(name) & NOT_IN_A_CITY else None
    return None
