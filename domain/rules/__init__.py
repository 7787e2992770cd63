"""Rules: the condition language of contracts, and the days on which conditions hold."""
