"""The standard gRPC health check, `grpc.health.v1.Health/Check`, as one more method of the client.

Both of its messages have a single field, so they are encoded exactly as two of protobuf's own wrapper messages. Using
these saves callers a dependency on grpcio-health-checking.
"""

from enum import IntEnum

from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from affilia_client.methods import Method


class HealthStatus(IntEnum):
    """The status of a server, or of one of its services."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2


CHECK = Method(
    service="grpc.health.v1.Health",
    name="Check",
    request=StringValue,
    response=Int32Value,
    reads=True,
    streams=False,
    fields=(),
    items="",
)


def health_request(service: str) -> Message:
    """Returns a request for the status of a service. An empty name stands for the whole server."""
    return StringValue(value=service)


def health_status(response: Message) -> HealthStatus:
    """Returns the status in a response. A status that this release doesn't know is UNKNOWN."""
    number = response.value  # type: ignore[attr-defined]
    return HealthStatus(number) if number in HealthStatus.__members__.values() else HealthStatus.UNKNOWN
