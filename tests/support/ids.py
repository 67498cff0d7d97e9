"""Ids in the names of tests: the same in each process that runs some of them."""

from typing import Final
from uuid import UUID

NOBODY: Final = UUID("6f1c2b8e-3d4a-4c5b-9e7f-0a1b2c3d4e5f")
"""A random one that belongs to nothing."""
