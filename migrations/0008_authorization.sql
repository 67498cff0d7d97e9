-- Data subjects sign in, are asked, and decide: sessions, authorization requests, codes, refresh tokens, what was shown.
-- Every credential stands here as its SHA-256 only; instants are the database's.

-- What a data subject signs in with where there is no upstream provider. login is folded to lower case by whoever writes.
create table gateway.account (
    login text collate "C" primary key,
    subject_id uuid not null unique references gateway.subject,
    password_hash text not null,                        -- argon2id, PHC string
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now()
);

create table gateway.passkey (
    credential_id bytea primary key,
    subject_id uuid not null references gateway.subject,
    public_key bytea not null,                          -- COSE
    sign_count bigint not null,
    label text not null,                                -- the data subject's own word for it
    created_at timestamptz not null default now(),
    last_used_at timestamptz
);
create index passkey_by_subject on gateway.passkey (subject_id);

create table gateway.session (
    session_id uuid primary key,
    token_sha256 bytea not null unique,
    subject_id uuid not null references gateway.subject,
    acr text not null,                                  -- how: pwd, passkey, upstream
    authenticated_at timestamptz not null,              -- raised by a step-up
    created_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    expires_at timestamptz not null,
    ended_at timestamptz
);
create index session_by_subject on gateway.session (subject_id);
create index session_by_expiry on gateway.session (expires_at);

-- Something started in a browser and to be finished there once: a WebAuthn ceremony, a trip to the upstream provider
create table gateway.ceremony (
    ceremony_sha256 bytea primary key,                  -- of a secret that only this browser holds
    kind text not null check (kind in ('passkey_register', 'passkey_sign_in', 'upstream')),
    subject_id uuid references gateway.subject,
    state jsonb not null,                               -- challenge, nonce, verifier, where to go on
    expires_at timestamptz not null
);
create index ceremony_by_expiry on gateway.ceremony (expires_at);

-- Failed sign-ins by account and by address; keys are HMACs, so nobody's login or address stands here. Losing it only resets counts.
create unlogged table gateway.sign_in_throttle (
    throttle_key bytea primary key,
    full_at timestamptz not null                        -- GCRA: the instant at which nothing would be held against it any more
);

-- One for each authorization request, pushed (RFC 9126) or not. Parameters hold no credential.
create table gateway.authorization_request (
    request_id uuid primary key,                        -- random: the address of its pages
    reference_sha256 bytea unique,                      -- of a pushed request's request_uri; null where it was not pushed
    client_id text collate "C" not null references gateway.client,
    parameters jsonb not null,                          -- gateway.oauth.authorization_request, as validated
    dpop_jkt text,                                      -- RFC 9449 10: the key that the code will be bound to
    created_at timestamptz not null default now(),
    opens_until timestamptz not null,                   -- a pushed one is opened by then
    decides_until timestamptz not null,
    session_id uuid references gateway.session,         -- to which the question was put; only its answer counts
    notice_sha256 bytea,                                -- what was shown there
    decided_at timestamptz                              -- used up
);
create index authorization_request_by_end on gateway.authorization_request (decides_until);
create index authorization_request_by_session on gateway.authorization_request (session_id) where session_id is not null;

-- What one data subject gave one client in one authorization: `grant_id` of Grant Management for OAuth 2.0
create table gateway.authorization_grant (
    grant_id uuid primary key,
    client_id text collate "C" not null references gateway.client,
    partner_id uuid not null references gateway.partner,
    subject_id uuid not null references gateway.subject,
    purpose text collate "C" references gateway.purpose,  -- null: sign-in only
    consent_id uuid,
    scopes text[] not null,
    details jsonb,                                      -- authorization_details as granted (RFC 9396); null: not narrowed beyond the scopes
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    ends_at timestamptz,                                -- the consent's own end; null: until withdrawn
    revoked_at timestamptz
);
create index authorization_grant_by_subject on gateway.authorization_grant (subject_id);

create table gateway.authorization_code (
    code_sha256 bytea primary key,
    family_id uuid not null,                            -- of every token that comes from it
    grant_id uuid not null references gateway.authorization_grant,
    client_id text collate "C" not null,
    redirect_uri text not null,
    code_challenge text not null,
    nonce text,
    dpop_jkt text,
    scopes text[] not null,
    details jsonb,
    session_id uuid not null references gateway.session,
    acr text not null,
    authenticated_at timestamptz not null,
    issued_at timestamptz not null default now(),
    expires_at timestamptz not null,
    redeemed_at timestamptz
);
create index authorization_code_by_grant on gateway.authorization_code (grant_id);
create index authorization_code_by_expiry on gateway.authorization_code (expires_at);
create index authorization_code_by_session on gateway.authorization_code (session_id);

create table gateway.refresh_token (
    token_sha256 bytea primary key,
    refresh_id uuid not null unique,
    family_id uuid not null,                            -- all that came from one code
    grant_id uuid not null references gateway.authorization_grant,
    client_id text collate "C" not null,
    scopes text[] not null,
    details jsonb,
    dpop_jkt text,                                      -- a public client's key; a confidential client's is its authentication
    session_id uuid not null references gateway.session,
    acr text not null,
    authenticated_at timestamptz not null,
    issued_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,                                -- rotated (public clients only)
    retried_at timestamptz,                             -- a lost answer was asked for again, once
    revoked_at timestamptz
);
create index refresh_token_by_family on gateway.refresh_token (family_id);
create index refresh_token_by_grant on gateway.refresh_token (grant_id);
create index refresh_token_by_expiry on gateway.refresh_token (expires_at);
create index refresh_token_by_session on gateway.refresh_token (session_id);

alter table gateway.access_token
    add column grant_id uuid references gateway.authorization_grant,
    add column family_id uuid;
create index access_token_by_grant on gateway.access_token (grant_id) where grant_id is not null;
create index access_token_by_family on gateway.access_token (family_id) where family_id is not null;

-- May ask about every token (RFC 7662), not only about its own
alter table gateway.client add column is_resource_server boolean not null default false;

-- DPoP proofs already seen by any worker (RFC 9449 11.1)
create table gateway.proof_replay (
    proof_sha256 bytea primary key,                     -- of key thumbprint and jti
    expires_at timestamptz not null
);
create index proof_replay_by_expiry on gateway.proof_replay (expires_at);

-- argon2 hashes of client secrets; a client has the ones that are not ended
create table gateway.client_secret (
    secret_id uuid primary key,
    client_id text collate "C" not null references gateway.client,
    secret_hash text not null,
    created_at timestamptz not null default now(),
    ended_at timestamptz
);
create index client_secret_by_client on gateway.client_secret (client_id);

-- What a data subject was shown before deciding: words and facts, no value of anybody's. Content-addressed, never changed.
create table gateway.consent_notice (
    notice_sha256 bytea primary key,
    notice_version text not null,
    language text not null check (language in ('zh-CN', 'en')),
    content jsonb not null,
    created_at timestamptz not null default now()
);
alter table gateway.consent_event add column notice_sha256 bytea references gateway.consent_notice;

-- What a data subject refused, so that it is not asked again for a while (Network Data Security Regulation, art. 22)
create table gateway.consent_refusal (
    refusal_id uuid primary key,
    subject_id uuid not null references gateway.subject,
    partner_id uuid not null references gateway.partner,
    purpose text collate "C",                           -- null: sign-in
    categories text[] not null,
    lifted boolean not null default false,              -- the data subject may be asked again: what it refused before counts no longer
    refused_at timestamptz not null default now()
);
create index consent_refusal_by_subject on gateway.consent_refusal (subject_id, partner_id, refused_at);

-- Policy 1.5: with which partner a data subject signed in, and when
create table gateway.partner_login (
    login_id uuid primary key,
    subject_id uuid not null references gateway.subject,
    partner_id uuid not null references gateway.partner,
    client_id text collate "C" not null,
    session_id uuid not null,
    logged_in_at timestamptz not null default now()
);
create index partner_login_by_subject on gateway.partner_login (subject_id, logged_in_at desc);

grant select, insert on gateway.consent_notice, gateway.consent_refusal, gateway.partner_login to gateway;
grant select, insert, update on gateway.account, gateway.authorization_grant, gateway.client_secret to gateway;
grant select, insert, update, delete on gateway.passkey, gateway.session, gateway.ceremony, gateway.sign_in_throttle,
    gateway.authorization_request, gateway.authorization_code, gateway.refresh_token, gateway.proof_replay to gateway;
