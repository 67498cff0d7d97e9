"""What is installed is what was reviewed: hashes in the lock file, and nothing older than docs/minimum-versions.toml."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.store.durable import is_safe_version
from tests.support.database import Server

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PACKAGES: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "docs" / "minimum-versions.toml").read_text())["package"]


def normalised(name: str) -> str:
    """A package's name as the index knows it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def version(text: str) -> tuple[int, ...]:
    """`46.0.7` in an order that compares; every version here is a plain release."""
    return tuple(int(part) for part in text.split("."))


LOCKED = {normalised(name): found for name, found in re.findall(r"^([A-Za-z0-9_.-]+)==([0-9.]+)", LOCK, re.MULTILINE)}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_locked_package_is_older_than_its_minimum(package: str) -> None:
    """The lock is what `make` installs."""
    rule = PACKAGES[package]
    assert rule["reason"]
    if rule.get("is_absent", False):
        assert package not in LOCKED
    else:
        assert version(LOCKED[package]) >= version(rule["minimum"])


def test_nothing_that_must_be_absent_is_installed() -> None:
    """What runs here came from the lock, and nothing slipped in beside it."""
    installed = {normalised(found.metadata["Name"]) for found in distributions()}
    assert not installed & {name for name, rule in PACKAGES.items() if rule.get("is_absent", False)}


def test_the_lock_names_no_index_and_hashes_every_package() -> None:
    """It must install from whichever index the machine is configured for, and only the files that were reviewed."""
    assert not re.search(r"://|^--?(index|extra|find|trusted|i|f)", LOCK, re.MULTILINE)
    entries = re.split(r"\n(?=[A-Za-z0-9])", LOCK.strip())
    assert len(entries) == len(LOCKED)
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_lock_holds_every_dependency_of_the_project() -> None:
    """A dependency added to pyproject.toml without a new lock would be missing at run time."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    assert {normalised(re.split(r"[<>=]", name)[0]) for name in wanted} <= LOCKED.keys()


async def test_the_running_server_is_no_older_than_its_minimum(server: Server) -> None:
    """The same check that the gateway makes when it starts."""
    conn = await asyncpg.connect(server.url)
    try:
        assert is_safe_version(await conn.fetchval("select current_setting('server_version_num')::int"))
    finally:
        await conn.close()
