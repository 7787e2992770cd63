"""What the contract demands of each member on each module of one group, day by day.

The rulebook is fixed while a group is being settled: contract, facts, membership types and overrides do not change.
Who is enrolled does, and is handed in as `Enrollments`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import NO_DAYS, Days, union
from domain.enrollment.closing import Closed
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.desired import Overrides
from domain.members import Facts
from domain.membership import MembershipType
from domain.rules.conditions import Rule
from domain.rules.holding import Enrollments, Holding, Resolved

NOT_OFFERED = "NOT_OFFERED"


@dataclass(frozen=True, slots=True)
class Demand:
    """A rule on the days on which it must hold: those of its version, without the overridden ones."""

    rule: Rule
    days: Days
    holds: Resolved

    def broken(self, enrollments: Enrollments) -> Days:
        """The days on which the rule must hold and does not."""
        holds = self.holds if isinstance(self.holds, Days) else self.holds(enrollments)
        return self.days - holds


@dataclass(frozen=True, slots=True)
class Demands:
    """Everything demanded of one member on one module.

    `allowed_by_facts` are the days on which the module is offered and every rule that rests on facts alone holds;
    `on_enrollments` are the other rules.
    """

    offered: Days
    every: tuple[Demand, ...]
    allowed_by_facts: Days
    on_enrollments: tuple[Demand, ...]

    def allowed(self, enrollments: Enrollments) -> Days:
        """The days on which the module is offered and every rule holds."""
        days = self.allowed_by_facts
        for demand in self.on_enrollments:
            if not days:
                break
            days -= demand.broken(enrollments)
        return days


@dataclass(slots=True)
class Rulebook:
    """The demands on the members of one group; `membership_types` holds everyone who may be enrolled. Of days that are
    `closed` nothing is demanded."""

    contract: Contract
    primary_id: UUID
    membership_types: Mapping[UUID, MembershipType]
    facts: Mapping[UUID, Facts]
    overrides: Overrides
    closed: Closed | None = None
    _holding: Holding = field(init=False)
    _demands: dict[EnrollmentKey, Demands] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._holding = Holding(self.contract, self.primary_id, self.facts)

    @property
    def holding(self) -> Holding:
        return self._holding

    def demands(self, key: EnrollmentKey) -> Demands:
        """What is demanded of a member on a module."""
        demands = self._demands.get(key)
        if demands is None:
            demands = self._demands[key] = self._compile(key)
        return demands

    def _compile(self, key: EnrollmentKey) -> Demands:
        membership_type = self.membership_types.get(key.member_id)
        overridden = self.overrides.get(key, {})
        offered: list[Days] = []
        every: list[Demand] = []
        for version, module in self.contract.listings(key.module_id):
            if membership_type is None or not module.admits(membership_type):
                continue
            days = Days.of(version.days)
            offered.append(days)
            for rule in (*version.rules, *module.rules):
                if rule.concerns(membership_type):
                    must_hold = days - overridden.get(rule.code, NO_DAYS)
                    every.append(Demand(rule, must_hold, self._holding.resolve(rule.condition, key.member_id)))
        return _demands(union(offered), every)

    def broken_rules(self, key: EnrollmentKey, days: Days, settled: Enrollments) -> dict[str, Days]:
        """For days that a member is not on a module: what would be broken if just that day were added.

        By rule code, or NOT_OFFERED; a day may stand under several. Adding all days at once is the same as adding
        each alone, since whether a rule holds on a day depends on who is enrolled that day only.
        """
        with_them = Enrollments({**settled.days, key: settled.days.get(key, NO_DAYS) | days}, settled.at_most)
        demands = self.demands(key)
        broken: dict[str, Days] = {}
        if not_offered := days - demands.offered:
            broken[NOT_OFFERED] = not_offered
        for demand in demands.every:
            if missed := demand.broken(with_them) & days:
                broken[demand.rule.code] = broken.get(demand.rule.code, NO_DAYS) | missed
        return broken


def _demands(offered: Days, every: list[Demand]) -> Demands:
    by_facts = offered
    on_enrollments: list[Demand] = []
    for demand in every:
        if isinstance(demand.holds, Days):
            by_facts -= demand.days - demand.holds
        else:
            on_enrollments.append(demand)
    return Demands(offered, tuple(every), by_facts, tuple(on_enrollments))
