"""Order of payment: which of a member's policies pays first on a day, and the rule that decides.

Two policies are compared by rules in a fixed order. The first rule that tells them apart decides. Some rules compare
only some policies, such as those of two parents, so comparisons of three or more policies can contradict each other: A
before B, B before C, C before A. `in_order` then keeps the order of policies to which the same rules apply, and merges
them so that every policy still pays before the next one by the rules.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cmp_to_key
from typing import Any, NamedTuple
from uuid import UUID

from domain.days import UNBOUNDED_END, Day, Days
from domain.eligibility.coverage import CoverageRecord, CoveredRun
from domain.members import EmploymentStatus, Facts
from domain.membership import MembershipType

COORDINATION = "COORDINATION"
"""Name of the attribute of a child that names the primary whose policy pays first, as a court order or custody does."""


class PaymentRule(StrEnum):
    """Why a record comes after the previous one. In the order in which the rules are applied, except SAME_POLICY."""

    PRIMARY = "PRIMARY"
    COORDINATION = "COORDINATION"
    BIRTHDAY = "BIRTHDAY"
    PRIMARY_COVERED_LONGER = "PRIMARY_COVERED_LONGER"
    CHILD_AND_PARTNER = "CHILD_AND_PARTNER"
    ACTIVE_EMPLOYMENT = "ACTIVE_EMPLOYMENT"
    COVERED_LONGER = "COVERED_LONGER"
    POLICY_ID = "POLICY_ID"
    SAME_POLICY = "SAME_POLICY"
    """Both records are of one policy, in order of module id. No rule compares them."""


class Payer(NamedTuple):
    """A policy that covers a member on a day, as far as the rules compare it.

    `covered_since` and `primary_covered_since` are the first days of the unbroken runs of days in the policy that hold
    the day; UNBOUNDED_END if the primary isn't covered. `birthday` is the primary's month and day, if known.
    """

    group_id: UUID
    membership_type: MembershipType
    covered_since: Day
    primary_covered_since: Day = UNBOUNDED_END
    birthday: tuple[int, int] | None = None
    is_coordinated: bool = False
    """Whether the child's attribute COORDINATION names the primary on the day."""
    is_active: bool | None = False
    """True if the contract's sponsor employs the primary with the status ACTIVE on the day, False if the primary is
    RETIRED or not employed there, and None for any other status, which the rule doesn't compare.
    """

    @property
    def is_child(self) -> bool:
        return self.membership_type == MembershipType.CHILD


class _Comparison(NamedTuple):
    """A rule. It compares the keys of two policies to which it applies; the smaller key pays first."""

    rule: PaymentRule
    applies: Callable[[Payer, Payer], bool]
    key: Callable[[Payer], Any]


def _always(one: Payer, other: Payer) -> bool:
    return True


def _are_children(one: Payer, other: Payer) -> bool:
    return one.is_child and other.is_child


def _are_children_with_birthdays(one: Payer, other: Payer) -> bool:
    return _are_children(one, other) and None not in (one.birthday, other.birthday)


def _are_active_or_not(one: Payer, other: Payer) -> bool:
    return None not in (one.is_active, other.is_active)


def _are_child_and_partner(one: Payer, other: Payer) -> bool:
    return {one.membership_type, other.membership_type} == {MembershipType.CHILD, MembershipType.PARTNER}


_COMPARISONS = (
    _Comparison(PaymentRule.PRIMARY, _always, lambda payer: payer.membership_type != MembershipType.PRIMARY),
    _Comparison(PaymentRule.COORDINATION, _are_children, lambda payer: not payer.is_coordinated),
    _Comparison(PaymentRule.BIRTHDAY, _are_children_with_birthdays, lambda payer: payer.birthday),
    _Comparison(PaymentRule.PRIMARY_COVERED_LONGER, _are_children, lambda payer: payer.primary_covered_since),
    _Comparison(PaymentRule.CHILD_AND_PARTNER, _are_child_and_partner, lambda payer: payer.covered_since),
    _Comparison(PaymentRule.ACTIVE_EMPLOYMENT, _are_active_or_not, lambda payer: not payer.is_active),
    _Comparison(PaymentRule.COVERED_LONGER, _always, lambda payer: payer.covered_since),
    _Comparison(PaymentRule.POLICY_ID, _always, lambda payer: payer.group_id.int),
)


class Decision(NamedTuple):
    """The result of comparing two policies."""

    rule: PaymentRule
    pays_first: bool
    """Whether the first of the two pays first."""


def compare(one: Payer, other: Payer) -> Decision:
    """Compares two different policies by the first rule that tells them apart."""
    for rule, applies, key in _COMPARISONS:
        if applies(one, other) and key(one) != key(other):
            return Decision(rule, key(one) < key(other))
    raise ValueError(f"policy {one.group_id} was compared with itself")


def in_order(payers: Iterable[Payer]) -> list[Payer]:
    """Returns different policies in order of payment, whatever their order is.

    `compare` finds that each pays before the next one, and also before all later ones unless comparisons contradict
    each other.
    """
    by_class: dict[tuple[int, bool, bool], list[Payer]] = {}
    for payer in payers:
        by_class.setdefault(_class_of(payer), []).append(payer)
    ordered: list[Payer] = []
    for _, of_class in sorted(by_class.items()):
        ordered = _merged(ordered, sorted(of_class, key=cmp_to_key(_sign)))
    return ordered


def _class_of(payer: Payer) -> tuple[int, bool, bool]:
    """Returns the class of a policy. The same rules apply to any two policies of a class, which can thus be sorted."""
    kind = {MembershipType.PRIMARY: 0, MembershipType.CHILD: 1}.get(payer.membership_type, 2)
    return kind, payer.birthday is None and payer.is_child, payer.is_active is None


def _sign(one: Payer, other: Payer) -> int:
    return -1 if compare(one, other).pays_first else 1


def _merged(some: Sequence[Payer], others: Sequence[Payer]) -> list[Payer]:
    """Merges two lists by comparing their heads, which keeps the order of each list."""
    merged: list[Payer] = []
    i = j = 0
    while i < len(some) and j < len(others):
        if compare(some[i], others[j]).pays_first:
            merged.append(some[i])
            i += 1
        else:
            merged.append(others[j])
            j += 1
    return [*merged, *some[i:], *others[j:]]


# -------------------------------------------------------------------------------------------------- records


class PaymentOrder(NamedTuple):
    """Records in order of payment, and the rule that put each after the previous one; None for the first."""

    records: Sequence[CoverageRecord]
    decided_by: Sequence[PaymentRule | None]


class ContractDay(NamedTuple):
    """What the rules depend on under a contract: the day of its records, and its sponsor."""

    day: Day
    sponsor_id: str


class Known(NamedTuple):
    """What the rules depend on besides a member's own runs.

    `contracts` are those of the member's records, by id. `primary_runs` are all runs of the primaries that
    `primaries_of_children` returns, `facts` those of the members that `members_with_facts` returns, both by member id.
    """

    contracts: Mapping[UUID, ContractDay]
    primary_runs: Mapping[UUID, Sequence[CoveredRun]]
    facts: Mapping[UUID, Facts]


def order_records(records: Sequence[CoverageRecord], runs: Sequence[CoveredRun], known: Known) -> PaymentOrder:
    """Returns a member's records in order of payment; those of one policy follow each other, in order of module id.

    `runs` are all runs of the member.
    """
    by_policy = _by_policy(records)
    payers = [_payer(of_policy, runs, known) for of_policy in by_policy.values()]
    ordered: list[CoverageRecord] = []
    decided_by: list[PaymentRule | None] = []
    previous: Payer | None = None
    for payer in in_order(payers):
        of_policy = sorted(by_policy[payer.group_id], key=lambda record: record.run.module_id.int)
        ordered += of_policy
        decided_by.append(compare(previous, payer).rule if previous else None)
        decided_by += [PaymentRule.SAME_POLICY] * (len(of_policy) - 1)
        previous = payer
    return PaymentOrder(ordered, decided_by)


def members_with_facts(records: Sequence[CoverageRecord], contracts: Mapping[UUID, ContractDay]) -> set[UUID]:
    """Returns the members whose facts can decide about the order of a member's records; empty if none can.

    Facts aren't needed if a single policy covers the member, or one as PRIMARY and one otherwise, or if all policies
    have the same primary and the same sponsor on the same day.
    """
    by_policy = _by_policy(records)
    members: set[UUID] = set()
    for are_primary in (True, False):
        comparable = [
            of_policy[0].run
            for of_policy in by_policy.values()
            if (_type_of(of_policy) == MembershipType.PRIMARY) == are_primary
        ]
        if len({(run.key.primary_id, contracts[run.key.contract_id]) for run in comparable}) > 1:
            members.update(run.key.primary_id for run in comparable)
            if not are_primary:
                members.add(comparable[0].member_id)
    return members


def primaries_of_children(records: Iterable[CoverageRecord]) -> set[UUID]:
    """Returns the primaries of the policies that cover a member as CHILD, if there are several such policies.

    Only then, the coverage of the primaries can decide.
    """
    of_children = [record.run for record in records if record.run.membership_type == MembershipType.CHILD]
    return {run.key.primary_id for run in of_children} if len({run.group_id for run in of_children}) > 1 else set()


def _by_policy(records: Iterable[CoverageRecord]) -> dict[UUID, list[CoverageRecord]]:
    by_policy: dict[UUID, list[CoverageRecord]] = {}
    for record in records:
        by_policy.setdefault(record.run.group_id, []).append(record)
    return by_policy


_RANKS = {membership_type: rank for rank, membership_type in enumerate(MembershipType)}


def _type_of(of_policy: Sequence[CoverageRecord]) -> MembershipType:
    """Returns the membership type in a policy; if the modules differ, the first in spec order."""
    return min((record.run.membership_type for record in of_policy), key=_RANKS.__getitem__)


def _payer(of_policy: Sequence[CoverageRecord], runs: Sequence[CoveredRun], known: Known) -> Payer:
    group_id, key = of_policy[0].run.group_id, of_policy[0].run.key
    day, sponsor_id = known.contracts[key.contract_id]
    own = known.facts.get(of_policy[0].run.member_id, Facts())
    primary = known.facts.get(key.primary_id, Facts())
    return Payer(
        group_id,
        _type_of(of_policy),
        _covered_since(group_id, runs, day),
        _covered_since(group_id, known.primary_runs.get(key.primary_id, ()), day),
        (primary.born_on.month, primary.born_on.day) if primary.born_on else None,
        _is_coordinated(own, key.primary_id, day),
        _is_active(primary, sponsor_id, day),
    )


def _covered_since(group_id: UUID, runs: Iterable[CoveredRun], day: Day) -> Day:
    """Returns the first day of the unbroken run of days in a policy that holds a day, over all modules.

    UNBOUNDED_END if the day isn't covered.
    """
    run = Days.of(*(run.days for run in runs if run.group_id == group_id)).run_holding(day)
    return run.start if run else UNBOUNDED_END


def _is_coordinated(child: Facts, primary_id: UUID, day: Day) -> bool:
    return any(
        each.name == COORDINATION and each.days.holds(day) and each.value.strip().lower() == str(primary_id)
        for each in child.attributes
    )


def _is_active(primary: Facts, sponsor_id: str, day: Day) -> bool | None:
    """Returns whether the sponsor employs a primary on a day, as `Payer.is_active`."""
    status = next((e.status for e in primary.employments if e.employer_id == sponsor_id and e.days.holds(day)), None)
    if not sponsor_id or status in (None, EmploymentStatus.RETIRED):
        return False
    return True if status == EmploymentStatus.ACTIVE else None
