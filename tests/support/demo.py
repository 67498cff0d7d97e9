"""`gateway demo` in a process of its own, shared by the tests of a run that only ask it, with all that it writes kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.settings import Settings
from tests.support.served import free_port

PATIENCE_S = 120
SUBJECTS = 300
LAST_LINE = "Stop it with"


@dataclass(frozen=True, slots=True, repr=False)
class Demo:
    """A demo that serves. document: its demo.json."""

    data: Path
    port: int
    document: Mapping[str, Any]

    @property
    def screen(self) -> str:
        return (self.data / "screen").read_text()

    @property
    def log(self) -> str:
        return (self.data / "log").read_text()

    @property
    def database_log(self) -> str:
        return "".join(path.read_text() for path in sorted(self.data.glob("postgres.log*")))

    @property
    def environment(self) -> Mapping[str, str]:
        """Of a command that works on this demo's database."""
        return {**os.environ, "GATEWAY_DATA": str(self.data)}

    def settings(self) -> Settings:
        return Settings(data=self.data, base_url=self.document["base_url"])

    def command(self, *words: str) -> str:
        """What `gateway ...` prints, errors too. Raises AssertionError where it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway.cli", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@contextmanager
def a_demo(data: Path) -> Iterator[Demo]:
    """A demo that has shown its tables and serves on; data: a folder that the embedded server's account can reach."""
    port = free_port()
    data.mkdir()
    command = [sys.executable, "-m", "gateway.cli", "demo", "--port", str(port), "--data", str(data), "--subjects", str(SUBJECTS)]
    with (data / "screen").open("wb") as screen, (data / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=screen, stderr=log, env={**os.environ, "COLUMNS": "200"})
    try:
        deadline = time.monotonic() + PATIENCE_S
        while LAST_LINE not in (data / "screen").read_text():
            assert process.poll() is None, (data / "log").read_text()
            assert time.monotonic() < deadline, "the demo does not get ready"
            time.sleep(0.1)  # another process: there is no event to await
        yield Demo(data, port, json.loads((data / "demo.json").read_text()))
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)
