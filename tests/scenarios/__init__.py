"""Scenarios: the documented cases, played against a running server over gRPC."""
