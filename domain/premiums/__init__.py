"""Premiums: what is owed for each month, and how the ledger is corrected when the past changes."""
