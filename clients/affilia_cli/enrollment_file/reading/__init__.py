"""Reads enrollment files: segments, checked against the implementation guide, become values with findings."""
