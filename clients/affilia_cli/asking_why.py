"""Reads why a member is or isn't covered on a day. `why` prints the answer, and the console shows it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from affilia.catalog.v1.contract_pb2 import Contract
from affilia.eligibility.v1 import eligibility_check_service_pb2 as eligibility_pb2
from affilia.eligibility.v1.eligibility_check_service_pb2 import CheckEligibilityResponse, MissingCoverage
from affilia.enrollment.v1.change_request_pb2 import Choice
from affilia.enrollment.v1.change_request_service_pb2 import ListAvailableChoicesResponse
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia_cli.days import DayInQuestion
from affilia_cli.explained_days import having, lacking
from affilia_client import Client
from affilia_client.dates import date_to_proto
from affilia_views.explanations import ExplainedDay
from affilia_views.names import Names


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known about a member's coverage on a day."""

    check: CheckEligibilityResponse
    on: date | DayInQuestion
    """The day or, if it differs between the contracts of the member's groups, the day as it was given."""
    groups: Sequence[EnrollmentGroup]
    choices: Sequence[ListAvailableChoicesResponse]
    """What the member can choose in each of the groups."""
    modules: frozenset[str] | None
    """The modules that the question is about. None: all."""
    missing: Sequence[MissingCoverage]
    missing_omitted: int
    explained: Sequence[ExplainedDay]

    def choices_of(self, index: int) -> list[Choice]:
        """Returns the choices in the group with this index that the question is about."""
        found = self.choices[index].choices
        return [each for each in found if self.modules is None or each.module_id in self.modules]


def ask_why(
    client: Client,
    names: Names,
    member_id: str,
    groups: Sequence[EnrollmentGroup],
    on: DayInQuestion,
    wanted: Mapping[str, str],
) -> Answer:
    """Reads a member's coverage by any module or, if `wanted` has a `module_id` or a `capability`, by that one."""
    check = _check(client, member_id, on, **wanted)

    def day_under(contract_id: str) -> date:
        return on.under(names.contract(contract_id))

    choices = [
        client.changes.list_available_choices(
            group_id=group.group_id, member_id=member_id, on=day_under(group.key.contract_id)
        )
        for group in groups
    ]
    modules = _modules_for(wanted, [names.contract(group.key.contract_id) for group in groups]) if wanted else None
    checks = [check] if wanted else [check, *_other_checks(client, check, choices, on)]
    found = [each for answer in checks for each in answer.missing_coverage]
    missing = [each for each in found if modules is None or each.module_id in modules]
    covering = check.records if check.covered else ()
    days = {day_under(group.key.contract_id) for group in groups}
    return Answer(
        check,
        days.pop() if len(days) == 1 else on,
        groups,
        choices,
        modules,
        missing,
        sum(answer.missing_coverage_omitted for answer in checks),
        [*having(client, covering, day_under), *lacking(client, missing, groups, day_under)],
    )


def _other_checks(
    client: Client, answer: CheckEligibilityResponse, choices: Iterable[ListAvailableChoicesResponse], on: DayInQuestion
) -> list[CheckEligibilityResponse]:
    """Returns checks of the modules that don't cover a member who is otherwise covered on a day.

    A check explains missing coverage only if the member isn't covered as requested.
    """
    if not answer.covered:
        return []
    member_id = answer.records[0].member_id
    others = dict.fromkeys(each.module_id for found in choices for each in found.choices if not each.enrolled)
    return [_check(client, member_id, on, module_id=module_id) for module_id in others]


def _check(client: Client, member_id: str, on: DayInQuestion, **wanted: str) -> CheckEligibilityResponse:
    day = date_to_proto(on.given) if on.given else None
    check = eligibility_pb2.EligibilityCheck(member_id=member_id, date=day, **wanted)
    return client.eligibility.check_eligibility(check=check, explain=True)


def _modules_for(wanted: Mapping[str, str], contracts: Iterable[Contract]) -> frozenset[str]:
    """Returns the module in the question, or all modules with the capability in the question."""
    return frozenset(
        module.module_id
        for contract in contracts
        for version in contract.versions
        for module in version.modules
        if wanted.get("module_id") == module.module_id or wanted.get("capability") in module.capabilities
    )
