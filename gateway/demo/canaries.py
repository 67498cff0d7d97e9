"""Five data subjects who agreed to everything and whose every value is a marker: seen where it may not be, it shows a leak.

Each value has the shape of its field, is eight characters or longer and stands nowhere else. Cities, number blocks and words
are ones that `people` never draws, and what masks keep of a value is at most six of its characters in a row.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from gateway.demo.checks import national_id
from gateway.demo.people import LAST_DAY, Row, Rows, uuid_text

COUNT: Final = 5
_NAMES = (
    ("Thessaly Quornbridge", "Isolde Farrowmere", "Benedikt Oxenshaw"),
    ("Marisande Vexholme", "Leopold Thistlewick", "Cordelia Ravensmoor"),
    ("Peregrine Ashwynd", "Octavia Brackenfell", "Ignatius Lorimer"),
    ("Evangeline Drosselmeyer", "Fitzgerald Umberton", "Rosalind Yarrowgate"),
    ("Valentina Kestrelhof", "Augustin Wolfsberg", "Henrietta Zellweger"),
)
_CITIES = (
    ("广东省", "汕头市", "4405", "515", "濠江区"),
    ("浙江省", "嘉兴市", "3304", "314", "秀洲区"),
    ("江苏省", "盐城市", "3209", "224", "亭湖区"),
    ("四川省", "绵阳市", "5107", "621", "涪城区"),
    ("山东省", "烟台市", "3706", "264", "芝罘区"),
)
_WORDS = ("灯塔潮声", "风铃雪线", "苔原星尘", "古桥夜航", "云杉极光")
_TOPICS = ("清晨", "渡口", "旧书", "山路", "晚灯")

Values = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True, repr=False)
class Canary:
    """values: markers by schema path, a list where the field is one or stands in one, in the order of the answer."""

    subject_id: str
    values: Values


@dataclass(frozen=True, slots=True, repr=False)
class Aviary:
    """The canaries and the platform rows that hold their values."""

    canaries: tuple[Canary, ...]
    rows: Rows


def aviary(seed: int) -> Aviary:
    """The canaries of a seed: the same for any number of other subjects."""
    chooser = random.Random(f"canaries:{seed}")
    ids = [_uuid(chooser) for _ in range(COUNT)]
    rows: dict[str, list[Row]] = defaultdict(list)
    values: list[dict[str, str | Sequence[str]]] = [_person(number, ids[number], rows, chooser) for number in range(COUNT)]
    for number, subject in enumerate(ids):
        shown = (number + 1) % COUNT
        posts = _posts(number, subject, ids[shown], rows, chooser)
        values[number]["Post.id"] = [post for post, _ in posts]
        values[number]["Post.text"] = [text for _, text in posts]
        values[shown]["Subject.mentions"] = [posts[0][1]]  # policy 1.4: the newest shows the next canary
    return Aviary(tuple(Canary(subject, found) for subject, found in zip(ids, values, strict=True)), rows)


def _person(number: int, subject: str, rows: dict[str, list[Row]], chooser: random.Random) -> dict[str, str | Sequence[str]]:
    _, city, region, _, _ = _CITIES[number]
    born = date(1961 + 7 * number, 2 + 2 * number, 11 + 3 * number)
    name, phone = _NAMES[number][0], _phone(number, 0, chooser)
    identity = national_id(f"{region}0{number + 2}", born, chooser.randrange(1000))
    local = f"wren.{_token(chooser)}"
    email, at = f"{local}@example.com", _instant(400 + number)
    location = f"({100 + number}.{chooser.randrange(10**6):06},{25 + number}.{chooser.randrange(10**6):06})"
    account = (subject, name, phone, identity, email, born.isoformat(), city, "zh-CN", at, location, f"canary{number + 1}")
    rows["account"].append(account)
    values: dict[str, str | Sequence[str]] = {
        "Subject.realName": name,
        "Subject.mobileNumber": phone,
        "Subject.nationalId": identity,
        "Subject.email": local,
    }
    return values | _addresses(number, subject, rows, chooser) | _lists(number, subject, rows, chooser)


def _addresses(number: int, subject: str, rows: dict[str, list[Row]], chooser: random.Random) -> dict[str, Sequence[str]]:
    province, city, _, postcode, district = _CITIES[number]
    found = []
    for item, address in enumerate(sorted(_uuid(chooser) for _ in range(2))):  # as listed: by address_id
        road = f"{_WORDS[number]}路{chooser.randrange(400, 999)}号"
        street = f"{province}{city}{district}{road}{item + 31}栋{chooser.randrange(3100, 3999)}室"
        found.append((_NAMES[number][item + 1], _phone(number, item + 1, chooser), street))
        rows["address"].append((address, subject, *found[-1], city, f"{postcode}{chooser.randrange(1000):03}"))
    recipients, phones, streets = zip(*found, strict=True)
    return {"Address.recipient": recipients, "Address.mobileNumber": phones, "Address.street": streets}


def _lists(number: int, subject: str, rows: dict[str, list[Row]], chooser: random.Random) -> dict[str, Sequence[str]]:
    word = _WORDS[number]
    photos = [f"https://img.weidandan.example/{_token(chooser)}{_token(chooser)}.jpg" for _ in range(2)]
    answers = [f"{word}的问卷答复{_TOPICS[item]}第{chooser.randrange(1000, 9999)}条" for item in range(2)]
    cases = [f"{word}的客服工单{_TOPICS[item]}第{chooser.randrange(1000, 9999)}号" for item in range(2)]
    referrers = [f"https://www.weidandan.example/p/{_token(chooser)}{_token(chooser)}" for _ in range(2)]
    for item in range(2):  # newest first
        at = _instant(10 + item)
        rows["photo"].append((_uuid(chooser), subject, photos[item], at, "{}", r"\N", "t"))
        rows["survey_answer"].append((_uuid(chooser), subject, answers[item], at))
        rows["support_case"].append((_uuid(chooser), subject, cases[item], at))
        ip = f"240e:{chooser.randrange(16**4):x}::7" if item else f"61.{chooser.randrange(256)}.7.{number + 1}"
        rows["service_event"].append((_uuid(chooser), subject, "view", at, ip, referrers[item]))
    rows["device"].append((_uuid(chooser), subject, "8.8.8", "Chrome"))
    rows["partner_login"].append((_uuid(chooser), subject, "shopmate", _instant(5)))
    return {
        "Subject.photos": photos,
        "Subject.surveyAnswers": answers,
        "Subject.supportCases": cases,
        "ServiceEvent.referrer": referrers,
    }


def _posts(number: int, author: str, shown: str, rows: dict[str, list[Row]], chooser: random.Random) -> list[tuple[str, str]]:
    found = []
    for item, topic in enumerate(_TOPICS):  # newest first
        post, text = _uuid(chooser), f"{_WORDS[number]}的{topic}随笔，编号{chooser.randrange(10**7, 10**8)}🪶"
        depicted = f"{{{shown}}}" if item == 0 else "{}"
        rows["post"].append((post, author, text, _instant(20 + item), depicted, r"\N", "t"))
        found.append((post, text))
    rows["mention"].append((_uuid(chooser), found[0][0], author, shown))
    return found


def _uuid(chooser: random.Random) -> str:
    """With dashes, as PostgreSQL prints it: a marker must read as it would in an answer."""
    digits = uuid_text(chooser.getrandbits(128))
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _phone(number: int, item: int, chooser: random.Random) -> str:
    """`people` draws no number that begins with 198 or 199."""
    return f"19{8 + item % 2}{number}{item}{chooser.randrange(10**6):06}"


def _token(chooser: random.Random) -> str:
    return "".join(chooser.choice("bcdfghjkmnpqrstvwxz23456789") for _ in range(10))


def _instant(days: int) -> str:
    """So many days before the last day of the data, at noon in UTC."""
    return f"{LAST_DAY - timedelta(days=days + 1)} 12:00:00+00"
