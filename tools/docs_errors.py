"""The page of errors: every reason, its status, what its metadata hold, and what a caller should do.

What a reason means is said by the comments of the ErrorReason enum; which status it has and whether repeating helps, by
the table of the server. Where the two contradict each other, no page is made.
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

- `ErrorInfo`, always: a **reason** from the table below, the domain `{DOMAIN}`, and metadata that say what it is about.
  Branch on the reason. The message is for people; it may change at any time.
- `BadRequest` with REQUEST_MALFORMED: a violation for every field that is wrong, all at once.
- `RetryInfo` where repeating helps: how long to wait before.

The trailers also carry `x-request-id`: the id under which the call stands in the server's log. A caller may send its
own in the metadata of the same name (letters, digits, `.`, `_`, `-`; at most 64).

What gRPC itself refuses has no `ErrorInfo`: an unknown method is UNIMPLEMENTED, a message above the size limit
RESOURCE_EXHAUSTED, a connection that cannot be made or is lost UNAVAILABLE.

A rejected change request is no error: `SubmitChangeRequest` succeeds and answers VERDICT_REJECTED with every violation.
"""


def errors_page(protos: Protos) -> str:
    """The whole catalogue, grouped by status in the order of gRPC's numbers."""
    said = {value.removeprefix(PREFIX): comment for value, comment in protos.enums[ENUM].values}
    said.pop("UNSPECIFIED")
    parts = [GENERATED, BEGINNING, "## Errors of any call\n"]
    parts.append(
        "Every call may end with these, whether or not its description names them (those that only read do not end with"
        " WRITE_CONFLICT):"
        f" {', '.join(f'[{reason}](#{reason.lower()})' for reason in ANY_CALL)}.\n"
    )
    codes = sorted(set(STATUS.values()), key=lambda code: code.value[0])
    for code in codes:
        parts += [f"## {code.name}\n", "| reason | what happened, what to do | metadata | does repeating help? |"]
        parts.append("|---|---|---|---|")
        parts += [_row(name, comment) for name, comment in said.items() if STATUS[Reason(name)] is code]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _row(name: str, comment: str) -> str:
    found = COMMENT.fullmatch(comment)
    assert found is not None  # noqa: S101 (every part of it is optional)
    reason = Reason(name)
    status = STATUS[reason].name
    if found["status"] not in (None, status):
        sys.exit(f"{name} is {status} in server/errors.py, and {found['status']} in error_reason.proto")
    metadata = METADATA_KEY.sub(r"`\g<0>`", found["metadata"] or "")
    return f'| <a id="{name.lower()}"></a>`{name}` | {found["text"]} | {metadata} | {_repeating(reason)} |'


def _repeating(reason: Reason) -> str:
    if reason in RETRY_AFTER_SECONDS:
        return f"yes, after {RETRY_AFTER_SECONDS[reason]:g} s (`RetryInfo`)"
    match STATUS[reason].name:
        case "DEADLINE_EXCEEDED":
            return "yes, with more time"
        case "ABORTED":
            return "not as it is: read, and decide anew"
        case "FAILED_PRECONDITION" | "NOT_FOUND":
            return "not until what it speaks of has changed"
        case _:
            return "no"
