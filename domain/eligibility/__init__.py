"""Eligibility: whether a member is covered, for what, and how much of each limit is used."""
