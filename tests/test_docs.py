"""What the documents name as proof exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def test_every_test_that_the_security_profile_names_exists() -> None:
    """A requirement whose test was renamed or removed is a requirement without one."""
    named = NAMED.findall((ROOT / "docs" / "fapi.md").read_text(encoding="utf-8"))

    assert len(named) > 60
    for file, test in named:
        path = ROOT / "tests" / "gateway" / file
        assert path.exists(), file
        assert re.search(rf"^(async )?def {test}\(", path.read_text(encoding="utf-8"), re.MULTILINE), f"{file}::{test}"
