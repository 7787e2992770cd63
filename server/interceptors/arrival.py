"""The properties of a call besides its request. They are read once, because each read is a call into gRPC's core."""

from typing import Any, NamedTuple

from server.rpc_types import Context

AUTHORIZATION = "authorization"


class Arrival(NamedTuple):
    """`peer` is gRPC's name of the connection (`ipv4:192.0.2.1:40000`). `metadata` has pairs of name and value.

    Reading the peer after a call has ended, as a cancelled stream may do, crashes the process.
    """

    peer: str
    metadata: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, context: Context) -> "Arrival":
        metadata: Any = context.invocation_metadata() or ()
        return cls(str(context.peer()), metadata)

    @property
    def credential(self) -> int:
        """A hash of the credential of the call, or else of its peer."""
        for name, value in self.metadata:
            if name == AUTHORIZATION:
                return hash(value)
        return hash(self.peer)
