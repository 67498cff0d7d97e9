"""A redaction applied to one value: what the SQL that `gateway.request.redact` writes must equal, byte for byte."""

from datetime import datetime

from scopes.generalise import generalise
from scopes.mask import mask
from scopes.pseudonym import value_pseudonym
from scopes.redaction import Kind, Redaction, Rung, is_valid
from scopes.wire import RawValue, wire_form


def redact(kind: Kind, redaction: Redaction, value: RawValue | None, *, at: datetime, key: bytes) -> str | None:
    """What a partner gets to see of a value; None where it is withheld.

    A value that has not the shape its rule expects is withheld; so is everything under a redaction that the kind does not know.
    at: the statement's instant, for ages. key: 32 bytes, `field_key` of partner and purpose, for the pseudonymise rung.
    Never raises: an error text could quote the value.
    """
    text = wire_form(kind, value)
    if text is None or not is_valid(kind, redaction):
        return None
    match redaction.rung:
        case Rung.REVEAL:
            return text
        case Rung.MASK:
            return mask(kind, text, redaction.head, redaction.tail)
        case Rung.GENERALISE:
            return generalise(kind, str(redaction.step), text, at)
        case Rung.PSEUDONYMISE:
            return value_pseudonym(key, kind, text)
    return None  # withheld
