"""A partner's view of the catalogue: only the fields its grants cover, with category and redaction in the SDL."""
