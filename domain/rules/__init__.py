"""Rules: the conditions that a contract can set."""
