"""Interceptors around every call: telemetry, errors, identity, limits, admission, audit, validation."""
