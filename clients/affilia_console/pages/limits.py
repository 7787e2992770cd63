"""The limits of a person: how much of each is used, and the ledger of what was applied."""

from collections.abc import Mapping, Sequence
from datetime import date

from starlette.responses import Response

from affilia.eligibility.v1.accumulator_pb2 import Accumulator, AccumulatorApplication
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia_client.dates import date_to_proto
from affilia_console.finding import groups_of
from affilia_console.inputs import day_in
from affilia_console.parts import part
from affilia_console.visits import Visit
from affilia_views.days import today_under
from affilia_views.limits import (
    application_words,
    counters_of,
    currency_of,
    recorded_words,
    term_words,
    usage_words,
    used_share,
)
from affilia_views.people import name_of


def limits(visit: Visit) -> Response:
    """Shows a person's limits on a day, and all applications to them."""
    member_id = visit.path("member_id")
    found = visit.client.members.get_member(member_id=member_id)
    if found.merged_into:
        return visit.goes_to(f"/people/{found.merged_into}/limits", f"Member {member_id} was merged into this one.")
    asked = day_in(visit.query.get("on", ""), "On")
    groups = {group.group_id: group for group in groups_of(visit, member_id)}
    accumulators = _accumulators(visit, member_id, groups, asked)
    contracts = {key: visit.names.contract(group.key.contract_id) for key, group in groups.items()}
    units = {
        each.code: currency_of(each, contracts[each.group_id].currency_code if each.group_id in contracts else "")
        for each in accumulators
    }
    return visit.page(
        "limits.html",
        title=name_of(found.member),
        member_id=member_id,
        on=asked,
        families=[
            (visit.names.family(group.key), group, own)
            for group in groups.values()
            if (own := [each for each in accumulators if each.group_id == group.group_id])
        ],
        ledger=part(lambda: _ledger(visit, member_id)),
        about=_About(visit, units),
    )


def _accumulators(
    visit: Visit, member_id: str, groups: Mapping[str, EnrollmentGroup], asked: date | None
) -> list[Accumulator]:
    """Returns the limits that apply on a day, by default on each contract's own today."""
    days: dict[date, set[str]] = {}
    for group_id, group in groups.items():
        on = asked or today_under(visit.names.contract(group.key.contract_id))
        days.setdefault(on, set()).add(group_id)
    return [
        each
        for on, group_ids in days.items()
        for each in visit.client.eligibility.get_accumulators(member_id=member_id, date=date_to_proto(on)).accumulators
        if each.group_id in group_ids
    ]


def _ledger(visit: Visit, member_id: str) -> list[AccumulatorApplication]:
    return list(visit.client.internal.all_accumulator_applications(member_id=member_id))


class _About:
    """What the template shows of limits and applications. `units` are their currencies, by code."""

    def __init__(self, visit: Visit, units: Mapping[str, str]) -> None:
        self._visit, self._units = visit, units

    def term(self, accumulator: Accumulator) -> str:
        return term_words(accumulator)

    def counters(self, accumulator: Accumulator) -> Sequence[tuple[str, float | None, str]]:
        """Returns whose counter each is, the used share between 0 and 1 if there is a limit, and the usage in words."""
        unit = self._units[accumulator.code]
        return [(owner, used_share(each), usage_words(each, unit)) for owner, each in counters_of(accumulator)]

    def application(self, application: AccumulatorApplication) -> str:
        return application_words(application, self._units.get(application.code, ""))

    def recorded(self, application: AccumulatorApplication) -> str:
        return recorded_words(application, self._visit.names)
