"""What `make run` says when the sample book is there: three calls to paste."""

FRENCH_CONTRACT = "add27ee2-68fc-5fa7-8622-aafaba867494"
FRENCH_PRIMARY = "26743fe3-5d6d-5b0a-af0a-f53648a8a7ad"
FRENCH_OPTION = "27270843-e8a9-5d85-a835-2b36436cb605"

QUERY = "affilia.enrollment.v1.EnrollmentQueryService"
REQUESTS = "affilia.enrollment.v1.ChangeRequestService"


def three_calls(address: str) -> str:
    """Look at a family, ask for a change, look at what it changed; each a line for a POSIX shell."""
    key = f'{{"contract_id": "{FRENCH_CONTRACT}", "primary_id": "{FRENCH_PRIMARY}"}}'
    leave = (
        f'{{"leave": {{"member_id": "{FRENCH_PRIMARY}", "module_id": "{FRENCH_OPTION}",'
        ' "days": {"first_on": {"year": 2027, "month": 1, "day": 1}}}}'
    )
    submit = (
        f'{{"request_id": "5e1f0c52-7a3b-4c8e-9d64-0b1a2c3d4e5f", "group": {key}, "changes": [{leave}],'
        f' "requester": {{"role": "REQUESTER_ROLE_MEMBER", "requester_id": "{FRENCH_PRIMARY}"}}}}'
    )
    calls = (
        ("who is on what in one family", f"{QUERY}/GetEnrollmentGroup", f'{{"key": {key}}}'),
        ("the primary leaves the option at the end of 2026", f"{REQUESTS}/SubmitChangeRequest", submit),
        ("the family as it was before", f"{QUERY}/GetEnrollmentGroup", f'{{"key": {key}, "revision": 1}}'),
    )
    lines = [f"# {what}\n{_curl(address, method, body)}" for what, method, body in calls]
    return "\nThree calls to paste:\n\n" + "\n\n".join(lines) + "\n"


def _curl(address: str, method: str, body: str) -> str:
    return f".venv/bin/buf curl --protocol grpc --http2-prior-knowledge -d '{body}' http://{address}/{method}"
