"""Contracts: files that say what a partner must get, and proof against a running gateway that this is what it gets."""
