"""Identifies the people of a file, and compares the facts that the file states with the stored ones."""
