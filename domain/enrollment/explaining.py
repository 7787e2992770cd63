"""Explains why days weren't kept: the rules that adding one such day would break, and what these depend on."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from domain.days import Day, Days, to_date
from domain.enrollment.bounds import ALONE, MAX_MISSING_FACTS, Bounds
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.rulebook import NOT_OFFERED, Demand
from domain.enrollment.settling import Settlement
from domain.enrollment.verdicts import Cause, MissingFact, Violation, ViolationCode
from domain.members import FactKind
from domain.rules.conditions import (
    Age,
    Alive,
    AllOf,
    AnyOf,
    Condition,
    Employed,
    EnrolledOn,
    FactLeaf,
    HasAttribute,
    Leaf,
    Negation,
    Residence,
    SalaryRange,
    Subject,
    Tenure,
)


class _Broken(NamedTuple):
    """A rule, by its code or NOT_OFFERED, that an enrollment breaks on a day."""

    key: EnrollmentKey
    code: str
    on: Day

    @property
    def order(self) -> tuple[int, int, str]:
        return (*self.key.order, self.code)


class Reasons(NamedTuple):
    """The reasons why days weren't kept, in order of code, and how many more there are."""

    violations: tuple[Violation, ...]
    omitted: int


def why_not(key: EnrollmentKey, days: Days, settlement: Settlement, bounds: Bounds = ALONE) -> Reasons:
    """Returns the reasons why an enrollment doesn't have some days: the rules that they would break.

    Each reason has all the days of its rule, the facts missing on the first of them, and the chain of rules that it
    depends on that day.
    """
    return Explainer(settlement).why_not(key, days, bounds)


@dataclass(slots=True)
class Explainer:
    """Explains days that a settlement didn't keep. What many explanations share is computed only once."""

    settlement: Settlement
    _refused_on: dict[Day, list[EnrollmentKey]] = field(default_factory=dict)
    _enrolled_on: dict[Day, set[UUID]] = field(default_factory=dict)
    _causes: dict[_Broken, tuple[Cause, bool]] = field(default_factory=dict)
    _rests_on: dict[_Broken, tuple[_Broken, ...]] = field(default_factory=dict)

    def why_not(self, key: EnrollmentKey, days: Days, bounds: Bounds = ALONE) -> Reasons:
        """Returns the reasons why an enrollment doesn't have some days; see the function of the same name."""
        broken = list(self.refusals(key, days))
        reported = tuple(self.explained(refusal, bounds.causes) for refusal in broken[: bounds.reasons])
        return Reasons(reported, len(broken) - len(reported))

    def refusals(self, key: EnrollmentKey, days: Days) -> Iterator[Violation]:
        """Yields the rules that some of the days would break, in order of code, with their days.

        They have no explanation yet, because explaining is slow (`explained`).
        """
        broken = self.settlement.broken_rules(key, days) if days else {}
        for code, missed in sorted(broken.items()):
            kind = ViolationCode.NOT_OFFERED if code == NOT_OFFERED else ViolationCode.RULE_NOT_SATISFIED
            rule_code = "" if code == NOT_OFFERED else code
            yield Violation(kind, "", rule_code, key.member_id, key.module_id, missed.first, days=missed)

    def explained(self, refusal: Violation, max_causes: int) -> Violation:
        """Returns a refusal with its message, the facts missing on its first day, and the chain of rules that it
        depends on.
        """
        if refusal.member_id is None or refusal.module_id is None:
            raise ValueError("a refusal without a member and module can't be explained")
        key = EnrollmentKey(refusal.member_id, refusal.module_id)
        first = _Broken(key, refusal.rule_code or NOT_OFFERED, refusal.days.first)
        cause, is_shortened = self._cause(first)
        chain = list(islice(self._chain(first), max_causes + 1))
        return replace(
            refusal,
            message=cause.message,
            missing_facts=cause.missing_facts,
            chain=tuple(cause for cause, _ in chain[:max_causes]),
            is_shortened=is_shortened or len(chain) > max_causes or any(cut for _, cut in chain),
        )

    def _chain(self, first: _Broken) -> Iterator[tuple[Cause, bool]]:
        """Yields what a rule depends on: enrollments that were refused that day, the rules that refused them, and so
        on.

        The order is breadth first, and within a step by member, module and code. Each rule of each enrollment comes
        once.
        """
        found = {first}
        step = [first]
        while step:
            step = sorted(
                {further for broken in step for further in self._further(broken)} - found,
                key=lambda broken: broken.order,
            )
            found.update(step)
            for broken in step:
                yield self._cause(broken)

    def _further(self, broken: _Broken) -> tuple[_Broken, ...]:
        """Returns the rules that refused the enrollments that a broken rule depends on that day."""
        known = self._rests_on.get(broken)
        if known is None:
            day = broken.on
            known = self._rests_on[broken] = tuple(
                _Broken(missed, code, day)
                for missed in dict.fromkeys(self._missed(broken))
                for code in self.settlement.broken_rules(missed, Days.of_day(day))
            )
        return known

    def _missed(self, broken: _Broken) -> Iterator[EnrollmentKey]:
        """Yields the enrollments refused that day, any of which would help to satisfy the rule."""
        for demand in self.demands(*broken):
            for leaf in _leaves(demand.rule.condition):
                # The subjects of a leaf are the same for all refused enrollments.
                subjects = self.subjects(leaf, broken.key, broken.on, or_refused=True)
                yield from (
                    other
                    for other in self._refused(broken.on)
                    if other != broken.key and self._helps(other, leaf, subjects, broken.on)
                )

    def _helps(self, other: EnrollmentKey, leaf: Leaf, subjects: set[UUID], day: Day) -> bool:
        """Returns whether adding an enrollment would help to make a leaf about `subjects` true on a day."""
        if isinstance(leaf, EnrolledOn):
            return (not leaf.module_ids or other.module_id in leaf.module_ids) and other.member_id in subjects
        if leaf.subject == Subject.ANY_MEMBER:
            return self.settlement.rulebook.holding.fact_days(leaf, other.member_id).holds(day)
        return False

    def _cause(self, broken: _Broken) -> tuple[Cause, bool]:
        """Returns the cause for one day of one enrollment, and whether it omits missing facts."""
        cause = self._causes.get(broken)
        if cause is None:
            cause = self._causes[broken] = self._found_cause(broken)
        return cause

    def _found_cause(self, broken: _Broken) -> tuple[Cause, bool]:
        (member_id, module_id), code, day = broken
        if code == NOT_OFFERED:
            message = f"Module {module_id} is not offered to member {member_id} on {to_date(day)}."
            return Cause(ViolationCode.NOT_OFFERED, "", member_id, module_id, day, message), False
        missing = tuple(sorted(set(self._missing(broken))))
        kinds = ", ".join(sorted({fact.in_words for fact in missing}))
        unknown = f" ({kinds} unknown)" if missing else ""
        message = f"{code} is not satisfied for member {member_id} on module {module_id} from {to_date(day)}{unknown}."
        listed = missing[:MAX_MISSING_FACTS]
        cause = Cause(ViolationCode.RULE_NOT_SATISFIED, code, member_id, module_id, day, message, listed)
        return cause, len(missing) > len(listed)

    def demands(self, key: EnrollmentKey, code: str, on: Day) -> Iterator[Demand]:
        """Yields the rules with a code that an enrollment must satisfy on a day."""
        for demand in self.settlement.rulebook.demands(key).every:
            if demand.rule.code == code and demand.days.holds(on):
                yield demand

    def _missing(self, broken: _Broken) -> Iterator[MissingFact]:
        """Yields the facts that the rule depends on and that aren't known on the day."""
        for demand in self.demands(*broken):
            for leaf in _leaves(demand.rule.condition):
                if isinstance(leaf, EnrolledOn):
                    continue
                for member_id in self.subjects(leaf, broken.key, broken.on):
                    if not self.settlement.rulebook.holding.known_days(leaf, member_id).holds(broken.on):
                        name = leaf.name if isinstance(leaf, HasAttribute) else ""
                        yield MissingFact(member_id, _kind(leaf), name)

    def subjects(self, leaf: Leaf, key: EnrollmentKey, on: Day, *, or_refused: bool = False) -> set[UUID]:
        """Returns the members whose facts or enrollments a leaf depends on, on a day.

        With `or_refused`, ANY_MEMBER includes members whose enrollments were refused that day.
        """
        match leaf.subject:
            case Subject.SELF:
                return {key.member_id}
            case Subject.PRIMARY:
                return {self.settlement.rulebook.primary_id}
            case Subject.ANY_MEMBER:
                enrolled = self._enrolled(on)
                return enrolled | {other.member_id for other in self._refused(on)} if or_refused else enrolled
            case Subject.EVERY_MEMBER:
                max_days = self.settlement.settled.max_days or {}
                return {member_id for member_id, days in max_days.items() if days.holds(on)}

    def _refused(self, day: Day) -> list[EnrollmentKey]:
        """Returns the enrollments refused on a day."""
        found = self._refused_on.get(day)
        if found is None:
            refused = self.settlement.refused.items()
            found = self._refused_on[day] = [key for key, days in refused if days.holds(day)]
        return found

    def _enrolled(self, day: Day) -> set[UUID]:
        """Returns everyone who is enrolled on a day."""
        found = self._enrolled_on.get(day)
        if found is None:
            enrolled = self.settlement.days.items()
            found = self._enrolled_on[day] = {key.member_id for key, days in enrolled if days.holds(day)}
        return found


def _leaves(condition: Condition) -> Iterator[Leaf]:
    """Yields the leaves of a condition, except those under a negation, which an unknown fact makes true."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _leaves(part)
        case Negation():
            return
        case leaf:
            yield leaf


def _kind(leaf: FactLeaf) -> FactKind:
    match leaf:
        case Age():
            return FactKind.DATE_OF_BIRTH
        case SalaryRange():
            return FactKind.SALARY
        case Employed() | Tenure():
            return FactKind.EMPLOYMENT
        case Residence():
            return FactKind.ADDRESS
        case HasAttribute():
            return FactKind.ATTRIBUTE
        case Alive():
            return FactKind.DATE_OF_DEATH
