"""What one request brings to a compiled statement."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gateway.request.codes import Code, GatewayError
from gateway.request.selection import Argument, Literal
from gateway.store.clause import Arguments

NOBODY = str(UUID(int=0))  # no pseudonym: HMAC output that is all zeroes cannot be found
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Run:
    """The caller's claims, the view it was planned under, the id of the disclosure to be, and the coerced variables."""

    token_id: UUID
    client_id: str
    partner_id: UUID
    view_version: int
    valid_until: datetime
    disclosure_id: UUID
    variables: Mapping[str, object]


RunArguments = Arguments[Run]


def reader(argument: Argument) -> Callable[[Run], object]:
    """How a field argument's value is read from a run; None where the request leaves it out."""
    if isinstance(argument, Literal):
        value = argument.value
        return lambda _run: value
    name, default = argument.name, argument.default
    return lambda run: run.variables.get(name, default)


def read_count(argument: Argument) -> Callable[[Run], object]:
    """`first`, an Int! whose size the limits have judged already. Raises GatewayError(VARIABLES) where a variable is null."""
    read = reader(argument)

    def count(run: Run) -> object:
        value = read(run)
        if value is None:
            raise GatewayError(Code.VARIABLES)
        return value

    return count


def read_pseudonym(argument: Argument) -> Callable[[Run], object]:
    """An id; one of another shape than ours is looked up like any other and found nowhere."""
    read = reader(argument)

    def pseudonym(run: Run) -> object:
        value = read(run)
        if value is None:
            raise GatewayError(Code.VARIABLES)
        return _uuid(str(value)) or NOBODY

    return pseudonym


def read_cursor(argument: Argument) -> Callable[[Run], object]:
    """The pseudonym after which a page begins. Raises GatewayError(CURSOR_INVALID)."""
    read = reader(argument)

    def cursor(run: Run) -> object:
        value = read(run)
        if value is None:
            return NOBODY
        found = _uuid(str(value))
        if found is None:
            raise GatewayError(Code.CURSOR_INVALID)
        return found

    return cursor


def _uuid(text: str) -> str | None:
    return text if _UUID.fullmatch(text) else None
