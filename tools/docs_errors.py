"""The page of errors: every reason with its status, its metadata, and what the caller should do.

The comments of the ErrorReason enum define what a reason means; the server's table defines its status and whether a
retry helps. The page isn't generated if the two contradict each other.
"""

import re
import sys

from domain.errors import Reason
from server.errors import DOMAIN, RETRY_AFTER_SECONDS, STATUS
from tools.docs_protos import Protos
from tools.docs_services import GENERATED

ENUM, PREFIX = ".affilia.type.v1.ErrorReason", "ERROR_REASON_"
COMMENT = re.compile(r"(?:(?P<status>[A-Z_]+)\. )?(?P<text>.*?)(?: Metadata: (?P<metadata>.*)\.)?")

METADATA_KEY = re.compile(r"\b(?!or\b|and\b)[a-z]\w*")

ANY_CALL = (
    Reason.REQUEST_MALFORMED,
    Reason.TOKEN_INVALID,
    Reason.WRITE_CONFLICT,
    Reason.DATABASE_UNAVAILABLE,
    Reason.SHUTTING_DOWN,
    Reason.OVERLOADED,
    Reason.TOO_LATE,
    Reason.DEFECT,
)

BEGINNING = f"""\
# Errors

A failed call ends with a gRPC status, and with `google.rpc.Status` in its trailers (`grpc-status-details-bin`):

- `ErrorInfo`, always: a **reason** from the tables below, the domain `{DOMAIN}`, and metadata with the related values.
  Branch on the reason. The message is for people and can change at any time.
- `BadRequest`, with REQUEST_MALFORMED: one violation for each invalid field, all in one response.
- `RetryInfo`, if retrying helps: how long to wait first.

The trailers also carry `x-request-id`, the id of the call in the server's log. Callers can choose it with metadata of
the same name (at most 64 letters, digits, `.`, `_`, `-`).

Errors of gRPC itself have no `ErrorInfo`: an unknown method is UNIMPLEMENTED, a message above the size limit is
RESOURCE_EXHAUSTED, and a connection that can't be made or is lost is UNAVAILABLE.

A rejected change request is not an error: `SubmitChangeRequest` returns VERDICT_REJECTED with every violation.
"""


def errors_page(protos: Protos) -> str:
    """Returns the page, grouped by status in the order of gRPC's numbers."""
    comments = {value.removeprefix(PREFIX): comment for value, comment in protos.enums[ENUM].values}
    comments.pop("UNSPECIFIED")
    parts = [GENERATED, BEGINNING, "## Errors of any call\n"]
    parts.append(
        "Every call can return these, even if its description doesn't list them (calls that only read don't return"
        " WRITE_CONFLICT):"
        f" {', '.join(f'[{reason}](#{reason.lower()})' for reason in ANY_CALL)}.\n"
    )
    codes = sorted(set(STATUS.values()), key=lambda code: code.value[0])
    for code in codes:
        parts += [f"## {code.name}\n", "| reason | what happened, what to do | metadata | retry? |"]
        parts.append("|---|---|---|---|")
        parts += [_row(name, comment) for name, comment in comments.items() if STATUS[Reason(name)] is code]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _row(name: str, comment: str) -> str:
    found = COMMENT.fullmatch(comment)
    assert found is not None  # noqa: S101 (every part of the pattern is optional)
    reason = Reason(name)
    status = STATUS[reason].name
    if found["status"] not in (None, status):
        sys.exit(f"{name} is {status} in server/errors.py, but {found['status']} in error_reason.proto")
    metadata = METADATA_KEY.sub(r"`\g<0>`", found["metadata"] or "")
    return f'| <a id="{name.lower()}"></a>`{name}` | {found["text"]} | {metadata} | {_retrying(reason)} |'


def _retrying(reason: Reason) -> str:
    if reason in RETRY_AFTER_SECONDS:
        return f"yes, after {RETRY_AFTER_SECONDS[reason]:g} s (`RetryInfo`)"
    match STATUS[reason].name:
        case "DEADLINE_EXCEEDED":
            return "yes, with a longer deadline"
        case "ABORTED":
            return "not unchanged: read the current state and decide again"
        case "FAILED_PRECONDITION" | "NOT_FOUND":
            return "not until the underlying state changes"
        case _:
            return "no"
