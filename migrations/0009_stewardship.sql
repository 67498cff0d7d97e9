-- Who answers for sharing: the controller's staff, what they proposed and decided, and every act of theirs (policy 1.1, 6.2, 9.3).
-- Every credential stands here hashed or sealed; instants are the database's.

create table gateway.staff (
    staff_id uuid primary key,
    login text collate "C" not null unique check (login ~ '^[a-z0-9][a-z0-9._@-]{0,62}$'),
    name text not null check (length(btrim(name)) > 0),
    roles text[] not null check (roles <@ array['steward', 'approver', 'auditor', 'operator', 'support']),
    password_hash text,                                 -- argon2id, PHC string; null: signs in otherwise
    totp_sealed bytea,                                  -- AES-256-GCM under a key derived from the master key
    totp_step bigint not null default 0,                -- the last one taken: a code counts once (RFC 6238 5.2)
    upstream_subject text unique,                       -- `sub` at the upstream provider
    confidentiality_sha256 bytea,                       -- of the duty that was accepted; null: nothing may be done yet (policy 9.3)
    confidentiality_accepted_at timestamptz,
    created_at timestamptz not null default now(),
    ended_at timestamptz,
    check ((confidentiality_sha256 is null) = (confidentiality_accepted_at is null))
);

create table gateway.staff_passkey (
    credential_id bytea primary key,
    staff_id uuid not null references gateway.staff,
    public_key bytea not null,                          -- COSE
    sign_count bigint not null,
    label text not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz
);
create index staff_passkey_by_staff on gateway.staff_passkey (staff_id);

create table gateway.staff_session (
    session_id uuid primary key,
    token_sha256 bytea not null unique,
    staff_id uuid not null references gateway.staff,
    acr text not null check (acr in ('pwd', 'pwd+otp', 'passkey', 'upstream', 'upstream+otp')),  -- `pwd`, `upstream`: still without the second factor
    authenticated_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    expires_at timestamptz not null,
    ended_at timestamptz
);
create index staff_session_by_staff on gateway.staff_session (staff_id);
create index staff_session_by_expiry on gateway.staff_session (expires_at);

-- Bearer tokens for /admin/graphql and the command line
create table gateway.staff_token (
    token_id uuid primary key,
    token_sha256 bytea not null unique,
    staff_id uuid not null references gateway.staff,
    label text not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index staff_token_by_staff on gateway.staff_token (staff_id);

-- What somebody wants and somebody else decides. What is widened goes through here; what is narrowed may be done at once.
create table gateway.change (
    change_id uuid primary key,
    kind text not null check (kind in ('scope', 'scope_end', 'grant', 'grant_end', 'partner', 'client', 'rules')),
    target text not null,                               -- the scope's or the partner's name; empty: the rules
    content jsonb not null,                             -- what is wanted
    base jsonb,                                         -- what it would take the place of, as it stood when it was proposed
    reason text not null check (length(btrim(reason)) > 0),
    proposed_by uuid not null references gateway.staff,
    proposed_at timestamptz not null default now(),
    state text not null default 'proposed' check (state in ('proposed', 'approved', 'rejected', 'withdrawn')),
    decided_by uuid references gateway.staff,
    decided_at timestamptz,
    decision text,                                      -- why
    takes_effect_at timestamptz,
    check ((state = 'proposed') = (decided_at is null)),
    check ((state = 'proposed') = (decided_by is null)),
    check (state <> 'approved' or decided_by <> proposed_by)  -- never one's own, whatever the code thinks
);
create index change_pending on gateway.change (proposed_at) where state = 'proposed';
create index change_by_target on gateway.change (target, proposed_at desc);

-- Every act of the staff, refused ones too. Append-only. No data subject's data stands here, save an id that support asked about.
create table gateway.act (
    act_id uuid primary key,                            -- UUIDv7
    acted_at timestamptz not null default clock_timestamp(),
    staff_id uuid references gateway.staff,             -- null: somebody with access to the machine itself
    actor text not null,                                -- the login, or machine:<account>
    door text not null check (door in ('console', 'graphql', 'cli')),
    act text not null,
    target text not null default '',
    reason text not null default '',
    refused text,                                       -- the code of the refusal; null: it was done
    before jsonb,
    after jsonb
);
create index act_by_time on gateway.act (acted_at desc);
create index act_by_staff on gateway.act (staff_id, acted_at desc);
create index act_by_target on gateway.act (target, acted_at desc);

-- What each purpose needs at all, and the floor below which no scope may redact a category (policy 1.1, 2): the latest counts
create table gateway.rules (
    version integer primary key check (version > 0),
    content jsonb not null,                             -- {"needs": {purpose: [category]}, "floors": {category: {kind: redaction}}}
    change_id uuid references gateway.change,
    active_from timestamptz not null default clock_timestamp()
);

-- Operations that a partner may send by `documentId` (GraphQL over HTTP, Persisted Documents), or may send at all
create table gateway.registered_operation (
    partner_id uuid not null references gateway.partner,
    document_sha256 bytea not null,
    document text not null,
    label text not null check (length(btrim(label)) > 0),
    registered_at timestamptz not null default now(),
    ended_at timestamptz,
    primary key (partner_id, document_sha256)
);
create trigger view_version after insert or update or delete on gateway.registered_operation
    for each row execute function gateway.raise_view_version();

alter table gateway.partner
    add column registered_only boolean not null default false,  -- nothing but its registered operations is answered
    add column notice_contacts text[] not null default '{}',     -- who is told of changes and incidents
    add column duties text[] not null default '{}' check (duties <@ array['confidentiality', 'security', 'deletion', 'audit', 'no_onward']),
    add column retention interval;                               -- the longest that any of its grants may name

alter table gateway.scope_version add column change_id uuid references gateway.change;
alter table gateway.partner_grant add column change_id uuid references gateway.change;

grant select, insert on gateway.act, gateway.rules to gateway;
grant select, insert, update on gateway.staff, gateway.staff_token, gateway.change, gateway.registered_operation to gateway;
grant select, insert, update, delete on gateway.staff_passkey, gateway.staff_session to gateway;
