"""Ids that sort by the time they were made and tell nothing else."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """A UUID of version 7: milliseconds, then 74 random bits (RFC 9562 5.7)."""
    stamp = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    value = stamp << 80 | 0x7 << 76 | (noise >> 68 & 0xFFF) << 64 | 0b10 << 62 | noise & (1 << 62) - 1
    return UUID(int=value)
