"""The answer to a token request that speaks for a data subject: access token, ID token, refresh token (RFC 6749 5.1, OpenID
Connect Core 3.1.3.3), all for no more than the data subject agreed to."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidScopeError

from gateway.oauth import details as rar
from gateway.oauth import jose
from gateway.oauth.access_token import Bound, Issued, mint
from gateway.oauth.authorization_request import ACRS, OPENID
from gateway.oauth.client import Client
from gateway.oauth.details import Details, InvalidAuthorizationDetails
from gateway.oauth.keys import AnyConnection, KeyStore
from gateway.oauth.registration import scope_tokens
from gateway.settings import Settings
from scopes import Purpose, pseudonym

ID_TOKEN_LIVES_FOR: Final = timedelta(minutes=5)

# in: token_sha256 bytea, refresh_id, family_id, grant_id uuid, client_id text, scopes text[], details text, dpop_jkt text,
#     session_id uuid, acr text, authenticated_at timestamptz, lifetime interval, ends_at timestamptz (null: no end); row: none
_KEEP_REFRESH = """
insert into gateway.refresh_token
    (token_sha256, refresh_id, family_id, grant_id, client_id, scopes, details, dpop_jkt, session_id, acr, authenticated_at,
     issued_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8, $9, $10, $11,
        clock_timestamp(), least(clock_timestamp() + $12::interval, $13))"""

# What still stands of a grant: nothing of its data once the consent behind it has ended or was withdrawn.
# in: grant_id uuid, scopes text[]
# row: subject_id, partner_id uuid, purpose text, ends_at timestamptz, is_live, is_visible boolean, agreed text[],
#      retention interval (null: none of the scopes is granted any more)
# primary keys of authorization_grant and consent_state; consent_event_by_subject, partner_grant_by_partner
_STANDING = """
select g.subject_id, g.partner_id, g.purpose, g.ends_at,
       g.revoked_at is null and coalesce(g.ends_at > statement_timestamp(), true) as is_live,
       exists (select from gateway.consent_state s
                where s.partner_id = g.partner_id and s.purpose = g.purpose and s.subject_id = g.subject_id
                  and s.visible_until > statement_timestamp()) as is_visible,
       array(select unnest(e.categories) from (
                    select categories from gateway.consent_event
                     where subject_id = g.subject_id and partner_id = g.partner_id and purpose = g.purpose
                     order by event_id desc limit 1) e
             union
             select k.category from gateway.partner p join gateway.basis_rule b on b.role = p.role
                    join gateway.category k on k.sensitivity = b.sensitivity
              where p.partner_id = g.partner_id and b.purpose = g.purpose and b.basis = 'policy_acceptance') as agreed,
       (select min(a.retention) from gateway.partner_grant a
         where a.partner_id = g.partner_id and a.scope = any($2) and a.revoked_at is null
           and a.starts_at <= statement_timestamp() and a.ends_at > statement_timestamp()) as retention
  from gateway.authorization_grant g where g.grant_id = $1"""

# Every token that came from one code, for good. in: family_id uuid; row: none; by_family indexes
END_FAMILY = """
with ended as (
    update gateway.refresh_token set revoked_at = clock_timestamp() where family_id = $1 and revoked_at is null
)
update gateway.access_token set revoked_at = clock_timestamp() where family_id = $1 and revoked_at is null"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a code or a refresh token stands for, as far as it still does. scopes: without data scopes once nothing is agreed.

    retention: the longest that the partner's grants allow; None: it has none of the scopes any more.
    """

    grant_id: UUID
    family_id: UUID
    subject_id: UUID
    partner_id: UUID
    purpose: Purpose | None
    scopes: frozenset[str]
    details: Details | None
    agreed: frozenset[str]
    retention: timedelta | None
    session_id: UUID
    acr: str
    authenticated_at: datetime
    ends_at: datetime | None

    @property
    def is_openid(self) -> bool:
        """Whether the data subject signed in at the partner."""
        return OPENID in self.scopes


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one token shall be good for: at most what it stands for."""

    scopes: frozenset[str]
    details: Details | None


async def standing(conn: AnyConnection, row: Mapping[str, object]) -> Standing:
    """What a row of a code or a refresh token still stands for. Raises InvalidGrantError where nothing is left."""
    names = frozenset(_texts(row["scopes"]))
    grant = await conn.fetchrow(_STANDING, row["grant_id"], list(names))
    if grant is None or not grant["is_live"]:
        raise InvalidGrantError
    if not grant["is_visible"]:
        names &= {OPENID}
    if not names:
        raise InvalidGrantError
    purpose = Purpose(grant["purpose"]) if grant["purpose"] and names - {OPENID} else None
    agreed = frozenset(grant["agreed"] or ())
    text = row["details"]
    found = rar.stored(text if isinstance(text, str) else None) if purpose is not None else None
    found = None if found is None else found.within(agreed)
    if found is not None and not found.categories:
        raise InvalidGrantError
    return Standing(
        grant_id=grant_id(row),
        family_id=UUID(str(row["family_id"])),
        subject_id=grant["subject_id"],
        partner_id=grant["partner_id"],
        purpose=purpose,
        scopes=names,
        details=found,
        agreed=agreed,
        retention=grant["retention"],
        session_id=UUID(str(row["session_id"])),
        acr=str(row["acr"]),
        authenticated_at=_instant(row["authenticated_at"]),
        ends_at=grant["ends_at"],
    )


def grant_id(row: Mapping[str, object]) -> UUID:
    """The authorization_grant of a row."""
    return UUID(str(row["grant_id"]))


def wanted(stands: Standing, form: Mapping[str, str]) -> Wanted:
    """All of it, or the part that the request names (RFC 6749 6, RFC 9396 6). Raises InvalidScopeError,
    InvalidAuthorizationDetails."""
    names = scope_tokens(form.get("scope", ""))
    if names is None or not names <= stands.scopes:
        raise InvalidScopeError
    asked = rar.read(form.get("authorization_details"))
    if asked is not None and (stands.purpose is None or _is_longer(asked.retention, stands.retention)):
        raise InvalidAuthorizationDetails
    base = stands.details
    if asked is not None and base is None and stands.purpose is not None:
        base = Details(stands.purpose, stands.agreed)
    return Wanted(names or stands.scopes, None if base is None else base.narrowed(asked))


def _is_longer(asked: timedelta | None, allowed: timedelta | None) -> bool:
    """Policy 8.2."""
    return asked is not None and (allowed is None or asked > allowed)


async def access_token(
    conn: AnyConnection,
    keys: KeyStore,
    settings: Settings,
    client: Client,
    stands: Standing,
    want: Wanted,
    confirmation: Mapping[str, str],
) -> tuple[dict[str, object], Issued]:
    """The response's members about the access token, and the token itself."""
    known_as = known(settings, stands, want.scopes)
    minted = await mint(
        conn,
        keys,
        settings,
        client_id=client.client_id,
        scopes=want.scopes,
        bound=Bound(stands.subject_id, known_as, stands.grant_id, stands.family_id, stands.authenticated_at, ACRS[stands.acr]),
        confirmation=confirmation,
        details=want.details,
    )
    body: dict[str, object] = {
        "access_token": minted.text,
        "token_type": "DPoP" if "jkt" in confirmation else "Bearer",
        "expires_in": int(minted.lifetime.total_seconds()),
        "scope": " ".join(minted.scopes),
        "grant_id": str(stands.grant_id),  # Grant Management for OAuth 2.0, 5
    }
    if want.details is not None:
        body["authorization_details"] = want.details.wire()
    return body, minted


def known(settings: Settings, stands: Standing, names: frozenset[str]) -> UUID:
    """The pseudonym the partner knows the data subject by here: the sign-in's where it signed in, else the purpose's."""
    purpose = Purpose.LOGIN if OPENID in names or stands.purpose is None else stands.purpose
    return pseudonym(settings.key("pseudonym"), stands.partner_id, purpose.value, stands.subject_id)


def id_token(settings: Settings, client: Client, stands: Standing, minted: Issued, nonce: str | None) -> str:
    """OpenID Connect Core 2. `sub` is pairwise (8.1): the pseudonym of this partner's sign-in purpose."""
    claims: dict[str, object] = {
        "iss": settings.issuer,
        "sub": str(known(settings, stands, frozenset({OPENID}))),
        "aud": client.client_id,
        "iat": minted.issued_at,
        "exp": minted.issued_at + int(ID_TOKEN_LIVES_FOR.total_seconds()),
        "auth_time": int(stands.authenticated_at.timestamp()),
        "acr": ACRS[stands.acr],
    }
    if nonce is not None:
        claims["nonce"] = nonce
    return jose.sign(claims, minted.key.private, kid=minted.key.kid, algorithm=minted.key.algorithm, typ="JWT")


async def refresh_token(
    conn: AnyConnection, settings: Settings, client: Client, stands: Standing, base: Wanted, dpop_jkt: str | None
) -> str:
    """A new refresh token for what `base` says; it ends with the consent. It is stored as its hash."""
    text = secrets.token_urlsafe(32)
    await conn.execute(
        _KEEP_REFRESH,
        hashlib.sha256(text.encode()).digest(),
        uuid4(),
        stands.family_id,
        stands.grant_id,
        client.client_id,
        sorted(base.scopes),
        rar.text_of(base.details),
        dpop_jkt,
        stands.session_id,
        stands.acr,
        stands.authenticated_at,
        timedelta(seconds=settings.refresh_token_lifetime_s),
        stands.ends_at,
    )
    return text


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _instant(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError
    return value
