"""What a failed call says, for programs: its status, its reason, and the facts beside it.

Reasons and what to do about each stand in `affilia/type/v1/error_reason.proto`.
"""

from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

STATUS_DETAILS = "grpc-status-details-bin"


@dataclass
class CallFailed(Exception):
    """A call that failed. `reason` is empty where the failure is the connection's, not the server's."""

    code: grpc.StatusCode
    reason: str
    message: str
    facts: dict[str, str] = field(default_factory=dict)
    retry_after_seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.code.name}/{self.reason}: {self.message}" if self.reason else f"{self.code.name}: {self.message}"


def call_failed(error: Any) -> CallFailed:
    """Decodes what gRPC raised: a `grpc.RpcError` or `grpc.aio.AioRpcError`."""
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for name, value in error.trailing_metadata() or ():
        if name == STATUS_DETAILS:
            for detail in _details(value):
                detail.Unpack(info)
                detail.Unpack(retry)
    after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return CallFailed(error.code(), info.reason, error.details() or "", dict(info.metadata), after)


def _details(value: Any) -> Any:
    try:
        return status_pb2.Status.FromString(value).details
    except DecodeError:
        return ()  # a proxy's, not ours
