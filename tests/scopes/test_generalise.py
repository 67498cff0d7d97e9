"""A year for a date, a city for an address, a network for an IP address: each rule at its edges."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv6Address

import pytest

from scopes import Kind, RawValue, Redaction, Rung, redact

NOW = datetime(2026, 2, 28, 12, tzinfo=UTC)


@pytest.fixture
def in_another_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process's own clock is eight hours ahead."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC-8")
        time.tzset()
        yield
    time.tzset()


def generalised(kind: Kind, step: str, value: RawValue, at: datetime = NOW) -> str | None:
    return redact(kind, Redaction(Rung.GENERALISE, step=step), value, at=at, key=b"")


@pytest.mark.parametrize(
    ("born", "month", "year", "decade"),
    [
        (date(2004, 2, 29), "2004-02", "2004", "2000s"),
        (date(1999, 12, 31), "1999-12", "1999", "1990s"),
        (date(987, 6, 5), "0987-06", "0987", "0980s"),
        (date(1, 1, 1), None, None, None),
        (date(9999, 12, 31), None, None, None),
    ],
)
def test_a_birth_date_becomes_a_month_a_year_or_a_decade(
    born: date, month: str | None, year: str | None, decade: str | None
) -> None:
    """policy 1.1: what stands for an infinite date is no date."""
    assert generalised(Kind.BIRTH_DATE, "month", born) == month
    assert generalised(Kind.BIRTH_DATE, "year", born) == year
    assert generalised(Kind.BIRTH_DATE, "decade", born) == decade


@pytest.mark.parametrize(
    ("born", "at", "band"),
    [
        (date(2012, 3, 1), date(2026, 2, 28), "0-13"),
        (date(2012, 2, 29), date(2026, 2, 28), "0-13"),
        (date(2012, 2, 29), date(2026, 3, 1), "14-17"),
        (date(2008, 2, 29), date(2026, 2, 28), "14-17"),
        (date(2008, 2, 29), date(2026, 3, 1), "18-24"),
        (date(2008, 2, 28), date(2026, 2, 28), "18-24"),
        (date(2010, 2, 28), date(2028, 2, 28), "18-24"),
        (date(2010, 3, 1), date(2028, 2, 29), "14-17"),
        (date(2001, 3, 1), date(2026, 3, 1), "25-34"),
        (date(1991, 3, 1), date(2026, 3, 1), "35-44"),
        (date(1981, 3, 1), date(2026, 3, 1), "45-54"),
        (date(1971, 3, 1), date(2026, 3, 1), "55-64"),
        (date(1961, 3, 2), date(2026, 3, 1), "55-64"),
        (date(1961, 3, 1), date(2026, 3, 1), "65+"),
        (date(1, 1, 2), date(2026, 3, 1), "65+"),
        (date(2026, 3, 1), date(2026, 3, 1), "0-13"),
        (date(2026, 3, 2), date(2026, 3, 1), None),
    ],
)
def test_an_age_band_counts_completed_years(born: date, at: date, band: str | None) -> None:
    """PIPL 31, Civil Code 17: 14 and 18 are bounds. Born on a leap day: a year is complete on 1 March. No age before birth."""
    assert generalised(Kind.BIRTH_DATE, "age_band", born, datetime(at.year, at.month, at.day, tzinfo=UTC)) == band


@pytest.mark.usefixtures("in_another_zone")
def test_an_age_band_changes_at_midnight_utc() -> None:
    """Whatever zone the process runs in."""
    born = date(2008, 3, 1)
    beijing = timezone(timedelta(hours=8))

    assert generalised(Kind.BIRTH_DATE, "age_band", born, datetime(2026, 3, 1, 7, 59, 59, tzinfo=beijing)) == "14-17"
    assert generalised(Kind.BIRTH_DATE, "age_band", born, datetime(2026, 3, 1, 8, tzinfo=beijing)) == "18-24"


@pytest.mark.parametrize(
    ("line", "city"),
    [
        ("广东省深圳市南山区科技园路1号", "广东省深圳市"),
        ("广东省深圳市市民中心", "广东省深圳市"),
        ("黑龙江省齐齐哈尔市龙沙区", "黑龙江省齐齐哈尔市"),
        ("江西省景德镇市珠山区", "江西省景德镇市"),
        ("北京市朝阳区建国路87号", "北京市"),
        ("上海市", "上海市"),
        ("天津市和平区", "天津市"),
        ("重庆市万州区", "重庆市"),
        ("香港特别行政区九龙城区", "香港特别行政区"),
        ("澳门特别行政区", "澳门特别行政区"),
        ("台湾省台北市", "台湾省台北市"),
        ("内蒙古自治区呼和浩特市", "内蒙古自治区呼和浩特市"),
        ("广西壮族自治区南宁市青秀区", "广西壮族自治区南宁市"),
        ("西藏自治区拉萨市", "西藏自治区拉萨市"),
        ("宁夏回族自治区银川市", "宁夏回族自治区银川市"),
        ("新疆维吾尔自治区乌鲁木齐市天山区", "新疆维吾尔自治区乌鲁木齐市"),
        ("吉林省延边朝鲜族自治州延吉市光明街1号", "吉林省延边朝鲜族自治州"),
        ("四川省凉山彝族自治州西昌市", "四川省凉山彝族自治州"),
        ("云南省怒江傈僳族自治州", "云南省怒江傈僳族自治州"),
        ("新疆维吾尔自治区克孜勒苏柯尔克孜自治州阿图什市", "新疆维吾尔自治区克孜勒苏柯尔克孜自治州"),
        ("新疆维吾尔自治区阿克苏地区库车市", "新疆维吾尔自治区阿克苏地区"),
        ("黑龙江省大兴安岭地区漠河市", "黑龙江省大兴安岭地区"),
        ("内蒙古自治区锡林郭勒盟锡林浩特市", "内蒙古自治区锡林郭勒盟"),
        ("内蒙古自治区兴安盟乌兰浩特市", "内蒙古自治区兴安盟"),
        ("深圳市南山区", None),
        ("广东深圳市南山区", None),
        (" 广东省深圳市", None),
        ("广东省", None),
        ("广东省市", None),
        ("广东省深市", None),
        ("广东省南山区科技园路1号深圳市", None),
        ("广东省科技路市", None),
        ("广东省1号楼市", None),
        ("广东省一二三四市", "广东省一二三四市"),
        ("广东省一二三四五市", None),
        ("省深圳市", None),
        ("自治区深圳市", None),
        ("广东省深圳市" + "路" * 251, None),
    ],
)
def test_an_address_becomes_its_province_and_city(line: str, city: str | None) -> None:
    """policy 1.2, postal address: a municipality stands alone; a line that does not begin as one should shows nothing."""
    assert generalised(Kind.ADDRESS, "city", line) == city


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (IPv4Address("203.0.113.77"), "203.0.113.0/24"),
        (IPv4Address("255.255.255.255"), "255.255.255.0/24"),
        (IPv6Address("2001:db8:85a3:1234::8a2e:370:7334"), "2001:db8:85a3::/48"),
        (IPv6Address("::ffff:1.2.3.4"), "::/48"),
        (IPv6Address("::1"), "::/48"),
        ("203.0.113.77", None),
    ],
)
def test_an_ip_address_becomes_its_network(address: RawValue, network: str | None) -> None:
    """policy 1.3: /24 of IPv4, /48 of IPv6."""
    assert generalised(Kind.IP, "network", address) == network


@pytest.mark.usefixtures("in_another_zone")
def test_an_instant_becomes_a_day_a_month_or_a_year_in_utc() -> None:
    """policy 1.3: whatever zone it is told in."""
    late = datetime(2024, 3, 1, 7, 59, 59, tzinfo=timezone(timedelta(hours=8)))

    assert generalised(Kind.INSTANT, "day", late) == "2024-02-29"
    assert generalised(Kind.INSTANT, "month", late) == "2024-02"
    assert generalised(Kind.INSTANT, "year", late) == "2024"


@pytest.mark.parametrize(
    ("place", "corner"),
    [
        ((116.39722, 39.91667), "39.90,116.35"),
        ((116.4, 39.9), "39.90,116.40"),
        ((0.0, 0.0), "0.00,0.00"),
        ((-0.00001, -0.05), "-0.05,-0.05"),
        ((-0.05001, 0.04999), "0.00,-0.10"),
        ((0.049999, 0.0499999), "0.05,0.05"),
        ((-180.0, -90.0), "-90.00,-180.00"),
        ((180.0, 90.0), "90.00,180.00"),
        ((180.00001, 0.0), None),
        ((-180.00001, 0.0), None),
        ((0.0, 90.00001), None),
        ((0.0, -90.00001), None),
        ((float("nan"), 0.0), None),
    ],
)
def test_a_place_becomes_the_corner_of_its_district(place: tuple[float, float], corner: str | None) -> None:
    """policy 5.1, location: a grid of 0.05 degree over the place as `reveal` would print it."""
    assert generalised(Kind.LOCATION, "district", place) == corner


def test_an_email_becomes_its_domain() -> None:
    assert generalised(Kind.EMAIL, "domain", "zhang.wei@Example.com") == "Example.com"
    assert generalised(Kind.EMAIL, "domain", "zhang.wei") is None
