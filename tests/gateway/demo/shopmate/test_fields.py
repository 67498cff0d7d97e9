"""What shopmate makes of an answer."""

from typing import Any

from gateway.demo.shopmate.fields import QUERY, Line, lines

EXTENSIONS = {
    "disclosure": {
        "redacted": [
            {"field": "Subject.realName", "redaction": "mask(1,0)"},
            {"field": "Address.street", "redaction": "mask(6,0)"},
        ]
    }
}


def line(name: str, **subject: Any) -> Line:
    return next(line for line in lines(subject, EXTENSIONS) if line.name == name)


def test_a_value_is_shown_with_what_was_done_to_it() -> None:
    assert line("realName", realName="王**") == Line("realName", ("王**",), "mask(1,0)")
    assert line("city", city="西安市") == Line("city", ("西安市",), "")


def test_a_null_was_not_shared() -> None:
    assert line("realName", realName=None) == Line("realName", None, "")
    assert line("addresses.street", addresses=None) == Line("addresses.street", None, "")
    assert line("addresses.street", addresses=[{"street": None}]) == Line("addresses.street", None, "")


def test_an_empty_list_was_shared_and_is_empty() -> None:
    assert line("photos", photos=[]) == Line("photos", (), "")
    assert line("addresses.street", addresses=[]) == Line("addresses.street", (), "mask(6,0)")


def test_of_a_list_each_item_is_shown() -> None:
    found = line("addresses.street", addresses=[{"street": "上海市徐汇区****"}, {"street": "上海市浦东新****"}])

    assert found == Line("addresses.street", ("上海市徐汇区****", "上海市浦东新****"), "mask(6,0)")


def test_every_line_stands_in_the_query() -> None:
    assert all(line.name.partition(".")[2] or line.name in QUERY for line in lines({}, {}))
