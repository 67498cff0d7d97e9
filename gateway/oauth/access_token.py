"""Access tokens as signed JWTs (RFC 9068), each with a row in gateway.access_token: the row is what the gate reads, the JWT what
a stranger cannot make. Row and token come from one statement's clock; a token whose transaction fails was never issued."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from gateway.oauth import jose
from gateway.oauth.details import Details
from gateway.oauth.keys import AnyConnection, KeyStore, NoSigningKey, SigningKey
from gateway.oauth.resource import resource_url
from gateway.settings import Settings

TYPE: Final = "at+jwt"
LONGEST_FOR: Final = timedelta(minutes=10)

# Whole seconds, so that row and `exp` say the same; never beyond the day on which the signing key is no longer published.
# in: client_id text, subject_id uuid (null: not bound), scopes text[], lifetime interval, grant_id, family_id uuid
# row: token_id uuid, issued_at timestamptz, expires_at timestamptz, contract_run bool, kid text; none: no such client, or no key
# signing_key is a handful of rows
_ISSUE = """
with signer as (
    select kid, retired_at from gateway.signing_key
     where active_from <= statement_timestamp() and (retired_at is null or retired_at > statement_timestamp())
     order by active_from desc, kid limit 1
), issued as (
    insert into gateway.access_token
        (token_id, client_id, subject_id, scopes, contract_run, grant_id, family_id, issued_at, expires_at)
    select gen_random_uuid(), c.client_id, $2, $3, c.is_contract_runner, $5, $6, date_trunc('second', statement_timestamp()),
           least(date_trunc('second', statement_timestamp()) + $4::interval, date_trunc('second', s.retired_at))
      from gateway.client c cross join signer s where c.client_id = $1
    returning token_id, issued_at, expires_at, contract_run
)
select i.*, s.kid from issued i cross join signer s"""


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """A token as it goes out. `text` is a credential: it has no repr. issued_at: seconds. key: the one that signed it."""

    text: str
    token_id: UUID
    scopes: tuple[str, ...]
    lifetime: timedelta
    issued_at: int
    key: SigningKey


@dataclass(frozen=True, slots=True)
class Bound:
    """The data subject that a token speaks of. pseudonym: the token's `sub`, since the partner can read it.

    grant_id, family_id: of the authorization and of the code that it comes from; None where no authorization stands behind it.
    authenticated_at, acr: how and when the data subject signed in; None: just now, on the word of whoever asks for the token.
    """

    subject_id: UUID
    pseudonym: UUID
    grant_id: UUID | None = None
    family_id: UUID | None = None
    authenticated_at: datetime | None = None
    acr: str | None = None


async def issue(
    conn: AnyConnection,
    keys: KeyStore,
    settings: Settings,
    *,
    client_id: str,
    scopes: Iterable[str],
    subject_id: UUID | None = None,
    pseudonym: UUID | None = None,
    lifetime: timedelta | None = None,
) -> str:
    """The text of a new access token; see `mint`. Raises ValueError where only one of subject_id and pseudonym is given."""
    if (subject_id is None) != (pseudonym is None):
        raise ValueError("a bound token needs the subject and the pseudonym")
    bound = Bound(subject_id, pseudonym) if subject_id is not None and pseudonym is not None else None
    minted = await mint(conn, keys, settings, client_id=client_id, scopes=scopes, bound=bound, lifetime=lifetime)
    return minted.text


async def mint(
    conn: AnyConnection,
    keys: KeyStore,
    settings: Settings,
    *,
    client_id: str,
    scopes: Iterable[str],
    bound: Bound | None = None,
    confirmation: Mapping[str, str] | None = None,
    details: Details | None = None,
    lifetime: timedelta | None = None,
) -> Issued:
    """Store and sign an access token in the caller's transaction. It checks no right to the scopes: the caller has, the gate
    will.

    confirmation: the `cnf` members that bind the token to its sender's key (RFC 7800). details: what narrows the scopes (RFC 9396
    9.1). lifetime: the settings' unless given; above ten minutes only in the demo.

    Raises ValueError for a lifetime that cannot be, NoSigningKey where no key signs or the client does not exist.
    """
    wanted = timedelta(seconds=settings.access_token_lifetime_s) if lifetime is None else lifetime
    if not timedelta(0) < wanted or (wanted > LONGEST_FOR and not settings.demo):
        raise ValueError("an access token lives for more than nothing and at most ten minutes")
    names = tuple(sorted(set(scopes)))
    of = (bound.subject_id, bound.grant_id, bound.family_id) if bound else (None, None, None)
    row = await conn.fetchrow(_ISSUE, client_id, of[0], list(names), wanted, *of[1:])
    if row is None:
        raise NoSigningKey
    issued_at, expires_at = int(row["issued_at"].timestamp()), int(row["expires_at"].timestamp())
    claims: dict[str, object] = {
        "iss": settings.issuer,
        "sub": client_id if bound is None else str(bound.pseudonym),
        "aud": resource_url(settings),
        "exp": expires_at,
        "iat": issued_at,
        "jti": str(row["token_id"]),
        "client_id": client_id,
        "scope": " ".join(names),
    }
    if bound is not None:
        claims["auth_time"] = issued_at if bound.authenticated_at is None else int(bound.authenticated_at.timestamp())
        if bound.acr is not None:
            claims["acr"] = bound.acr
    if confirmation:
        claims["cnf"] = dict(confirmation)
    if details is not None:
        claims["authorization_details"] = details.wire()
    if row["contract_run"]:
        claims["contract_run"] = True
    key = await keys.signer(conn, row["kid"])
    text = jose.sign(claims, key.private, kid=key.kid, algorithm=key.algorithm, typ=TYPE)
    return Issued(text, row["token_id"], names, row["expires_at"] - row["issued_at"], issued_at, key)
