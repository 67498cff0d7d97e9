"""The gateway: everything that touches a wire, a database, a clock, a key or a log."""
