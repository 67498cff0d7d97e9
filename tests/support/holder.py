"""Another process that holds an embedded server or attaches to one: `python -m tests.support.holder DATA`.

Prints one JSON object once the server takes connections, and stops it in order when its standard input ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.store.embedded import Embedded

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Holder:
    """The other process, and what it said of its server."""

    process: subprocess.Popen[str]
    is_holder: bool
    owner_url: str
    postmaster: int


@contextmanager
def a_holder(data: Path) -> Iterator[Holder]:
    """Another process on `data`, stopped in order at the end unless the test has ended it."""
    command = [sys.executable, "-m", "tests.support.holder", str(data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        yield Holder(process, **json.loads(process.stdout.readline()))


def main() -> None:
    """What the other process does."""
    with Embedded(Path(sys.argv[1])) as embedded:
        state = embedded.cluster.postmaster()
        assert state is not None
        said = {"is_holder": embedded.is_holder, "owner_url": embedded.owner_url, "postmaster": state[0]}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
