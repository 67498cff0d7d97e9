"""What a test needs besides Python, where it is not installed: passed over by a person, never in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def is_missing(what: str) -> NoReturn:
    """Skip the test, saying what is missing; under NOTHING_SKIPPED, as `.ci/run` sets it, fail."""
    if os.environ.get("NOTHING_SKIPPED"):
        pytest.fail(f"NOTHING_SKIPPED: {what}")
    pytest.skip(what)
