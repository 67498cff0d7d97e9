"""What a data subject is shown before deciding, as words and facts in one language (policy 6.1, PIPL 17, 23, 29, 30, 39).

The page renders this document and the record keeps it, so what is on record is what was on the screen. It holds nobody's values:
examples are shown beside it and kept nowhere. It is addressed by the SHA-256 of its canonical JSON (RFC 8785's rules for what
occurs here: text, whole numbers, sorted members).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final, Protocol

from gateway.settings import Settings
from gateway.store.partners import KINDS
from gateway.store.pool import AnyConnection
from gateway.store.questions import question
from gateway.subject.offer import Offer, OfferedCategory, OfferedField, Standing
from gateway.subject.wording import ClosedLists, Sentences, Wording
from scopes import Basis, Purpose, Role, Rung

NOTICE_VERSION: Final = "1"
"""Raised with every change of what the sentences mean."""

KEEP = question("offers", "keep_notice")
FIND = question("offers", "notice")


class Words(ClosedLists, Protocol):
    """The closed lists in one language (`gateway.subject.page`)."""

    def role(self, name: str, /) -> str: ...
    def location(self, name: str, /) -> str: ...


@dataclass(frozen=True, slots=True)
class Speech:
    """One language. say: the sentence of a key, its placeholders filled in."""

    language: str
    say: Sentences
    words: Words


@dataclass(frozen=True, slots=True)
class Notice:
    """content: as it is shown and kept. sha256: of its canonical JSON."""

    content: Mapping[str, Any]
    text: str
    sha256: bytes


def make_notice(offer: Offer, settings: Settings, speech: Speech) -> Notice:
    """The notice of an offer in one language: the same for the same offer, whoever is asked and whenever."""
    content: dict[str, object] = {
        "notice_version": NOTICE_VERSION,
        "language": speech.language,
        "partner": _partner(offer, speech),
        "purpose": None if offer.purpose is None else _purpose(offer.purpose, speech),
        "sign_in": _sign_in(offer, speech),
        "categories": [_category(one, speech) for one in offer.categories],
        "refused": [{"category": name, "words": speech.words.category(name)} for name in offer.refused],
        "kept": [{"category": name, "words": speech.words.category(name)} for name in offer.kept],
        "cross_border": _cross_border(offer, speech),
        "terms": _terms(offer, settings, speech),
        "policy_version": offer.policy_version,
    }
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return Notice(content, text, sha256(text.encode()).digest())


async def keep(conn: AnyConnection, notice: Notice) -> None:
    """Store the notice, once for all who are shown it."""
    await conn.execute(KEEP, notice.sha256, NOTICE_VERSION, notice.content["language"], notice.text)


async def find(conn: AnyConnection, digest: bytes) -> Mapping[str, Any] | None:
    """What was shown under this hash."""
    row = await conn.fetchrow(FIND, digest)
    if row is None:
        return None
    content: Mapping[str, Any] = json.loads(row["content"])
    return content


def _partner(offer: Offer, speech: Speech) -> dict[str, object]:
    partner, say = offer.partner, speech.say
    kind = say(f"consent.kind_{offer.kind}") if offer.kind in KINDS else offer.kind
    role = speech.words.role(partner.role)
    processes = "processor" if partner.role is Role.PROCESSOR else "recipient"
    return {
        "name": partner.name,
        "legal_name": offer.legal_name,
        "contact": offer.contact,
        "role": partner.role.value,
        "kind": offer.kind,
        "role_words": say("consent.role_and_kind", role=role, kind=kind),
        "location": partner.processing_location,
        "location_words": speech.words.location(partner.processing_location),
        "policy_uri": _policy_uri(offer.client, speech.language),
        "policy_words": say(f"consent.own_policy_{processes}", partner=offer.legal_name),
    }


def _policy_uri(client: Mapping[str, Any], language: str) -> str | None:
    """RFC 7591 2.2: the member in the page's language, else the one without a language."""
    names = (f"policy_uri#{language}", f"policy_uri#{language.partition('-')[0]}", "policy_uri")
    return next((str(client[name]) for name in names if name in client), None)


def _purpose(purpose: Purpose, speech: Speech) -> dict[str, object]:
    return {
        "purpose": purpose.value,
        "name": speech.words.purpose(purpose),
        "words": speech.say(f"consent.purpose_{purpose.value}"),
    }


def _sign_in(offer: Offer, speech: Speech) -> dict[str, object] | None:
    if not offer.signs_in:
        return None
    standing = "refused" if offer.sign_in_refused else Standing.AGREED.value if offer.sign_in_known else Standing.NEW.value
    key = "consent.sign_in_refused" if offer.sign_in_refused else "consent.sign_in_words"
    return {"standing": standing, "words": speech.say(key, partner=offer.legal_name)}


def _category(one: OfferedCategory, speech: Speech) -> dict[str, object]:
    return {
        "category": one.category,
        "words": speech.words.category(one.category),
        "is_sensitive": one.is_sensitive,
        "legal_basis": one.basis.value,
        "standing": one.standing.value,
        "is_optional": one.basis is not Basis.POLICY_ACCEPTANCE,
        "hindrance": None if one.hindrance is None else one.hindrance.name,
        "hindrance_words": None if one.hindrance is None else speech.say(f"consent.hindrance_{one.hindrance.name.lower()}"),
        "fields": [_field(field, one.category, speech) for field in one.fields],
        "reasons": _reasons(one.fields, speech),
    }


def _reasons(fields: Sequence[OfferedField], speech: Speech) -> list[str]:
    """Each once, in the reader's language."""
    return list(dict.fromkeys(rule.because(speech.language) for field in fields for rule in field.rules))


def _field(field: OfferedField, category: str, speech: Speech) -> dict[str, object]:
    return {
        "path": field.path,
        "words": Wording(speech.say, speech.words).field(field.path, category),
        "redaction": field.redaction.label(),
        "redaction_words": speech.words.redaction(field.redaction.label()),
        "is_pseudonym": field.redaction.rung is Rung.PSEUDONYMISE,
        "reasons": _reasons([field], speech),
    }


def _cross_border(offer: Offer, speech: Speech) -> dict[str, object] | None:
    mechanism = offer.partner.cross_border_mechanism
    if not offer.crosses_border or mechanism is None:
        return None
    words = speech.say(f"consent.mechanism_{mechanism}")
    return {
        "location": offer.partner.processing_location,
        "mechanism": mechanism,
        "standing": Standing.NEW.value if offer.asks_border else Standing.AGREED.value,
        "words": speech.say("consent.border_words", partner=offer.legal_name, mechanism=words),
        "tick": speech.say("consent.border_tick", location=speech.words.location(offer.partner.processing_location)),
    }


def _terms(offer: Offer, settings: Settings, speech: Speech) -> dict[str, object]:
    retention, has_data = offer.retention, bool(offer.categories)
    lifetime, quiet = settings.consent_lifetime_days, settings.consent_quiet_days
    asks = "answer_words" if has_data else "answer_words_sign_in"
    if offer.standing(Standing.RESTING):
        asks = "answer_words_resting"
    return {
        "retention_days": None if retention is None else -(-retention // timedelta(days=1)),
        "retention_words": None
        if retention is None
        else speech.say("consent.retention_words", days=-(-retention // timedelta(days=1))),
        "lifetime_days": lifetime if has_data else None,
        "lifetime_words": speech.say("consent.lifetime_words", days=lifetime) if has_data else None,
        "withdrawal": f"{settings.base_url}/me",
        "withdrawal_words": speech.say("consent.withdrawal_words" if has_data else "consent.withdrawal_sign_in"),
        "policy_words": speech.say("consent.policy_words", version=offer.policy_version),
        "quiet_days": quiet,
        "answer_words": speech.say(f"consent.{asks}", partner=offer.legal_name, days=quiet),
    }
