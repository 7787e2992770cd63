"""Groups of gRPC methods, by prefix or suffix of their full names."""

from dataclasses import dataclass

OURS = "/affilia."
HEALTH = "/grpc.health.v1.Health/"

QUIET_METHODS = ("/grpc.health.", "/grpc.reflection.", "/grpc.channelz.")
"""Not logged: health checks are too frequent, and the others are for operators."""

LASTING_METHODS = ("/Watch", "/WatchEnrollments", "/RunPremiums", "/ServerReflectionInfo")
"""Long-lived streams, to which the default deadline doesn't apply."""

UNKNOWN = "unknown"
"""Stands for every method that a listener doesn't serve."""


def is_always_admitted(name: str) -> bool:
    """Returns whether admission lets every call of a method in: health checks and streams."""
    return name.endswith(LASTING_METHODS) or name.startswith(HEALTH)


@dataclass(frozen=True, slots=True)
class Method:
    """A method, with the groups to which it belongs. Created once per method, so that calls don't compare names."""

    name: str
    is_health: bool
    is_quiet: bool
    is_lasting: bool
    is_always_admitted: bool
    request_streaming: bool
    response_streaming: bool

    @classmethod
    def of(cls, name: str, *, request_streaming: bool = False, response_streaming: bool = False) -> "Method":
        return cls(
            name,
            name.startswith(HEALTH),
            name.startswith(QUIET_METHODS),
            name.endswith(LASTING_METHODS),
            is_always_admitted(name),
            request_streaming,
            response_streaming,
        )
