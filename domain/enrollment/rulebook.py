"""The rulebook: what the contract demands of each member on each module of one group, day by day.

The contract, facts, membership types and overrides don't change while a group is being settled. Who is enrolled does,
so it is passed in as `Enrollments`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import NO_DAYS, Days, union
from domain.enrollment.closing import Closed
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.desired import Overrides
from domain.enrollment.enrollments import Enrollments, Predicate
from domain.enrollment.holding import Formula, Holding
from domain.members import Facts
from domain.membership import MembershipType
from domain.rules.conditions import Rule

NOT_OFFERED = "NOT_OFFERED"


@dataclass(frozen=True, slots=True)
class Demand:
    """A rule and the days on which it must hold: those of its version, without the overridden ones.

    `at_stake` are the days among them on which the rule never holds, or on which that depends on the enrollments.
    """

    rule: Rule
    days: Days
    holds: Days | Formula
    at_stake: Days

    @classmethod
    def of(cls, rule: Rule, days: Days, holds: Days | Formula) -> "Demand":
        return cls(rule, days, holds, days - (holds if isinstance(holds, Days) else holds.always))

    def broken(self, enrollments: Enrollments) -> Days:
        """Returns the days on which the rule must hold and doesn't."""
        if isinstance(self.holds, Days) or not self.at_stake:
            return self.at_stake
        return self.at_stake - self.holds.days(enrollments)


@dataclass(frozen=True, slots=True)
class Demands:
    """Everything demanded of one member on one module.

    `allowed_by_facts` are the days on which the module is offered and every rule over facts alone holds.
    `on_enrollments` are the rules that depend on who is enrolled.
    """

    offered: Days
    every: tuple[Demand, ...]
    allowed_by_facts: Days
    on_enrollments: tuple[Demand, ...]

    @classmethod
    def of(cls, offered: Days, every: Sequence[Demand]) -> "Demands":
        by_facts = offered
        for demand in every:
            if isinstance(demand.holds, Days):
                by_facts -= demand.at_stake
        on_enrollments = tuple(d for d in every if isinstance(d.holds, Formula) and d.at_stake & by_facts)
        return cls(offered, tuple(every), by_facts, on_enrollments)

    def allowed(self, days: Days, enrollments: Enrollments) -> Days:
        """Returns the days, out of `days` that facts allow, on which every rule holds."""
        for demand in self.on_enrollments:
            if days & demand.at_stake:
                days -= demand.broken(enrollments)
        return days

    def predicates(self) -> Iterator[Predicate]:
        """Yields the predicates that these demands depend on, some of them more than once."""
        for demand in self.on_enrollments:
            if isinstance(demand.holds, Formula):
                yield from demand.holds.predicates


@dataclass(slots=True)
class Rulebook:
    """The demands on the members of one group.

    `membership_types` has an entry for everyone who can be enrolled. Nothing is demanded on `closed` days.
    """

    contract: Contract
    primary_id: UUID
    membership_types: Mapping[UUID, MembershipType]
    facts: Mapping[UUID, Facts]
    overrides: Overrides
    closed: Closed | None = None
    _holding: Holding = field(init=False)
    _demands: dict[EnrollmentKey, Demands] = field(default_factory=dict)
    _dependents: dict[Predicate, set[EnrollmentKey]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._holding = Holding(self.contract, self.primary_id, self.facts)

    @property
    def holding(self) -> Holding:
        return self._holding

    def demands(self, key: EnrollmentKey) -> Demands:
        """Returns what is demanded of a member on a module."""
        demands = self._demands.get(key)
        if demands is None:
            demands = self._demands[key] = self._compile(key)
            for predicate in demands.predicates():
                self._dependents.setdefault(predicate, set()).add(key)
        return demands

    def dependents(self, predicate: Predicate) -> set[EnrollmentKey]:
        """The enrollments whose demands depend on a predicate, of those that were requested so far."""
        return self._dependents.get(predicate, set())

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
                    every.append(Demand.of(rule, must_hold, self._holding.resolve(rule.condition, key.member_id)))
        return Demands.of(union(offered), every)

    def broken_rules(self, key: EnrollmentKey, days: Days, settled: Enrollments) -> dict[str, Days]:
        """Returns, for days on which a member isn't on a module, the rules that adding each single day would break.

        The result maps rule codes, or NOT_OFFERED, to days; a day can appear under several codes. All days are added
        together, which gives the same result as adding each one alone: whether a rule holds on a day depends only on
        who is enrolled that day.
        """
        with_days = settled.with_added(key, days, self.holding.predicates)
        demands = self.demands(key)
        broken: dict[str, Days] = {}
        if not_offered := days - demands.offered:
            broken[NOT_OFFERED] = not_offered
        for demand in demands.every:
            if missed := demand.broken(with_days) & days:
                broken[demand.rule.code] = broken.get(demand.rule.code, NO_DAYS) | missed
        return broken
