-- A scope has one version that has begun and not been retired, whoever writes.
create unique index scope_version_active on gateway.scope_version (scope) where active_from is not null and retired_at is null;
