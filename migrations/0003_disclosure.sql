-- What went out, to whom, why. Append-only; partitioned by month, partitions are made ahead by `gateway migrate`.

-- What an operation selects, once for all its disclosures: [{"path","category","ordinal","redaction","root"}]; content-addressed
create table gateway.projection (
    projection_id bytea primary key,                    -- sha256 of all the rest
    document_sha256 bytea not null,
    purpose text collate "C" not null,
    scope_versions text[] not null,                     -- name@version
    roots text[] not null,                              -- response keys are the partner's words: only the field names stand here
    fields jsonb not null,
    created_at timestamptz not null default now()
);

create table gateway.disclosure (
    disclosure_id uuid not null,                        -- UUIDv7
    disclosed_at timestamptz not null,                  -- the statement's own instant
    partner_id uuid not null,
    client_id text collate "C" not null,
    token_id uuid not null,
    purpose text collate "C" not null,
    projection_id bytea not null,
    subject_count integer not null,
    contract_run boolean not null,
    primary key (disclosure_id, disclosed_at)
) partition by range (disclosed_at);
create index disclosure_by_partner on gateway.disclosure (partner_id, disclosed_at);
create table gateway.disclosure_default partition of gateway.disclosure default;

create table gateway.disclosure_subject (
    disclosed_at timestamptz not null,
    disclosure_id uuid not null,
    subject_id uuid not null,
    roots smallint not null,                            -- bit n: visible under root field n; 0: only as another person in the content
    covered bigint not null,                            -- consent_state.covered as the statement settled it
    reasons smallint[]                                  -- as consent_state.reasons; null where all that was asked was covered
) partition by range (disclosed_at);
create index disclosure_subject_by_subject on gateway.disclosure_subject (subject_id, disclosed_at);
create index disclosure_subject_by_time on gateway.disclosure_subject using brin (disclosed_at);
create table gateway.disclosure_subject_default partition of gateway.disclosure_subject default;

-- Operations of an authenticated client that were refused as a whole
create table gateway.refusal (
    refusal_id uuid not null,
    refused_at timestamptz not null default statement_timestamp(),
    partner_id uuid,
    client_id text collate "C" not null,
    token_id uuid,
    code text not null,                                 -- scopes.Refusal
    document_sha256 bytea,
    primary key (refusal_id, refused_at)
) partition by range (refused_at);
create index refusal_by_partner on gateway.refusal (partner_id, refused_at);
create table gateway.refusal_default partition of gateway.refusal default;
