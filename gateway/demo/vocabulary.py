"""Words drawn from Faker once: asking it for every value of 100,000 people would take minutes."""

from collections.abc import Callable
from dataclasses import dataclass

from faker import Faker

COMPOUND_SURNAMES = ("欧阳", "司马", "上官", "诸葛", "尉迟", "皇甫", "夏侯", "令狐")
FOREIGN_NAMES = (
    "John Smith",
    "Maria Garcia Lopez",
    "Anna O'Neill",
    "Jean-Luc Moreau",
    "ئالىم تۇرسۇن",
    "艾力·买买提",
    "阿依古丽·吐尔逊",
    "迪丽热巴·迪力木拉提",
    "Ян Ковалёв",
)
FOREIGN_NUMBERS = ("+1415555{:04}", "+85251{:06}", "+4420794{:05}", "+65812{:05}", "+8190123{:05}")
MOBILE_PREFIXES = (
    130,
    131,
    135,
    136,
    137,
    138,
    139,
    147,
    150,
    151,
    152,
    157,
    158,
    159,
    166,
    176,
    177,
    178,
    180,
    182,
    185,
    186,
    189,
)
EMOJI = (*[""] * 5, "😀", "🎉", "👍🏽", "👨‍👩‍👧", "❤️", "🍜🍜")
BROWSERS = ("Chrome", "Safari", "Edge", "Firefox", "WeChat", "UC Browser")
LANGUAGES = (*["zh-CN"] * 6, "zh-HK", "en", "ug", "bo")
EVENT_KINDS = ("search", "view", "view", "view", "fault")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What values are combined from. The commoner a surname, the more often it stands in `surnames`."""

    surnames: tuple[str, ...]
    given_names: tuple[str, ...]
    roads: tuple[str, ...]
    sentences: tuple[str, ...]
    user_names: tuple[str, ...]


def draw(seed: int) -> Vocabulary:
    """The vocabulary of a seed: the same seed and the same Faker give the same words."""
    faker = Faker("zh_CN")
    faker.seed_instance(seed)
    return Vocabulary(
        surnames=_drawn(faker.last_name, 1000) + COMPOUND_SURNAMES * 2,
        given_names=_drawn(faker.first_name, 600),
        roads=_drawn(faker.street_name, 400),
        sentences=_drawn(faker.sentence, 1500),
        user_names=tuple(sorted(set(_drawn(faker.user_name, 600)))) + tuple("abcdefghij"),
    )


def _drawn(word: Callable[[], str], count: int) -> tuple[str, ...]:
    return tuple(word() for _ in range(count))
