"""What the data subject sees and does: signing in, consenting, their own pages."""
