-- Initial access tokens (RFC 7591 3): a steward lets a partner register one client by itself, which somebody else approves.

create table gateway.initial_token (
    token_id uuid primary key,
    token_sha256 bytea not null unique,
    partner_id uuid not null references gateway.partner,
    issued_by uuid not null references gateway.staff,
    issued_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    used_at timestamptz,
    change_id uuid references gateway.change,           -- the client that was registered with it
    check ((used_at is null) = (change_id is null))
);
grant select, insert, update on gateway.initial_token to gateway;

-- What a partner registers is proposed in the name of the steward who issued its token, and told apart from what they did themselves
alter table gateway.act
    drop constraint act_door_check,
    add constraint act_door_check check (door in ('console', 'graphql', 'cli', 'registration'));
