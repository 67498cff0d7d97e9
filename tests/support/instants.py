"""Instants that tests name instead of asking a clock."""

from datetime import UTC, datetime

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LONG_AHEAD = datetime(2099, 1, 1, tzinfo=UTC)
