"""The arrows between rooms, read from the imports. An arrow that is not listed here is refused, with what to do instead."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# room -> the rooms it may know. `scopes` may be known by all, and knows nobody.
ARROWS: dict[str, set[str]] = {
    "settings": set(),
    "strict_yaml": set(),
    "catalogue": set(),
    "wire": {"settings"},
    "store": {"settings"},
    "schema": {"catalogue", "store"},
    "oauth": {"catalogue", "settings", "store"},
    "request": {"catalogue", "oauth", "schema", "settings", "store"},
    "subject": {"catalogue", "oauth", "request", "settings", "store"},
    "watch": {"request", "settings"},
    "contracts": {"catalogue", "oauth", "settings", "store", "strict_yaml"},
    "stewardship": {"catalogue", "contracts", "oauth", "request", "schema", "settings", "store", "strict_yaml"},
    "admin": {"catalogue", "oauth", "request", "settings", "stewardship", "store", "subject"},
    "control": {"catalogue", "contracts", "oauth", "settings", "stewardship", "store", "strict_yaml"},
    "app": {"admin", "catalogue", "oauth", "request", "schema", "settings", "stewardship", "store", "subject", "watch"},
    "demo": {"app", "catalogue", "control", "oauth", "settings", "stewardship", "store", "subject", "watch", "wire"},
    "cli": {"control", "demo", "settings", "store", "watch", "wire"},
}
MODULES = sorted([*ROOT.glob("gateway/**/*.py"), *ROOT.glob("scopes/**/*.py")])
LONGEST = 450


def imported(module: Path) -> Iterator[tuple[int, str]]:
    """The line and the full name of everything that a module imports, at its top or inside."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def room_of(module: Path) -> str:
    """`gateway/store/pool.py` -> `store`, `gateway/app.py` -> `app`."""
    return module.relative_to(ROOT).parts[1].removesuffix(".py")


def test_scopes_stands_on_the_standard_library_alone() -> None:
    """What decides is pure: values in, decisions out."""
    wrong = [
        f"{module.relative_to(ROOT)}:{line} imports {name}: pass the value in as an argument instead"
        for module in MODULES
        if module.is_relative_to(ROOT / "scopes")
        for line, name in imported(module)
        if name.split(".")[0] not in {"scopes", *sys.stdlib_module_names}
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("forbidden", ["socket", "asyncio", "os", "random", "secrets", "time", "logging", "subprocess"])
def test_scopes_touches_no_clock_no_chance_and_no_wire(forbidden: str) -> None:
    """Time, randomness and keys are arguments."""
    wrong = [
        f"{module.relative_to(ROOT)}:{line} imports {name}"
        for module in MODULES
        if module.is_relative_to(ROOT / "scopes")
        for line, name in imported(module)
        if name.split(".")[0] == forbidden
    ]
    assert not wrong, "\n".join(wrong)


def test_scopes_is_known_by_its_public_names_only() -> None:
    """An unlisted name is private to the package."""
    wrong = [
        f"{module.relative_to(ROOT)}:{line} imports {name}: list it in scopes/__init__.py, or do without"
        for module in MODULES
        if module.is_relative_to(ROOT / "gateway")
        for line, name in imported(module)
        if name.split(".")[0] == "scopes" and name.count(".") > 1
    ]
    assert not wrong, "\n".join(wrong)


def test_rooms_know_only_the_rooms_they_may() -> None:
    """Imports go one way."""
    wrong = []
    for module in MODULES:
        room = room_of(module)
        if not module.is_relative_to(ROOT / "gateway") or room == "__init__":
            continue
        assert room in ARROWS, f"{module.relative_to(ROOT)} is a new room: say in tests/test_rooms.py whom it may know"
        for line, name in imported(module):
            parts = name.split(".")
            if parts[0] in {"tests", "benchmarks"}:
                wrong.append(f"{module.relative_to(ROOT)}:{line} imports {name}: the product does not know its tests")
            elif parts[0] == "gateway" and parts[1] not in {room, *ARROWS[room]}:
                wrong.append(
                    f"{module.relative_to(ROOT)}:{line}: {room} may not know {parts[1]}; "
                    "move what is shared to the room that both know, or hand the value over as an argument"
                )
    assert not wrong, "\n".join(wrong)


def test_the_arrows_have_no_circle() -> None:
    """A room that knows one that knows it is one room."""
    settled: list[str] = []
    while len(settled) < len(ARROWS):
        ready = [room for room, known in ARROWS.items() if room not in settled and known <= {*settled}]
        assert ready, f"a circle among {sorted(ARROWS.keys() - {*settled})}"
        settled.extend(ready)


def test_no_module_holds_two_rooms() -> None:
    """One that grows well past 250 lines generally does; past this it has to be split."""
    wrong = [
        f"{module.relative_to(ROOT)}: {lines} lines" for module in MODULES if (lines := module.read_text().count("\n")) > LONGEST
    ]
    assert not wrong, "\n".join(wrong)
