"""What a rule makes of a value: shown on values that belong to nobody, never on a data subject's."""

import random
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gateway.catalogue.definition import Catalogue
from gateway.contracts.canaries import a_value
from gateway.contracts.compare import raw_value
from scopes import REVEAL, Purpose, Redaction, field_key, redact


@dataclass(frozen=True, slots=True, repr=False)
class Sampler:
    """One made-up value for each field, always the same. at: the instant of the answer, for ages. field_secret: for pseudonyms.

    `scopes.redact` makes the answer: tests hold the gate's SQL to it, byte for byte.
    """

    catalogue: Catalogue
    field_secret: bytes
    at: datetime

    def shown(self, partner_id: UUID, purpose: Purpose, path: str, redaction: Redaction) -> str | None:
        """What the partner would get; None where it is withheld."""
        kind = self.catalogue.fields[path].kind
        value = raw_value(kind, a_value(kind, path, random.Random(f"sample:{path}")))  # noqa: S311 - the same each time
        return redact(kind, redaction, value, at=self.at, key=field_key(self.field_secret, partner_id, purpose.value))

    def clear(self, partner_id: UUID, purpose: Purpose, path: str) -> str:
        """The made-up value itself."""
        return self.shown(partner_id, purpose, path, REVEAL) or ""
