"""Groups of gRPC methods, by prefix or suffix of their full names."""

OURS = "/affilia."
HEALTH = "/grpc.health.v1.Health/"

QUIET_METHODS = ("/grpc.health.", "/grpc.reflection.", "/grpc.channelz.")
"""Not logged: health checks are too frequent, and the others are for operators."""

LASTING_METHODS = ("/Watch", "/WatchEnrollments", "/RunPremiums", "/ServerReflectionInfo")
"""Long-lived streams, to which the default deadline doesn't apply."""

UNKNOWN = "unknown"
"""Stands for every method that a listener doesn't serve."""
