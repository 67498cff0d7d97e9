"""What the sweep looks for in an answer: parts of raw values wherever they stand, save where a clock put them."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from gateway.contracts.client import Answer
from gateway.contracts.traces import Traces, windows

INSTANT = "2024-03-05T18:37:12.000000Z"
TRACES = Traces(dict.fromkeys(windows(INSTANT), ("alice", "Post.postedAt")), {}, {}, ())


def found(text: str, **headers: str) -> bool:
    answer = Answer(200, MappingProxyType({}), text, headers)
    return next(TRACES.of(answer, "{ me { id } }", ()), None) is not None


def test_the_servers_clock_is_no_trace_of_an_instant_of_somebodys() -> None:
    """Ten seconds of each day look like part of it."""
    assert not found("{}", date="Sat, 28 Nov 2026 18:37:15 GMT")


@pytest.mark.parametrize("date", [INSTANT, "Sat, 28 Nov 2026 18:37:15 GMT " + INSTANT])
def test_a_value_in_the_date_header_is_one(date: str) -> None:
    assert found("{}", date=date)


def test_part_of_an_instant_is_found_in_the_body_and_in_any_other_header() -> None:
    assert found('{"at": "18:37:1"}')
    assert found("{}", etag="x18:37:1x")
