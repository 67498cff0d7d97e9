"""`pytest --gateway-url URL --gateway-contracts DIR`: contracts as tests of the suite that an adopter has, one for each file.

Without `--gateway-url` it does nothing, and imports nothing of the gateway.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr

    from gateway.contracts.contract import Contract
    from gateway.contracts.enrolment import Enrolment
    from gateway.contracts.run import Result


class BrokenContract(Exception):
    """A contract that does not hold. Carries no value that came out."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"{len(result.findings)} of {result.checks} expectations do not hold")
        self.result = result


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gateway", "contracts with partners, held against a running gateway")
    group.addoption("--gateway-url", metavar="URL", help="where the gateway answers; nothing is run without it")
    group.addoption("--gateway-contracts", metavar="DIR", help="folder of contract files, or one of them")
    group.addoption(
        "--gateway-enrolment", metavar="FILE", help="what `gateway contracts enrol` wrote [contracts.json in GATEWAY_DATA]"
    )


@pytest.hookimpl(tryfirst=True)  # -k and -m choose among these tests as well
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    url, named = config.getoption("--gateway-url"), config.getoption("--gateway-contracts")
    if url is None:
        return
    if named is None:
        raise pytest.UsageError("--gateway-url needs --gateway-contracts: the folder of the contract files")
    enrolment = config.getoption("--gateway-enrolment")
    items += _collected(session, url, config.invocation_params.dir / named, Path(enrolment) if enrolment else None)


def _collected(session: pytest.Session, url: str, path: Path, enrolment: Path | None) -> list[pytest.Item]:
    """The tests, in order of the files. Raises pytest.UsageError."""
    from gateway.catalogue.definition import InvalidCatalogue, load
    from gateway.contracts import enrolment as enrolments
    from gateway.contracts import subjects
    from gateway.contracts.contract import check_names, paths_in, read
    from gateway.settings import Settings
    from gateway.strict_yaml import InvalidFile

    folder = path if path.is_dir() else path.parent
    try:
        settings = Settings()
        catalogue = load(settings.catalogue)
        described = {one.name: one for one in subjects.read(subjects.path_of(folder), catalogue)}
        contracts = [read(file) for file in (paths_in(path) if path.is_dir() else [path])]
        for contract in contracts:
            check_names(contract, frozenset(described))
        enrolled = enrolments.read(enrolment or settings.data / enrolments.NAME)
    except (InvalidFile, InvalidCatalogue, enrolments.NoEnrolment) as error:
        raise pytest.UsageError(str(error)) from None
    except OSError as error:
        raise pytest.UsageError(f"{path} cannot be read: {error.strerror}") from None
    if not contracts:
        raise pytest.UsageError(f"{path} holds no contract")
    asked = _Asked(url, enrolled, settings, catalogue, described)
    tests: list[pytest.Item] = []
    for contract in contracts:
        file = ContractFile.from_parent(session, path=contract.path)
        tests.append(ContractTest.from_parent(file, name=contract.title, contract=contract, asked=asked))
    return tests


class _Asked:
    """The gateway that is asked, and as whom."""

    def __init__(self, url: str, enrolment: Enrolment, settings: Any, catalogue: Any, described: Any) -> None:
        self.url, self.enrolment = url, enrolment
        self._rest = (settings, catalogue, described)

    def check(self, contract: Contract) -> Result:
        """In a thread with an event loop of its own: the suite around may have one, and keeps it."""
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(lambda: asyncio.run(self._check(contract))).result()

    async def _check(self, contract: Contract) -> Result:
        from gateway.contracts.client import GatewayClient
        from gateway.contracts.run import Run, check

        async with GatewayClient(self.enrolment, self.url) as client:
            return await check(Run(client, *self._rest), contract)


class ContractFile(pytest.File):
    """The file that a contract stands in."""

    def collect(self) -> list[pytest.Item]:
        return []


class ContractTest(pytest.Item):
    """One contract."""

    def __init__(self, *, contract: Contract, asked: _Asked, **given: Any) -> None:
        super().__init__(**given)
        self.contract, self.asked = contract, asked

    def runtest(self) -> None:
        result = self.asked.check(self.contract)
        if not result.holds:
            raise BrokenContract(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        from gateway.contracts.client import NoToken, Unreachable
        from gateway.contracts.report import lines

        if isinstance(excinfo.value, BrokenContract):
            return "\n".join(lines([excinfo.value.result]))
        if isinstance(excinfo.value, NoToken | Unreachable):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name
