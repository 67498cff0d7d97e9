"""The authorization server: a module per RFC or endpoint. `routes.py` joins them; README.md keeps the dated decisions."""
