"""Premiums: what is owed, month by month, and how it is kept right when the past changes."""
