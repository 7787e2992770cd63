"""Scenarios: worked cases played against a running server over gRPC."""
