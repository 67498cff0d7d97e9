"""shopmate's small web site: a partner of 微单单's as a stranger would write it.

It knows the gateway over HTTP alone, and imports nothing of it: what it was told (`demo.json`) and what the gateway announces
about itself are all it has.
"""
