-- The platform tables of 微单单 that its catalogue names (policy chapter 1). They belong to the platform, not to the gateway: the demo,
-- the tests and the benchmarks create them with this file, a real installation brings its own. Safe to run again.
-- Each child table is read newest first, then by primary key, for a page of subjects: hence the index of every one.
create schema if not exists platform;

-- policy 1.2 account; 1.3 location. No row may be missing a subject_id, everything else may
create table if not exists platform.account (
    subject_id uuid primary key,
    real_name text,
    mobile_number text,
    national_id text,
    email text,
    birth_date date,
    city text,
    language text,
    registered_at timestamptz,
    location point,                                     -- x: longitude, y: latitude, degrees
    login text unique
);

-- policy 1.2 postal addresses
create table if not exists platform.address (
    address_id uuid primary key,
    subject_id uuid not null,
    recipient text,
    mobile_number text,
    street text,                                        -- a full postal line: 广东省深圳市南山区科技路12号3栋502室
    city text,
    postcode text
);
create index if not exists address_by_subject on platform.address (subject_id, address_id);

-- policy 1.2 content; a deleted or un-shared item is gone from the next query on (policy 4)
create table if not exists platform.post (
    post_id uuid primary key,
    subject_id uuid not null,
    text text,
    posted_at timestamptz,
    depicted_ids uuid[] not null default '{}',
    deleted_at timestamptz,
    is_shared boolean not null default true
);
create index if not exists post_by_subject on platform.post (subject_id, posted_at desc, post_id);

create table if not exists platform.photo (
    photo_id uuid primary key,
    subject_id uuid not null,
    url text,
    taken_at timestamptz,
    depicted_ids uuid[] not null default '{}',
    deleted_at timestamptz,
    is_shared boolean not null default true
);
create index if not exists photo_by_subject on platform.photo (subject_id, taken_at desc, photo_id);

-- policy 1.4: one row for each person whom a post of somebody else depicts
create table if not exists platform.mention (
    mention_id uuid primary key,
    post_id uuid not null,
    author_id uuid not null,
    depicted_id uuid not null
);
create index if not exists mention_by_depicted on platform.mention (depicted_id, mention_id);
create index if not exists mention_by_post on platform.mention (post_id);

create table if not exists platform.survey_answer (
    answer_id uuid primary key,
    subject_id uuid not null,
    text text,
    answered_at timestamptz
);
create index if not exists survey_answer_by_subject on platform.survey_answer (subject_id, answered_at desc, answer_id);

create table if not exists platform.support_case (
    case_id uuid primary key,
    subject_id uuid not null,
    text text,
    opened_at timestamptz
);
create index if not exists support_case_by_subject on platform.support_case (subject_id, opened_at desc, case_id);

-- policy 1.3 logs, software
create table if not exists platform.service_event (
    event_id uuid primary key,
    subject_id uuid not null,
    kind text,
    occurred_at timestamptz,
    ip_address inet,
    referrer text
);
create index if not exists service_event_by_subject on platform.service_event (subject_id, occurred_at desc, event_id);

create table if not exists platform.device (
    device_id uuid primary key,
    subject_id uuid not null,
    app_version text,
    browser text
);
create index if not exists device_by_subject on platform.device (subject_id, device_id);

-- policy 1.5: where and when the platform account was used to sign in
create table if not exists platform.partner_login (
    login_id uuid primary key,
    subject_id uuid not null,
    partner_name text,
    logged_in_at timestamptz
);
create index if not exists partner_login_by_subject on platform.partner_login (subject_id, logged_in_at desc, login_id);

grant usage on schema platform to gateway;
grant select on all tables in schema platform to gateway;
