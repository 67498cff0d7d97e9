"""`gateway contracts`: proves to whoever runs the gateway that partners get what was promised, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import asyncpg
import typer
from rich.console import Console
from rich.progress import Progress

from gateway.catalogue.definition import InvalidCatalogue, load
from gateway.contracts import contract, enrolment, report, subjects
from gateway.contracts.client import NoToken, Unreachable
from gateway.contracts.draft import draft as drafted
from gateway.contracts.enrolment import NoEnrolment
from gateway.contracts.evidence import NoPolicy
from gateway.contracts.opened import connected, enrolment_path, has_database, opened
from gateway.contracts.planting import Unplantable
from gateway.contracts.run import Result, Run, check
from gateway.contracts.sweep import DRAWN, sweep
from gateway.contracts.synthetic import NotOurs, enrol, withdraw
from gateway.control.answer import DOES_NOT_HOLD, USAGE, AsJson, fail, tell
from gateway.settings import Settings
from gateway.strict_yaml import InvalidFile
from scopes import Purpose

UNREACHABLE = 3
WIDTH = 160

app = typer.Typer(help="What partners must get, held against what they do get.", no_args_is_help=True)
Folder = Annotated[Path | None, typer.Argument(help="Contracts (*.yaml) and, if it has them, its own subjects.yaml.")]
EnrolmentFile = Annotated[
    Path | None,
    typer.Option("--enrolment", help="The enrolment file [contracts.json in GATEWAY_DATA]; the database is left alone."),
]
GatewayUrl = Annotated[str | None, typer.Option(help="Where the gateway answers [GATEWAY_BASE_URL].")]
Found = TypeVar("Found")


@app.command("enrol")
def enrol_(
    folder: Folder = None,
    file: Annotated[Path | None, typer.Option("--enrolment", help="File to write [contracts.json in GATEWAY_DATA].")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Put the folder's synthetic data subjects and a contract runner for every partner in place."""
    settings = Settings()
    path = enrolment_path(settings, file)

    async def run() -> enrolment.Enrolment:
        catalogue = load(settings.catalogue)
        wanted = subjects.read(subjects.path_of(folder), catalogue)
        try:
            earlier = enrolment.read(path)
        except NoEnrolment:
            earlier = None
        async with connected(settings) as conn:
            found = await enrol(conn, settings, catalogue, wanted, earlier)
        enrolment.write(path, found)
        return found

    runners = _planned(run).runners
    clients = [runner.client_id for runner in runners.values()]
    tell({"enrolment": str(path), "clients": clients}, f"{', '.join(clients)}\nkeys in {path}", as_json=as_json)


@app.command("withdraw")
def withdraw_(*, as_json: AsJson = False) -> None:
    """Take the synthetic data subjects out of the platform's tables again, and end the contract runners."""
    settings = Settings()

    async def run() -> tuple[int, int]:
        async with connected(settings) as conn:
            gone = await withdraw(conn, settings, load(settings.catalogue))
        return gone.subjects, gone.runners

    subject_count, runner_count = _planned(run)
    text = f"{subject_count} synthetic data subjects and {runner_count} runners are gone"
    tell({"subjects": subject_count, "runners": runner_count}, text, as_json=as_json)


@app.command("verify")
def verify(
    folder: Folder = None,
    gateway_url: GatewayUrl = None,
    enrolment_file: EnrolmentFile = None,
    sweep_operations: Annotated[
        int, typer.Option(min=0, help="Combinations that the sweep draws for each partner and purpose; 0: no sweep.")
    ] = DRAWN,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit's XML to this file as well.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Put every contract to the running gateway, and sweep it where the database can be had.

    Status 0: all hold, 1: one does not, 2: a file is wrong, 3: nobody is there.
    """
    settings = Settings()

    async def run() -> Sequence[Result]:
        contracts = [contract.read(path) for path in contract.paths_in(folder)] if folder is not None else []
        sweeps = sweep_operations > 0 and enrolment_file is None and has_database(settings)
        if not contracts and (folder is not None or not sweeps):  # nothing held against nothing must not look like a proof
            fail("no contract to hold anything against: name a folder of *.yaml", USAGE)
        async with opened(settings, folder, gateway_url=gateway_url, enrolment_file=enrolment_file) as found:
            for one in contracts:
                contract.check_names(one, found.names)
            with _progress() as progress:
                return await _checked(found, contracts, sweep_operations, progress)

    results = _planned(run)
    if as_json:
        tell(report.as_json(results), "", as_json=True)
    else:
        console = Console(width=None if Console().is_terminal else WIDTH, highlight=False)
        console.print(report.table(results))
        for line in report.lines(results):
            console.print(line, markup=False, soft_wrap=True)
    if junit is not None:
        _write(partial(report.write_junit, junit, results))
    if not all(result.holds for result in results):
        raise typer.Exit(DOES_NOT_HOLD)


@app.command("draft")
def draft(
    partner: Annotated[str, typer.Argument(help="The partner's registered name.")],
    folder: Folder = None,
    gateway_url: GatewayUrl = None,
    enrolment_file: EnrolmentFile = None,
    into: Annotated[
        Path | None, typer.Option(help="Write PARTNER-PURPOSE.yaml for each purpose into this folder; none is overwritten.")
    ] = None,
) -> None:
    """Print a first contract for each purpose of a partner, from what it gets today: for a person to review."""
    settings = Settings()

    async def run() -> Mapping[Purpose, str]:
        async with opened(settings, folder, gateway_url=gateway_url, enrolment_file=enrolment_file) as found:
            if partner not in found.client.enrolment.runners:
                fail("no active partner of this name is enrolled", DOES_NOT_HOLD)
            return await drafted(found, partner)

    found = _planned(run)
    if into is None:
        typer.echo("---\n".join(found.values()), nl=False)
        return
    for purpose, text in found.items():
        path = into / f"{partner}-{purpose.value}.yaml"
        _write(partial(_write_new, path, text))
        typer.echo(str(path))


def _write_new(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


def _write(write: Callable[[], object]) -> None:
    """A file that cannot be written is one line."""
    try:
        write()
    except OSError as error:
        fail(f"{error.filename} cannot be written: {error.strerror}", USAGE)


async def _checked(run: Run, contracts: Sequence[contract.Contract], drawn: int, progress: Progress) -> Sequence[Result]:
    # the sweep last: while it runs there are data subjects that no contract names
    results = [await check(run, one) for one in progress.track(contracts, description="contracts")]
    if not drawn:
        return results
    swept = progress.add_task("sweep", total=None)

    def tell_how_far(partner: str, done: int, total: int) -> None:
        progress.update(swept, description=f"sweep of {partner}", completed=done, total=total)

    return [*results, *(await sweep(run, drawn=drawn, tell=tell_how_far))]


@contextmanager
def _progress() -> Iterator[Progress]:
    """How far it is, for a person who waits: on a terminal only, and gone in the end."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


def _planned(question: Callable[[], Awaitable[Found]]) -> Found:
    """Run it; every planned failure is one line and its status."""

    async def run() -> Found:
        return await question()

    try:
        return asyncio.run(run())
    except (InvalidFile, InvalidCatalogue, NoEnrolment) as flaw:
        fail(str(flaw), USAGE)
    except NotADirectoryError as flaw:
        fail(f"{flaw} is no folder", USAGE)
    except (NotOurs, NoPolicy, NoToken, Unplantable) as refused:
        fail(str(refused), DOES_NOT_HOLD)
    except Unreachable as unreachable:
        fail(str(unreachable), UNREACHABLE)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        fail("this database holds no gateway: `gateway migrate` makes one", DOES_NOT_HOLD)
