"""Programs that others wrote for Node.js, installed from a lock file beside the tests that run them."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
from pathlib import Path

from tests.support.missing import is_missing


async def node_with(folder: Path, package: str) -> str:
    """Where node is, once `package` is installed in the folder. Skips the test, with the reason, where node or npm is missing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        is_missing(f"node and npm are not installed: {package} cannot be run")
    with (folder / "package-lock.json").open() as lock:  # processes that run tests side by side install one after the other
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        if not (folder / "node_modules" / package).exists():
            command = (npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            installing = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=asyncio.subprocess.DEVNULL)
            assert await installing.wait() == 0
    return node
