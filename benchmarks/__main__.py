"""`python -m benchmarks`: fill the database once, start the contestants, measure them in turns, write results.json."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import data as datasets
from benchmarks import report
from benchmarks.contestants import APPLICATIONS, Contestant, NotReady, postmaster, running
from benchmarks.measure import Bench, Differs, Measured, Tally, order
from benchmarks.soak import soak
from benchmarks.work import WORKS
from gateway.settings import Settings
from gateway.store.embedded import database

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 120

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench(
    data: Annotated[Path, typer.Option(help="Folder of the bench's database, kept for the next run.")] = ROOT / ".bench",
    subjects: Annotated[int, typer.Option(min=1000, help="Data subjects.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each contestant at each work.")] = 4,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of a turn.")] = 4,
    quick: Annotated[bool, typer.Option("--quick", "--smoke", help="A few seconds: does it run, do all answer alike?")] = False,
    only: Annotated[str, typer.Option(help="Works to measure, such as W1,W3.")] = "",
    long: Annotated[bool, typer.Option("--soak", help="Memory over many mixed documents instead.")] = False,
    requests: Annotated[int, typer.Option(min=1000, help="How many the soak sends.")] = 200_000,
) -> None:
    """Measure the gate beside the best this work can cost and beside resolvers."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)  # a file or a pipe has no width of its own
    with ExitStack() as stack:
        if quick:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
            Path(folder).chmod(0o711)  # the database's own account has to get at what is inside
            data, subjects, rounds, seconds = Path(folder) / "data", 2000, 1, 0.3
        settings = Settings(data=data)
        try:
            url = stack.enter_context(_database(settings, console))
            with console.status(f"{subjects} data subjects"):
                filled = asyncio.run(datasets.prepare(url, settings, subjects))
            names = ["gateway"] if long else list(APPLICATIONS)
            contestants = stack.enter_context(running(names, url, settings.data))
            if long:
                holds = asyncio.run(soak(console, url, filled, contestants["gateway"], requests))
                raise typer.Exit(0 if holds else 1)
            wanted = set(only.upper().split(",")) if only else {work.name for work in WORKS}
            found = asyncio.run(_measure(console, url, filled, contestants, rounds, seconds, wanted, 8 if quick else 40))
            results = report.document(found, subjects, seconds, rounds, asyncio.run(report.machine(url)))
            report.show(console, results)
            report.write(results, data.with_name("results.json") if quick else report.RESULTS)
        except (datasets.OtherData, NotReady, Differs, report.Malformed) as error:
            console.print(str(error), style="red", highlight=False, markup=False)
            raise typer.Exit(1) from None


@contextmanager
def _database(settings: Settings, console: Console) -> Iterator[str]:
    os.environ.pop("GATEWAY_DATA", None)
    with console.status("the database"):
        found = database(settings)
        url = found.__enter__()
    try:
        yield url
    finally:
        found.__exit__(*sys.exc_info())


async def _measure(
    console: Console,
    url: str,
    filled: datasets.Data,
    contestants: dict[str, Contestant],
    rounds: int,
    seconds: float,
    wanted: set[str],
    sample: int,
) -> dict[str, dict[str, Measured]]:
    measured = Bench(url, filled, contestants, await postmaster(url))
    found: dict[str, dict[str, Measured]] = {}
    with console.status("measuring") as status:
        for work in WORKS:
            if work.name not in wanted:
                continue
            status.update(f"{work.name}: do all answer alike?")
            await measured.check(work, sample)
            tallies = {name: Tally() for name in contestants}
            for turn in range(rounds + 1):
                for name in order(list(tallies), turn):
                    tally = tallies[name]
                    status.update(f"{work.name}: {name}, {f'turn {turn} of {rounds}' if turn else 'warming up'}")
                    await measured.round(work, name, seconds if turn else seconds / 2, seed=turn, tally=tally if turn else None)
            found[work.name] = {name: tally.result() for name, tally in tallies.items()}
    return found


if __name__ == "__main__":
    app()
