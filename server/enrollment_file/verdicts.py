"""The server's answers in sentences, for reports."""

import grpc

from affilia.enrollment.v1.change_request_pb2 import Consequence, Notice, Violation, ViolationCode
from affilia.type.v1.date_span_pb2 import DateSpan
from affilia_client.errors import call_failed
from server.enrollment_file.book import day_of


def describe_violation(violation: Violation) -> str:
    """Why a change was refused: the code, the rule's own code where there is one, and the server's sentence."""
    code = ViolationCode.Name(violation.code).removeprefix("VIOLATION_CODE_")
    return f"{' '.join(part for part in (code, violation.rule_code) if part)}: {violation.message}"


def describe_notice(notice: Notice) -> str:
    """Days that were asked for and are not had, and which rules stand against them."""
    days = " and ".join(_describe_days(each) for each in notice.days)
    reasons = "; ".join(describe_violation(each) for each in notice.reasons)
    return f"not on module {notice.module_id} {days}: {reasons}"


def describe_consequence(consequence: Consequence) -> str:
    """Days that somebody loses by what was asked for another enrollment."""
    return f"loses module {consequence.module_id} {_describe_days(consequence.days)} by other changes of the family"


def describe_error(fault: grpc.RpcError) -> str:
    """The status of a failed call, its reason and every field violation, on one line."""
    return str(call_failed(fault))


def _describe_days(days: DateSpan) -> str:
    first_on, last_on = day_of(days.first_on), day_of(days.last_on)
    if last_on is None:
        return f"from {first_on}" if first_on else "on any day"
    return f"from {first_on} to {last_on}" if first_on else f"until {last_on}"
