"""What may be logged about an unexpected exception: its type and where it was raised, never its text.

The text of an exception may quote what a caller sent.
"""

import traceback
from typing import Any

MAX_FRAMES = 12


def described(error: BaseException | None) -> dict[str, Any]:
    """Returns the fields of a log line about an exception; none for None."""
    if error is None:
        return {}
    code = sqlstate(error)
    return {"error": type(error).__name__, **({"sqlstate": code} if code else {}), "where": where(error)}


def sqlstate(error: BaseException | None) -> str:
    """Returns PostgreSQL's code of an error, or of the error that caused it; empty if neither has one."""
    while error is not None:
        code = getattr(error, "sqlstate", None)
        if isinstance(code, str):
            return code
        error = error.__cause__
    return ""


def where(error: BaseException) -> list[str]:
    """Returns where an exception was raised, innermost frame first."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames)][:MAX_FRAMES]
