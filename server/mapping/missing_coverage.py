"""Maps explanations of missing coverage."""

from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from domain.days import to_date
from domain.enrollment.explained_in_words import Reader
from operations.missing_coverage import LostDay, MissingCoverage
from server.mapping.explanation import explained_run_to_proto, failed_rule_to_proto


def explanation_to_proto(missing: MissingCoverage, reader: Reader) -> pb.CheckEligibilityResponse:
    """Returns a response with only the fields that explain why a member isn't covered."""
    answer = pb.CheckEligibilityResponse(missing_coverage_omitted=missing.omitted)
    for each in missing.enrollments:
        key = each.key
        explained = answer.missing_coverage.add(
            group_id=str(each.group_id), member_id=str(key.member_id), module_id=str(key.module_id)
        )
        if isinstance(each, LostDay):
            run = explained_run_to_proto(each.run, each.difference, reader)
            explained.revision, explained.summary = each.revision, run.summary
            explained.failed_rules.extend(run.failed_rules)
        else:
            rules = [failed_rule_to_proto(rule, key.member_id, each.origins, reader) for rule in each.rules]
            explained.failed_rules.extend(rules)
            explained.summary = f"Excluded on {to_date(each.day)}. {' '.join(rule.summary for rule in rules)}"
    return answer
