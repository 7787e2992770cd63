"""Makes the consistency tokens that writes return, and reads those in requests."""

from typing import Any
from uuid import UUID

from operations.call import current_call
from server.tokens import Tokens
from storage.history import UnloggedWrite, WriteMark

FIELD = "consistency_token"
KIND, VERSION = "seen", 2


def consistency_token(tokens: Tokens) -> str:
    """Returns the token of the last transaction of the running call; empty if it has written nothing."""
    write = current_call().trail.write
    if write is None:
        return ""
    return tokens.made(KIND, {"v": VERSION, "epoch": write.epoch_id.hex, "key": write.key})


def write_from_token(tokens: Tokens, token: str) -> WriteMark | UnloggedWrite:
    """Returns the write that a token refers to. Raises TokenInvalid."""
    payload: dict[str, Any] = tokens.read(KIND, token, FIELD)
    if payload["v"] >= VERSION:
        return WriteMark(UUID(payload["epoch"]), payload["key"])
    return UnloggedWrite(
        policy=_state(payload, "policy"), contract=_state(payload, "contract"), usage=_state(payload, "usage")
    )


def _state(payload: dict[str, Any], name: str) -> tuple[UUID, int] | None:
    return (UUID(payload[name][0]), payload[name][1]) if name in payload else None
