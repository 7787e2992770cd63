"""Says in words which of several policies pays first, and the rule that decided."""

from collections.abc import Iterator, Sequence

from affilia.eligibility.v1 import coverage_pb2
from affilia.eligibility.v1.coverage_pb2 import CoverageRecord
from affilia_views.names import Names

PAYS_NEXT = {
    coverage_pb2.PAYMENT_RULE_PRIMARY: "the member's own policy pays before all others",
    coverage_pb2.PAYMENT_RULE_COORDINATION: "the child's attribute COORDINATION names the primary before",
    coverage_pb2.PAYMENT_RULE_BIRTHDAY: "the primary's birthday is later in the year",
    coverage_pb2.PAYMENT_RULE_PRIMARY_COVERED_LONGER: "the policy before has covered its primary longer",
    coverage_pb2.PAYMENT_RULE_CHILD_AND_PARTNER: "one as child, one as partner: the longer coverage pays first",
    coverage_pb2.PAYMENT_RULE_ACTIVE_EMPLOYMENT: "only the primary before is in active employment",
    coverage_pb2.PAYMENT_RULE_COVERED_LONGER: "the policy before has covered the member longer",
    coverage_pb2.PAYMENT_RULE_POLICY_ID: "no other rule decides; the policy before has the lower id",
}
"""Why a policy pays after the one before it."""


def payment_in_words(records: Sequence[CoverageRecord], names: Names) -> Iterator[str]:
    """Yields, for each record in order of payment, when its policy pays and why.

    Yields an empty text for additional records of a policy, and if there is only one policy.
    """
    has_several = len({record.group_id for record in records}) > 1
    for n, record in enumerate(records):
        if not has_several or record.decided_by == coverage_pb2.PAYMENT_RULE_SAME_POLICY:
            yield ""
        elif n == 0:
            yield f"pays first: {names.family(record.key)}"
        else:
            reason = PAYS_NEXT.get(record.decided_by, "")  # a newer server can have more rules
            yield f"pays next: {names.family(record.key)}" + (f" ({reason})" if reason else "")
