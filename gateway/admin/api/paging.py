"""Pages of what grows: the cursor is the last row's own key, and a page that follows begins behind it."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar
from uuid import UUID

from gateway.admin.api.records import PageInfo
from gateway.request.codes import Code, GatewayError

PAGE_DEFAULT: Final = 20
PAGE_MOST: Final = 100

Node = TypeVar("Node")


@dataclass(frozen=True, slots=True)
class Page:
    """What each of the schema's page types shows."""

    nodes: Sequence[object]
    page_info: PageInfo


def page_of(found: Sequence[Node], first: int, cursor_of: Callable[[Node], str]) -> Page:
    """found: one row more than the page takes, if there is one."""
    nodes = found[:first]
    return Page(nodes, PageInfo(has_next_page=len(found) > first, end_cursor=cursor_of(nodes[-1]) if nodes else None))


def read_id(cursor: str | None) -> UUID | None:
    """Raises GatewayError CURSOR_INVALID."""
    try:
        return None if cursor is None else UUID(cursor)
    except ValueError:
        raise GatewayError(Code.CURSOR_INVALID) from None


def instant_cursor(at: datetime, key: UUID) -> str:
    return base64.urlsafe_b64encode(f"{at.isoformat()} {key}".encode()).decode()


def read_instant(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Of `instant_cursor`. Raises GatewayError CURSOR_INVALID."""
    if cursor is None:
        return None
    try:
        at, _, key = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii").partition(" ")
        return datetime.fromisoformat(at).astimezone(UTC), UUID(key)
    except (ValueError, OverflowError):
        raise GatewayError(Code.CURSOR_INVALID) from None
