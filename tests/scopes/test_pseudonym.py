"""Pseudonyms: what they are made of, and that they cannot be joined across partners and purposes."""

import hashlib
import hmac
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from scopes import PSEUDONYMISE, Kind, field_key, pseudonym, redact

KEY = bytes(range(32))
PARTNER, OTHER = UUID(int=1), UUID(int=2)
SUBJECT = UUID("01900000-0000-7000-8000-0000000000ab")
NOW = datetime(2026, 2, 28, 12, tzinfo=UTC)


def test_a_pseudonym_is_half_an_hmac_over_partner_purpose_and_subject() -> None:
    """The statement and the fold compute the same one; it is stable for ever."""
    message = PARTNER.bytes + b"survey\x00" + SUBJECT.bytes

    assert pseudonym(KEY, PARTNER, "survey", SUBJECT).bytes == hmac.new(KEY, message, hashlib.sha256).digest()[:16]
    assert str(pseudonym(KEY, PARTNER, "survey", SUBJECT)) == "4c93748d-b618-4531-3e16-dbc2ab526c84"


def test_a_field_key_belongs_to_one_partner_and_purpose() -> None:
    assert field_key(KEY, PARTNER, "survey") == hmac.new(KEY, PARTNER.bytes + b"survey", hashlib.sha256).digest()
    assert len({field_key(KEY, partner, purpose) for partner in (PARTNER, OTHER) for purpose in ("survey", "login")}) == 4


def test_a_value_pseudonym_is_half_an_hmac_over_kind_and_value() -> None:
    expected = hmac.new(KEY, "name\0王伟".encode(), hashlib.sha256).hexdigest()[:32]

    assert redact(Kind.NAME, PSEUDONYMISE, "王伟", at=NOW, key=KEY) == expected
    assert redact(Kind.CITY, PSEUDONYMISE, "王伟", at=NOW, key=KEY) != expected
    assert redact(Kind.NAME, PSEUDONYMISE, "王伟", at=NOW, key=KEY[::-1]) != expected


@given(
    st.sets(
        st.tuples(st.sampled_from([PARTNER, OTHER]), st.sampled_from(["survey", "login"]), st.uuids()), min_size=2, max_size=8
    )
)
def test_pseudonyms_of_one_subject_cannot_be_joined(who: set[tuple[UUID, str, UUID]]) -> None:
    """policy 2.8: another partner or another purpose knows the subject by another id."""
    assert len({pseudonym(KEY, partner, purpose, subject) for partner, purpose, subject in who}) == len(who)
