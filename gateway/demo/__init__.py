"""微单单 in miniature: invented data subjects, partners and consents, and the command that shows what each partner gets."""
