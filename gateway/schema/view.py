"""One built GraphQL schema for each set of offers, kept while partners use it."""

from collections import OrderedDict
from dataclasses import dataclass

from graphql import GraphQLSchema, build_schema

from gateway.catalogue.definition import Catalogue
from gateway.schema.sdl import write_sdl
from gateway.store.view import GrantView

KEPT = 64


@dataclass(frozen=True, slots=True, eq=False)
class PartnerSchema:
    """A schema and the SDL it was built from."""

    sdl: str
    schema: GraphQLSchema


class Schemas:
    """Builds partners' schemas on change; partners with the same offers share one."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._built: OrderedDict[str, PartnerSchema] = OrderedDict()

    def of(self, view: GrantView) -> PartnerSchema:
        told = {path: [f"{offer.scope}: {offer.redaction.label()}" for offer in offers] for path, offers in view.offers.items()}
        sdl = write_sdl(self._catalogue, told)
        found = self._built.get(sdl)
        if found is None:
            found = self._built[sdl] = PartnerSchema(sdl, build_schema(sdl, no_location=True))
            if len(self._built) > KEPT:
                self._built.popitem(last=False)
        self._built.move_to_end(sdl)
        return found
