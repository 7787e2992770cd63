"""Stores and reads everything that Affilia records: one file of SQL per area, on top of `storage.postgres`."""
