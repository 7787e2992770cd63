"""What is known of methods by their names alone."""

OURS = "/affilia."
HEALTH = "/grpc.health.v1.Health/"

QUIET_METHODS = ("/grpc.health.", "/grpc.reflection.", "/grpc.channelz.")
"""Asked so often, or by so few, that nothing is logged of them."""

LASTING_METHODS = ("/Watch", "/WatchEnrollments", "/RunPremiums", "/ServerReflectionInfo")
"""Streams that may last: the deadline of a call that brings none is not for them."""

UNKNOWN = "unknown"
"""The name of every method that a listener does not have."""
