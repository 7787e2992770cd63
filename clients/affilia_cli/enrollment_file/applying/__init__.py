"""Checks a plan against limits, applies it, and reports on every member."""
