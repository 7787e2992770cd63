"""Describes the server's verdicts in sentences, for reports."""

from affilia.enrollment.v1.change_request_pb2 import Consequence, Notice, UnmetEnroll, Violation, ViolationCode
from affilia.type.v1.date_span_pb2 import DateSpan
from affilia_client.dates import span_from_proto


def describe_violation(violation: Violation) -> str:
    """Returns the code of a violation, the code of the rule if there is one, and the server's message."""
    code = ViolationCode.Name(violation.code).removeprefix("VIOLATION_CODE_")
    return f"{' '.join(part for part in (code, violation.rule_code) if part)}: {violation.message}"


def describe_notice(notice: Notice | UnmetEnroll) -> str:
    """Returns the requested days that are not in effect, and the reasons."""
    days = " and ".join(_describe_days(each) for each in notice.days)
    reasons = "; ".join(describe_violation(each) for each in notice.reasons)
    return f"not enrolled in module {notice.module_id} {days}: {reasons}"


def describe_consequence(consequence: Consequence) -> str:
    """Returns the days that a member loses because of other changes."""
    days = _describe_days(consequence.days)
    return f"loses module {consequence.module_id} {days} because of other changes in the family"


def _describe_days(days: DateSpan) -> str:
    first_on, last_on = span_from_proto(days)
    if last_on is None:
        return f"from {first_on}" if first_on else "on any day"
    return f"from {first_on} to {last_on}" if first_on else f"until {last_on}"
