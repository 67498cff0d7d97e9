"""The invented data subjects: the same every time, valid in form, varied."""

import re
from collections import Counter
from functools import cache

from gateway.demo.checks import is_national_id
from gateway.demo.people import COLUMNS, NULL, Row, batches, folk
from gateway.demo.places import PLACES

SEED = 7
CHILDREN = {"address": 2, "post": 5, "service_event": 2, "device": 1}


@cache
def rows_of(seed: int, count: int) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for batch in batches(folk(seed, count), size=300):
        for table, rows in batch.items():
            found.setdefault(table, []).extend(rows)
    return found


def column(table: str, name: str) -> list[str]:
    place = COLUMNS[table].index(name)
    return [row[place] for row in rows_of(SEED, 1000)[table]]


def test_the_same_seed_gives_the_same_people_and_another_gives_others() -> None:
    again = [dict(batch) for batch in batches(folk(SEED, 200))]

    assert again == [dict(batch) for batch in batches(folk(SEED, 200))]
    assert again != [dict(batch) for batch in batches(folk(SEED + 1, 200))]


def test_the_size_of_a_batch_changes_nothing() -> None:
    whole = next(batches(folk(SEED, 100), size=100))
    parts = list(batches(folk(SEED, 100), size=33))

    assert {table: [row for part in parts for row in part.get(table, ())] for table in whole} == whole


def test_every_row_fits_its_columns_and_the_text_form_of_copy() -> None:
    for table, rows in rows_of(SEED, 1000).items():
        for row in rows:
            assert len(row) == len(COLUMNS[table])
            assert not any(re.search(r"[\t\r\n]", value) or ("\\" in value and value != NULL) for value in row)


def test_every_long_identity_number_is_valid_and_agrees_with_the_birth_date() -> None:
    pairs = zip(column("account", "national_id"), column("account", "birth_date"), strict=True)
    known = [(number, born) for number, born in pairs if number != NULL]
    long = [(number, born) for number, born in known if len(number) == 18]

    assert all(is_national_id(number) for number, _ in long)
    assert all(number[6:14] == born.replace("-", "") for number, born in long if born != NULL)
    assert {len(number) for number, _ in known} == {15, 18}


def test_mobile_numbers_are_plausible_and_some_are_foreign() -> None:
    numbers = [number for number in column("account", "mobile_number") if number != NULL]
    foreign = [number for number in numbers if number.startswith("+")]

    assert all(re.fullmatch(r"1[3-9]\d{9}|\+[1-9]\d{7,14}", number) for number in numbers)
    assert 0 < len(foreign) < len(numbers) / 10


def test_a_postal_line_begins_with_its_province_and_city() -> None:
    prefixes = tuple(place.prefix for place in PLACES)

    assert all(line.startswith(prefixes) and line.endswith("室") for line in column("address", "street"))


def test_names_and_addresses_cover_the_shapes_that_redaction_must_know() -> None:
    names, emails, hosts = (
        set(column(*at)) for at in (("account", "real_name"), ("account", "email"), ("service_event", "ip_address"))
    )

    assert any(name.startswith(("欧阳", "司马", "诸葛", "上官", "尉迟", "皇甫", "夏侯", "令狐")) for name in names)
    assert any(name.isascii() and name != NULL for name in names)
    assert any(re.fullmatch(r"[a-z]\d*@.*", email) for email in emails)
    assert any(":" in host for host in hosts)
    assert any("." in host for host in hosts)
    assert any("上海市" in line for line in column("address", "street"))
    assert any("👨‍👩‍👧" in text for text in column("post", "text"))


def test_every_subject_has_addresses_posts_events_and_a_device() -> None:
    for table, count in CHILDREN.items():
        owners = Counter(column(table, "subject_id"))
        assert set(owners.values()) == {count}
        assert len(owners) == 1000


def test_every_depicted_person_of_a_post_is_mentioned_once() -> None:
    """policy 1.4: a mention leads from the depicted person to the post."""
    posts = zip(column("post", "post_id"), column("post", "subject_id"), column("post", "depicted_ids"), strict=True)
    depicted = {(post, author, person) for post, author, people in posts for person in people.strip("{}").split(",") if person}
    mentions = zip(column("mention", "post_id"), column("mention", "author_id"), column("mention", "depicted_id"), strict=True)

    assert depicted == set(mentions)
    assert 100 < len(depicted) < 700
