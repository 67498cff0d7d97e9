"""Logs, metrics and health: event names, ids and counts, never a value (policy 9.2)."""
