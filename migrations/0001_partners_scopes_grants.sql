-- Who may ask, and for what: partners, their clients, the versioned scopes and the grants that join them.
-- Every change to what a partner may see raises partner.view_version in the same transaction: the gate's statement compares it,
-- so no worker can answer from a view that is no longer true.
create schema gateway;

create table gateway.category (
    category text collate "C" primary key,
    ordinal smallint not null unique check (ordinal between 0 and 62),  -- a bit of consent_state.covered, never given twice
    sensitivity text not null check (sensitivity in ('ordinary', 'sensitive')),
    is_identity boolean not null
);

-- scopes.BASIS written out, so that the fold reads the same table as scopes.decide
create table gateway.basis_rule (
    purpose text collate "C" not null,
    role text not null,
    sensitivity text not null check (sensitivity in ('ordinary', 'sensitive')),
    basis text not null check (basis in ('policy_acceptance', 'separate_consent', 'sensitive_consent', 'none')),
    primary key (purpose, role, sensitivity)
);

create table gateway.purpose (
    purpose text collate "C" primary key,
    is_analytics boolean not null,
    is_advertising boolean not null
);

create table gateway.partner (
    partner_id uuid primary key,
    name text not null unique check (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    legal_name text not null,
    contact text not null,
    role text not null check (role in ('processor', 'recipient', 'successor', 'authority', 'public')),
    kind text not null,                                 -- policy 6.2: vendor, contractor, agent, advertising_partner, ...
    processing_location text not null check (processing_location ~ '^[A-Z]{2}$'),  -- ISO 3166-1
    cross_border_mechanism text check (cross_border_mechanism in ('assessment', 'standard_contract', 'certification')),
    agreement_sha256 bytea,
    agreement_starts_at timestamptz not null,
    agreement_ends_at timestamptz not null,
    status text not null default 'active' check (status in ('active', 'suspended', 'ended')),
    view_version bigint not null default 1,
    basis_version integer not null default 1,           -- raised when role, location, mechanism, policy or sensitivity change
    created_at timestamptz not null default now()
);

create table gateway.client (
    client_id text collate "C" primary key,
    partner_id uuid not null references gateway.partner,
    metadata jsonb not null,                            -- RFC 7591 client metadata, jwks included, never a secret
    status text not null default 'active' check (status in ('active', 'suspended', 'ended')),
    is_contract_runner boolean not null default false,  -- issues tokens that see synthetic subjects only
    created_at timestamptz not null default now()
);
create index client_by_partner on gateway.client (partner_id);

create table gateway.scope_version (
    scope text collate "C" not null check (scope ~ '^[a-z][a-z0-9_.:-]{0,62}$'),
    version integer not null check (version > 0),
    purpose text collate "C" not null references gateway.purpose,
    active_from timestamptz,                            -- null: a draft
    retired_at timestamptz,
    created_at timestamptz not null default now(),
    primary key (scope, version),
    check (retired_at is null or active_from is not null)
);

create table gateway.scope_field (
    scope text collate "C" not null,
    version integer not null,
    path text collate "C" not null,                     -- schema path: Subject.realName
    redaction jsonb not null,                           -- scopes.redaction wire form: {"rung": "mask", "head": 3, "tail": 4}
    justification text not null check (length(btrim(justification)) > 0),  -- policy 1.1, in the controller's own language
    justification_en text not null default '',          -- the same in English; empty: readers of English see the other
    primary key (scope, version, path),
    foreign key (scope, version) references gateway.scope_version
);

create table gateway.partner_grant (
    grant_id uuid primary key,
    partner_id uuid not null references gateway.partner,
    scope text collate "C" not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null check (ends_at > starts_at),
    retention interval not null,                        -- policy 8.2: how long the partner may keep what it got
    revoked_at timestamptz,
    created_at timestamptz not null default now()
);
create index partner_grant_by_partner on gateway.partner_grant (partner_id);
create index partner_grant_by_scope on gateway.partner_grant (scope);

create table gateway.halt (
    halt_id uuid primary key,
    target text not null check (target in ('partner', 'scope', 'all')),
    partner_id uuid references gateway.partner,
    scope text collate "C",
    reason text not null,
    begun_at timestamptz not null default now(),
    lifted_at timestamptz,
    check ((target = 'partner') = (partner_id is not null) and (target = 'scope') = (scope is not null))
);
create index halt_in_force on gateway.halt (target) where lifted_at is null;

create table gateway.access_token (
    token_id uuid primary key,                          -- the jti of an RFC 9068 access token
    client_id text collate "C" not null references gateway.client,
    subject_id uuid,                                    -- null: client credentials, not bound to one data subject
    scopes text[] not null,
    contract_run boolean not null default false,
    issued_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index access_token_by_client on gateway.access_token (client_id);
create index access_token_by_expiry on gateway.access_token (expires_at);

-- private_key_jwt assertions already used (RFC 7523 3, jti); rows may go once expired
create table gateway.assertion_replay (
    client_id text collate "C" not null,
    jti_sha256 bytea not null,
    expires_at timestamptz not null,
    primary key (client_id, jti_sha256)
);
create index assertion_replay_by_expiry on gateway.assertion_replay (expires_at);

create table gateway.signing_key (
    kid text collate "C" primary key,
    algorithm text not null check (algorithm in ('ES256', 'Ed25519')),
    public_jwk jsonb not null,
    private_sealed bytea not null,                      -- AES-256-GCM under a key derived from the master key
    active_from timestamptz not null,                   -- signs from then on; published from the moment it is stored
    retired_at timestamptz,                             -- no longer published from then on
    created_at timestamptz not null default now()
);

-- Buckets of the rate limiter; losing them in a crash only refills them
create unlogged table gateway.rate_bucket (
    partner_id uuid primary key,
    full_at timestamptz not null                        -- GCRA: the instant at which the bucket would be full again
);

create function gateway.raise_view_version() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'partner' then
        new.view_version := old.view_version + 1;
        return new;
    elsif tg_table_name in ('partner_grant', 'registered_operation') then
        update gateway.partner set view_version = view_version
         where partner_id = coalesce(new.partner_id, old.partner_id);
    elsif tg_table_name in ('scope_version', 'scope_field') then
        update gateway.partner p set view_version = view_version
         where exists (select from gateway.partner_grant g
                        where g.partner_id = p.partner_id and g.scope = coalesce(new.scope, old.scope));
    else
        update gateway.partner set view_version = view_version;
    end if;
    return null;
end $$;

create trigger view_version before update on gateway.partner
    for each row execute function gateway.raise_view_version();
create trigger view_version after insert or update or delete on gateway.partner_grant
    for each row execute function gateway.raise_view_version();
create trigger view_version after insert or update or delete on gateway.scope_version
    for each row execute function gateway.raise_view_version();
create trigger view_version after insert or update or delete on gateway.scope_field
    for each row execute function gateway.raise_view_version();
create trigger view_version after insert or update or delete on gateway.category
    for each statement execute function gateway.raise_view_version();
