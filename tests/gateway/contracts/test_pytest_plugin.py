"""The pytest plugin: contracts among the tests of an adopter's own suite, run as that suite is run."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from shutil import copytree

import pytest
import pytest_asyncio

from gateway.catalogue.weidandan import CATALOGUE
from gateway.contracts import enrolment
from gateway.contracts.subjects import default_path, read
from gateway.contracts.synthetic import enrol
from tests.gateway.contracts.conftest import ServedPlace
from tests.support.served import free_port

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "gateway" / "demo" / "contracts"
OWN_TEST = "async def test_of_the_adopters_own() -> None:\n    pass\n"
OWN_SETTINGS = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
PATIENCE_S = 60


@dataclass(frozen=True)
class Suite:
    """An adopter's suite of one test, and a gateway with the demo's partners."""

    folder: Path
    data: Path
    url: str

    async def run(self, *words: str, finds_plugins: bool = False) -> tuple[int, str]:
        """`pytest ...` there: its exit status and all that it prints. finds_plugins: by itself; else it is told them."""
        told = () if finds_plugins else ("-p", "gateway.contracts.pytest_plugin", "-p", "pytest_asyncio.plugin")
        environment = {**os.environ, "GATEWAY_DATA": str(self.data)}
        if told:
            environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(
                "-m",
                "pytest",
                "-v",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:schemathesis",
                *told,
                "--rootdir",
                str(self.folder),
                *words,
                "test_own.py",
            ),
            cwd=self.folder,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(PATIENCE_S):
            printed, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, printed.decode()

    def shipped(self) -> str:
        """The folder of a copy of the contracts that ship."""
        copytree(SHIPPED, self.folder / "contracts")
        return "contracts"

    def a_contract(self, name: str, *changes: tuple[str, str]) -> str:
        """The folder of one contract that ships, changed."""
        text = (SHIPPED / name).read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        (self.folder / "changed").mkdir()
        (self.folder / "changed" / name).write_text(text, encoding="utf-8")
        return "changed"


@pytest_asyncio.fixture(loop_scope="session")
async def suite(served_place: ServedPlace, tmp_path: Path) -> Suite:
    place = served_place.place
    (tmp_path / "test_own.py").write_text(OWN_TEST)
    (tmp_path / "pytest.ini").write_text(OWN_SETTINGS)
    if not (place.data / enrolment.NAME).exists():
        enrolled = await enrol(place.conn, place.settings, CATALOGUE, read(default_path(), CATALOGUE))
        enrolment.write(place.data / enrolment.NAME, enrolled)
    return Suite(tmp_path, place.data, served_place.gateway_url)


def test_pytest_finds_the_plugin_by_itself() -> None:
    """An old environment learns of it with `pip install -e .`."""
    (found,) = [one for one in entry_points(group="pytest11") if one.name == "gateway_contracts"]
    assert found.value == "gateway.contracts.pytest_plugin"


async def test_each_contract_is_a_test_among_the_adopters_own(suite: Suite) -> None:
    status, printed = await suite.run("--gateway-url", suite.url, "--gateway-contracts", suite.shipped(), finds_plugins=True)

    assert status == 0, printed
    assert f"{1 + len(list(SHIPPED.glob('*.yaml')))} passed" in printed
    assert "test_of_the_adopters_own PASSED" in printed


async def test_a_broken_promise_is_a_failed_test_that_names_file_field_and_person_and_no_value(suite: Suite) -> None:
    folder = suite.a_contract("swiftmsg.yaml", ("Subject.realName:\n      masked: 欧**", "Subject.realName: revealed"))

    status, printed = await suite.run("--gateway-url", suite.url, "--gateway-contracts", folder)

    assert (status, "1 failed, 1 passed" in printed) == (1, True), printed
    assert "swiftmsg.yaml:" in printed
    assert "alice Subject.realName: expected revealed, got another text of 3 characters" in printed
    assert "欧" not in printed
    assert "Traceback" not in printed


async def test_tests_are_chosen_by_name_as_others_are(suite: Suite) -> None:
    status, printed = await suite.run("--gateway-url", suite.url, "--gateway-contracts", suite.shipped(), "-k", "citymap")

    assert (status, "1 passed, 6 deselected" in printed) == (0, True), printed


async def test_nothing_happens_unless_a_gateway_is_named(suite: Suite) -> None:
    status, printed = await suite.run()

    assert (status, "1 passed" in printed) == (0, True), printed


async def test_what_cannot_be_run_is_a_usage_error_that_says_what_is_wrong(suite: Suite) -> None:
    broken = suite.a_contract("adlens.yaml", ("purpose: ad_measurement", "purpose: ads"))
    of_nobody = ("--gateway-url", "http://127.0.0.1:1")

    found = await asyncio.gather(
        suite.run(*of_nobody),
        suite.run(*of_nobody, "--gateway-contracts", "nowhere"),
        suite.run(*of_nobody, "--gateway-contracts", broken),
        suite.run(*of_nobody, "--gateway-contracts", suite.shipped(), "--gateway-enrolment", "none.json"),
    )

    told = ("needs --gateway-contracts", "nowhere cannot be read", "adlens.yaml:4: purpose: ", "none.json is no enrolment file")
    for (status, printed), text in zip(found, told, strict=True):
        assert (status, text in printed) == (pytest.ExitCode.USAGE_ERROR, True), printed


async def test_a_gateway_that_nobody_reaches_is_one_line(suite: Suite) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"

    status, printed = await suite.run("--gateway-url", nobody, "--gateway-contracts", f"{suite.shipped()}/adlens.yaml")

    assert (status, f"{nobody} cannot be reached" in printed) == (1, True), printed
