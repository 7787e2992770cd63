"""Reads sample files and loads them into a server."""
