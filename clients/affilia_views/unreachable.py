"""Explains in a sentence why no server answered, instead of showing gRPC's message for programmers."""

import re
from typing import NamedTuple


class _Cause(NamedTuple):
    """A pattern for gRPC's message, the cause, and what to do."""

    pattern: str
    cause: str
    advice: str


CAUSES = (
    _Cause("resolving|[Ll]ookup failed|not found", "its name can't be resolved", "Correct the address."),
    _Cause("[Rr]efused|No such file", "the connection was refused", "Start the server or correct the address."),
    _Cause("[Tt]imed? ?out|Timeout|Deadline", "it did not respond in time", "Correct the address or check firewalls."),
    _Cause(
        "[Hh]andshake|SSL|TLS|certificate|[Ss]ocket closed|recvmsg|[Cc]onnection reset|SETTINGS",
        "the connection broke off",
        "Check that the server listens there, and pass --ca only if it uses TLS.",
    ),
    _Cause("[Uu]nreachable|No route", "it can't be reached", "Correct the address or check the network."),
)

ADDRESS = re.compile(r"(?:resolving |ipv4:|ipv6:|unix:)(?P<address>\S+?)(?=: |$)")


def unreachable(grpc_message: str) -> str:
    """Returns a sentence for a call that no server answered: the address, the cause, and what to do."""
    found = ADDRESS.search(grpc_message)
    cause = next((each for each in CAUSES if re.search(each.pattern, grpc_message)), None)
    if found is None or cause is None:
        return f"No server answers: {grpc_message}"
    address = found["address"].replace("%5B", "[").replace("%5D", "]")
    return f"No server answers at {address}: {cause.cause}. {cause.advice}"
