"""The invented data subjects and all that the platform holds about them, as lines for COPY."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeVar

from gateway.demo.checks import national_id, old_national_id
from gateway.demo.places import PLACES, Place
from gateway.demo.vocabulary import (
    BROWSERS,
    EMOJI,
    EVENT_KINDS,
    FOREIGN_NAMES,
    FOREIGN_NUMBERS,
    LANGUAGES,
    MOBILE_PREFIXES,
    Vocabulary,
    draw,
)

Item = TypeVar("Item")

NULL: Final = r"\N"
Row = tuple[str, ...]  # values in PostgreSQL's input form, NULL for none
Rows = Mapping[str, Sequence[Row]]  # by platform table

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "account": (
        "subject_id", "real_name", "mobile_number", "national_id", "email", "birth_date", "city", "language", "registered_at",
        "location", "login",
    ),
    "address": ("address_id", "subject_id", "recipient", "mobile_number", "street", "city", "postcode"),
    "post": ("post_id", "subject_id", "text", "posted_at", "depicted_ids", "deleted_at", "is_shared"),
    "photo": ("photo_id", "subject_id", "url", "taken_at", "depicted_ids", "deleted_at", "is_shared"),
    "mention": ("mention_id", "post_id", "author_id", "depicted_id"),
    "survey_answer": ("answer_id", "subject_id", "text", "answered_at"),
    "support_case": ("case_id", "subject_id", "text", "opened_at"),
    "service_event": ("event_id", "subject_id", "kind", "occurred_at", "ip_address", "referrer"),
    "device": ("device_id", "subject_id", "app_version", "browser"),
    "partner_login": ("login_id", "subject_id", "partner_name", "logged_in_at"),
}  # fmt: skip

# Everything invented lies before this day, so that the same seed gives the same data on any date
FIRST_DAY: Final = date(2019, 1, 1)
LAST_DAY: Final = date(2025, 7, 1)
_DAYS = tuple((FIRST_DAY + timedelta(days=n)).isoformat() for n in range((LAST_DAY - FIRST_DAY).days))
_BIRTHDAYS = tuple(date(1945, 1, 1) + timedelta(days=n) for n in range((date(2009, 1, 1) - date(1945, 1, 1)).days))
_SITES = ("https://www.weidandan.example/p/", "https://search.example.cn/s?q=", "https://m.weidandan.example/topic/")
_KEEP = (1 << 128) - 1 ^ (0xF << 76) ^ (0x3 << 62)  # all bits of a UUID but its version and variant
_VERSION_4 = (0x4 << 76) | (0x2 << 62)
_FIRST_TICK = 1_546_300_800_000  # of the ids of rows, in milliseconds: the first day
_KEPT = (NULL, "t")  # deleted_at and is_shared of nearly all content


def uuid_text(bits: int) -> str:
    """A random 128-bit number as a UUID of version 4, without dashes."""
    return f"{bits & _KEEP | _VERSION_4:032x}"


@dataclass(frozen=True, slots=True)
class Folk:
    """Who lives in a demo: `count` subjects of `seed`. abroad: whose data was collected outside mainland China."""

    seed: int
    subject_ids: tuple[str, ...]
    abroad: frozenset[str]


def folk(seed: int, count: int) -> Folk:
    """The subjects' ids, known before their data because content shows other subjects."""
    chooser = random.Random(f"folk:{seed}")
    # In order, so that rows go to the end of every index: in random order 100,000 subjects would take half as long again
    ids = tuple(sorted(uuid_text(chooser.getrandbits(128)) for _ in range(count)))
    return Folk(seed, ids, frozenset(subject for subject in ids if chooser.random() < 0.02))


def batches(everybody: Folk, size: int = 5000) -> Iterator[Rows]:
    """The platform rows of all subjects, `size` subjects at a time."""
    maker = _Maker(everybody, draw(everybody.seed), random.Random(f"people:{everybody.seed}"))
    for start in range(0, len(everybody.subject_ids), size):
        maker.rows = defaultdict(list)
        for number, subject in enumerate(everybody.subject_ids[start : start + size], start):
            maker.add_subject(number, subject)
        yield maker.rows


class _Maker:
    """Draws values; the order of its draws is what makes the data the same again.

    A million rows are made here while somebody waits: what is drawn often is drawn from pools made once, and the busiest lines
    index them in place.
    """

    def __init__(self, everybody: Folk, words: Vocabulary, chooser: random.Random) -> None:
        self.everybody, self.words = everybody, words
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self._random, self._bits = chooser.random, chooser.getrandbits
        self._tick = _FIRST_TICK
        self._tails = tuple(f"7{chooser.getrandbits(12):03x}8{chooser.getrandbits(60):015x}" for _ in range(4096))
        self._moments = tuple(_moment(chooser) for _ in range(8192))
        self._sayings = tuple(sentence + _one(EMOJI, chooser.random) for sentence in words.sentences for _ in range(4))

    def add_subject(self, number: int, subject: str) -> None:
        place = PLACES[int(self._random() ** 1.7 * len(PLACES))]
        joined = int(self._random() * (len(_DAYS) - 30))
        name, phone = self._account(number, subject, place, joined)
        self._addresses(subject, place, name, phone)
        self._content(subject, joined)
        self._answers(subject, joined)
        self._software(subject, joined)

    def _account(self, number: int, subject: str, place: Place, joined: int) -> tuple[str, str]:
        draw_one, words = self._random, self.words
        foreign = subject in self.everybody.abroad
        name = _one(FOREIGN_NAMES, draw_one) if foreign or draw_one() < 0.02 else self._name()
        phone = self._foreign_number() if foreign else self._mobile()
        born = _one(_BIRTHDAYS, draw_one)
        identity = NULL if foreign else self._national_id(place, born)
        suffix = "" if draw_one() < 0.5 else str(int(draw_one() * 9000))
        email = f"{_one(words.user_names, draw_one)}{suffix}@{_one(('example.com', 'example.cn', 'mail.example.org'), draw_one)}"
        location = f"({place.longitude + draw_one() * 0.2 - 0.1:.6f},{place.latitude + draw_one() * 0.2 - 0.1:.6f})"
        self.rows["account"].append((
            subject,
            self._or_null(name, 0.99),
            self._or_null(phone, 0.98),
            self._or_null(identity, 0.7),
            self._or_null(email, 0.8),
            self._or_null(born.isoformat(), 0.95),
            self._or_null(place.city, 0.97),
            _one(LANGUAGES, draw_one),
            self._instant(joined),
            self._or_null(location, 0.6),
            f"wdd{number:07}",
        ))  # fmt: skip
        return name, phone

    def _addresses(self, subject: str, home: Place, name: str, phone: str) -> None:
        draw_one = self._random
        for own in (True, False):
            place = home if own or draw_one() < 0.7 else _one(PLACES, draw_one)
            number = int(draw_one() * 400) + 1
            block, flat = int(draw_one() * 20) + 1, int(draw_one() * 30) * 100 + int(draw_one() * 4) + 101
            line = f"{place.prefix}{_one(place.districts, draw_one)}{_one(self.words.roads, draw_one)}{number}号{block}栋{flat}室"
            self.rows["address"].append((
                self._uuid(),
                subject,
                name if own else self._name(),
                phone if own else self._mobile(),
                line,
                place.city,
                f"{place.postcode}{int(draw_one() * 1000):03}",
            ))  # fmt: skip

    def _content(self, subject: str, joined: int) -> None:
        draw_one, rows, sayings = self._random, self.rows, self._sayings
        posts = rows["post"]
        for _ in range(5):
            post, text = self._uuid(), sayings[int(draw_one() * len(sayings))]
            depicted = self._depicted(subject)
            posts.append((post, subject, text, self._later(joined), f"{{{depicted}}}", *self._fate(joined)))
            if depicted:
                rows["mention"].append((self._uuid(), post, subject, depicted))
        for _ in range(1 + (draw_one() < 0.4)):
            url = f"https://img.weidandan.example/{self._bits(80):020x}.jpg"
            shown = f"{{{self._depicted(subject)}}}"
            rows["photo"].append((self._uuid(), subject, url, self._later(joined), shown, *self._fate(joined)))

    def _answers(self, subject: str, joined: int) -> None:
        draw_one, rows = self._random, self.rows
        if draw_one() < 0.6:
            rows["survey_answer"].append((self._uuid(), subject, _one(self.words.sentences, draw_one), self._later(joined)))
        if draw_one() < 0.3:
            rows["support_case"].append((self._uuid(), subject, _one(self.words.sentences, draw_one), self._later(joined)))

    def _software(self, subject: str, joined: int) -> None:
        draw_one, rows = self._random, self.rows
        for _ in range(2):
            referrer = self._or_null(f"{_one(_SITES, draw_one)}{self._bits(24):x}", 0.8)
            event = (self._uuid(), subject, _one(EVENT_KINDS, draw_one), self._later(joined), self._ip(), referrer)
            rows["service_event"].append(event)
        version = f"{int(draw_one() * 4) + 5}.{int(draw_one() * 12)}.{int(draw_one() * 9)}"
        rows["device"].append((self._uuid(), subject, version, _one(BROWSERS, draw_one)))
        if draw_one() < 0.5:
            rows["partner_login"].append((self._uuid(), subject, "shopmate", self._later(joined)))

    def _uuid(self) -> str:
        """The id of a row: of version 7, each after the one before."""
        self._tick = tick = self._tick + 1
        return f"{tick:012x}{self._tails[tick & 4095]}"

    def _or_null(self, value: str, chance: float) -> str:
        return value if self._random() < chance else NULL

    def _name(self) -> str:
        return _one(self.words.surnames, self._random) + _one(self.words.given_names, self._random)

    def _mobile(self) -> str:
        return f"{_one(MOBILE_PREFIXES, self._random)}{int(self._random() * 10**8):08}"

    def _foreign_number(self) -> str:
        return _one(FOREIGN_NUMBERS, self._random).format(int(self._random() * 9000) + 1000)

    def _national_id(self, place: Place, born: date) -> str:
        region, serial = f"{place.region}{int(self._random() * 15) + 1:02}", int(self._random() * 999) + 1
        # The short form went to nobody after 1999, when those born in 1980 were not yet of age
        if born.year < 1980 and self._random() < 0.08:
            return old_national_id(region, born, serial)
        return national_id(region, born, serial)

    def _ip(self) -> str:
        bits = self._bits(32)
        if self._random() < 0.1:
            return f"2408:8256:{bits >> 16:x}:{bits & 0xFFFF:x}::{bits % 0xFFFE + 1:x}"
        return f"{(36, 58, 101, 112, 114, 120, 183, 223)[bits >> 29]}.{bits >> 16 & 255}.{bits >> 8 & 255}.{bits & 255}"

    def _instant(self, day: int) -> str:
        return _DAYS[day] + self._moments[self._bits(13)]

    def _later(self, joined: int) -> str:
        return _DAYS[joined + int(self._random() * (len(_DAYS) - joined))] + self._moments[self._bits(13)]

    def _fate(self, joined: int) -> tuple[str, str]:
        """deleted_at and is_shared."""
        chance = self._random()
        if chance > 0.05:
            return _KEPT
        return (self._later(joined), "t") if chance < 0.03 else (NULL, "f")

    def _depicted(self, subject: str) -> str:
        """Another subject in about one piece of content of twelve (policy 1.4), else an empty text."""
        if self._random() > 0.08:
            return ""
        other = _one(self.everybody.subject_ids, self._random)
        return "" if other == subject else other


def _moment(chooser: random.Random) -> str:
    """A time of day, to stand behind a date."""
    second = chooser.randrange(86400)
    return f" {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{chooser.randrange(10**6):06}+00"


def _one(items: Sequence[Item], draw_one: Callable[[], float]) -> Item:
    return items[int(draw_one() * len(items))]
