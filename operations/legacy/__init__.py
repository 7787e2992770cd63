"""Reads and writes groups of legacy tables, in the core's terms, for the operations that the core and they share."""
