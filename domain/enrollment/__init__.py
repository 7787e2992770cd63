"""Enrollment: who is on what, when, and why; computed from decisions, facts and the contract."""
