"""What a resolver works with, and how a root field says which act it is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import strawberry

from gateway.catalogue.definition import Catalogue
from gateway.oauth.keys import KeyStore
from gateway.settings import Settings
from gateway.stewardship.actor import Actor
from gateway.stewardship.effect import Ground
from gateway.stewardship.roles import PERMITTED, Act
from gateway.store.consents import PseudonymKeys
from gateway.store.pool import AnyConnection, Pool

ACT: Final = "act"
"""Under this name the metadata of each root field tells its act; None for what every holder of a staff token may ask."""


@dataclass(frozen=True, slots=True, repr=False)
class Desk:
    """What the staff's functions stand on, one for each worker."""

    pool: Pool
    settings: Settings
    catalogue: Catalogue
    pseudonyms: PseudonymKeys
    keys: KeyStore

    @property
    def ground(self) -> Ground:
        return Ground(self.catalogue.fields, self.pseudonyms)


@dataclass(frozen=True, slots=True)
class Asking:
    """One request. Root fields of a query run side by side: one connection serves them one after the other, so that nobody takes
    several at a time. An act opens its own transaction on it, so that its refusal is recorded when what it did is rolled back.
    """

    desk: Desk
    actor: Actor
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AnyConnection]:
        async with self._turn, self.desk.pool.acquire() as conn:
            yield conn


Ask: TypeAlias = strawberry.Info[Asking, None]


def offers(act: Act | None, gives: Any, description: str) -> Callable[[Callable[..., Any]], Any]:
    """A root field, which says whom it is for.

    It is nullable, whatever it gives: what was refused is null and has its error beside it, and what was done next to it is told.
    """
    may = "whoever holds a staff token" if act is None else ", ".join(sorted(PERMITTED[act]))
    root: Callable[[Callable[..., Any]], Any] = strawberry.field(
        graphql_type=gives | None, description=f"{description} For: {may}.", metadata={ACT: act}
    )
    return root
