"""SQL: what the gateway asks of PostgreSQL, and the launcher of an embedded one."""
