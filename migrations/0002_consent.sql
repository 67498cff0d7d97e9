-- What data subjects want: append-only ledgers, and the state folded from them that the gate reads.

-- One row for each data subject that ever said anything; writers lock it, so folds of one subject come one after another
create table gateway.subject (
    subject_id uuid primary key,
    is_synthetic boolean not null default false,        -- visible to contract runs only
    collected_in_mainland boolean not null default true,  -- policy 8.1
    created_at timestamptz not null default now()
);

create table gateway.policy_version (
    policy_version text collate "C" primary key,
    effective_at timestamptz not null unique,
    text_sha256 bytea not null,
    announced_at timestamptz not null default now()
);

create table gateway.policy_acceptance (
    acceptance_id bigint generated always as identity primary key,
    subject_id uuid not null,
    policy_version text collate "C" not null references gateway.policy_version,
    accepted_at timestamptz not null default now()
);
create index policy_acceptance_by_subject on gateway.policy_acceptance (subject_id);

-- The latest event of (subject, partner, purpose) is the subject's will; `withdrawn` has no categories
create table gateway.consent_event (
    event_id bigint generated always as identity primary key,
    consent_id uuid not null,                           -- the same through one consent's life: given, narrowed, withdrawn
    subject_id uuid not null,
    partner_id uuid not null references gateway.partner,
    purpose text collate "C" not null references gateway.purpose,
    kind text not null check (kind in ('given', 'narrowed', 'withdrawn')),
    categories text[] not null,
    cross_border boolean not null default false,        -- policy 9.5, PIPL 39
    policy_version text collate "C" not null references gateway.policy_version,
    ends_at timestamptz,                                -- null: until withdrawn
    recorded_at timestamptz not null default now(),
    check ((kind = 'withdrawn') = (categories = '{}'))
);
create index consent_event_by_subject on gateway.consent_event (subject_id, partner_id, purpose, event_id);

-- The latest event of (subject, partner or all, category or all, switch) is the setting; off narrows, on only undoes off
create table gateway.setting_event (
    event_id bigint generated always as identity primary key,
    subject_id uuid not null,
    switch text not null check (switch in ('sharing', 'advertising')),
    partner_id uuid references gateway.partner,         -- null: all partners
    category text collate "C",                          -- null: all; an inner node of the tree stands for all below it
    allowed boolean not null,
    recorded_at timestamptz not null default now(),
    check (switch = 'sharing' or (partner_id is null and category is null))
);
create index setting_event_by_subject on gateway.setting_event (subject_id, event_id);

create table gateway.consent_state (
    partner_id uuid not null,
    purpose text collate "C" not null,
    subject_id uuid not null,
    pseudonym uuid not null,                            -- first 16 bytes of HMAC-SHA-256 (partner, purpose, subject)
    key_version smallint not null,
    is_synthetic boolean not null,
    basis_version integer not null,                     -- of the partner when folded: an older row is not read
    covered bigint not null,                            -- bit n: the category with ordinal n is covered, until settled_until
    settled_until timestamptz not null,                 -- the earliest end among the covered ones (infinity: none ends)
    visible_until timestamptz not null,                 -- the latest end (-infinity: nothing is covered)
    cover_until timestamptz[] not null,                 -- [ordinal + 1]: -infinity where not covered
    reasons smallint[] not null,                        -- [ordinal + 1]: scopes.Reason code once the cover has ended
    folded_at timestamptz not null,
    primary key (partner_id, purpose, subject_id)
);
create unique index consent_state_page on gateway.consent_state (partner_id, purpose, pseudonym);
create index consent_state_by_subject on gateway.consent_state (subject_id);

-- consent_state.covered as of another instant than its fold; slow path, taken only once an end has passed
create function gateway.covered_at(cover_until timestamptz[], at timestamptz) returns bigint
    language sql immutable parallel safe as
$$ select coalesce(bit_or(1::bigint << (n - 1)::int), 0) from unnest(cover_until) with ordinality as c(until, n) where c.until > at $$;
