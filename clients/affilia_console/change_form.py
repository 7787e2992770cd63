"""The contents of the page for a change request: what a person can choose, the changes so far, and the simulation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED, Choice, Consequence, ScopedChange
from affilia.enrollment.v1.change_request_service_pb2 import SimulateChangeRequestResponse
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia.type.v1.cost_pb2 import CostChange
from affilia_client.dates import span_from_proto, span_to_proto
from affilia_console.change_steps import role_of
from affilia_console.drafts import Draft
from affilia_console.inputs import day_in
from affilia_console.pictures import Picture
from affilia_console.requesters import requester_of
from affilia_console.visits import Visit
from affilia_views.choices import choice_item
from affilia_views.costs import PayerCost, payer_costs
from affilia_views.family_members import Types
from affilia_views.outline import Item
from affilia_views.overriding import OverridableRule, described_rule, overridable_rules
from affilia_views.reasons import consequence_item, notice_item, violation_items
from affilia_views.server_names import ServerNames
from affilia_views.words import change_words

SIMULATED = "simulation"
"""The reason used to simulate an admin's request before a reason is entered. It isn't stored."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A monthly cost before and after a change."""

    change: CostChange

    @property
    def payers(self) -> list[PayerCost]:
        return payer_costs(self.change)

    @property
    def changes(self) -> bool:
        return self.change.before != self.change.after


@dataclass(frozen=True, slots=True)
class Offer:
    """A module that a person can choose, or the reasons why they can't."""

    choice: Choice
    about: Item
    action: str
    """The label of the button that enrolls the person."""
    cost: Cost | None


@dataclass(frozen=True, slots=True)
class ToAccept:
    """Days that other people or other modules would lose. The key identifies them in the form."""

    key: str
    about: Item
    is_accepted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """What the changes would do. They are approved only if all consequences in `to_accept` are accepted."""

    answer: SimulateChangeRequestResponse
    picture: Picture
    violations: Sequence[Item]
    notices: Sequence[Item]
    to_accept: Sequence[ToAccept]
    overridable: Sequence[OverridableRule]
    cost: Cost | None

    @property
    def is_approved(self) -> bool:
        """Whether the request would be approved once all consequences are accepted."""
        return self.answer.verdict == VERDICT_APPROVED


def offers(visit: Visit, draft: Draft, group: EnrollmentGroup, types: Types) -> list[Offer]:
    """Returns the modules on the first day: those that the chosen person can choose, and why others are unavailable."""
    on = day_in(draft.choosing.first, "First day")
    if not draft.choosing.member_id or on is None:
        return []
    found = visit.client.changes.list_available_choices(
        group_id=group.group_id,
        member_id=draft.choosing.member_id,
        membership_type=role_of(draft, types),
        on=on,
    ).choices
    names = visit.names
    names.load_modules(each.module_id for each in found)
    slots = names.slots(each.module_id for each in found)
    taken = {slots[each.module_id] for each in found if each.enrolled and each.module_id in slots}
    return [_offer(each, group.key.contract_id, names, switches=slots.get(each.module_id) in taken) for each in found]


def _offer(choice: Choice, contract_id: str, names: ServerNames, *, switches: bool) -> Offer:
    about = choice_item(choice, contract_id, names, with_cost=False)
    cost = Cost(choice.cost) if choice.HasField("cost") else None
    if choice.enrolled:
        action = "Enroll for these days"
    elif not choice.allowed:
        action = "Request anyway"
    else:
        action = "Switch to this" if switches else "Enroll"
    return Offer(choice, about, action, cost)


def simulation(visit: Visit, draft: Draft, group: EnrollmentGroup) -> Simulation:
    """Simulates the changes of a draft as if all consequences were accepted."""
    answer = visit.client.changes.simulate_change_request(
        group=group.key,
        changes=draft.changes,
        requester=requester_of(visit.session.person, draft.reason or SIMULATED),
        accept_consequences=True,
        overridden_rules=draft.overrides,
    )
    contract_id, names = group.key.contract_id, visit.names
    for named in (answer.violations, answer.notices, answer.consequences):
        names.load_members(each.member_id for each in named)
        names.load_modules(each.module_id for each in named)
    found = overridable_rules(answer.violations, answer.notices, contract_id, names)
    codes = {rule.code for rule in found}
    return Simulation(
        answer,
        _picture(visit, draft, group, answer),
        violation_items(answer.violations, contract_id, names, answer.violations_omitted),
        [notice_item(each, contract_id, names) for each in answer.notices],
        [ToAccept(key, consequence_item(each, names), key in draft.accepted) for key, each in _by_key(answer)],
        [*(described_rule(code, contract_id, names) for code in draft.overrides if code not in codes), *found],
        Cost(answer.cost) if answer.HasField("cost") else None,
    )


def _picture(visit: Visit, draft: Draft, group: EnrollmentGroup, answer: SimulateChangeRequestResponse) -> Picture:
    before, after = (
        EnrollmentGroup(group_id=group.group_id, key=group.key, periods=periods)
        for periods in (answer.periods_before, answer.periods_after)
    )
    opened = visit.request.query_params.getlist("open")
    contract = visit.names.contract(group.key.contract_id)
    only_changed = bool(visit.query.get("changed"))
    return Picture(visit.names, contract, after, before, opened, only_changed, f"{draft.address}?simulated=1")


def _by_key(answer: SimulateChangeRequestResponse) -> list[tuple[str, Consequence]]:
    return [(consequence_key(each), each) for each in answer.consequences]


def consequence_key(consequence: Consequence) -> str:
    """Returns the key that identifies a consequence in the form."""
    days = "/".join(str(on or "") for on in span_from_proto(consequence.days))
    return f"{consequence.member_id}/{consequence.module_id}/{days}"


def consequences_of(keys: Iterable[str]) -> list[Consequence]:
    """Returns the consequences with these keys. Raises Refused if a key is malformed."""
    found = []
    for key in sorted(keys):
        member_id, _, rest = key.partition("/")
        module_id, _, days = rest.partition("/")
        first, _, last = days.partition("/")
        span = span_to_proto(*(day_in(day, "The consequence") for day in (first, last)))
        found.append(Consequence(member_id=member_id, module_id=module_id, days=span))
    return found


def change_lines(changes: Sequence[ScopedChange], names: ServerNames) -> list[tuple[str, bool]]:
    """Returns each change of a draft in words, and whether it can be edited."""
    return [(change_words(each, names), each.WhichOneof("change") != "revert") for each in changes]
