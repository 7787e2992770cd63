"""Pricing: what a month of coverage costs, and who pays for it."""
