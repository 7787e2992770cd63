"""Why a day was not kept: the rules that adding just that day to the settled ones would break."""

from collections.abc import Iterator
from uuid import UUID

from domain.days import Day, Days, to_date
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.rulebook import NOT_OFFERED, Rulebook
from domain.enrollment.verdicts import FactKind, MissingFact, Violation, ViolationCode
from domain.rules.conditions import (
    Age,
    AllOf,
    AnyOf,
    Condition,
    Employed,
    EnrolledOn,
    FactLeaf,
    HasAttribute,
    Negation,
    Residence,
    SalaryRange,
    Subject,
    Tenure,
)
from domain.rules.holding import Enrollments


def broken_on(key: EnrollmentKey, days: Days, rulebook: Rulebook, settled: Enrollments) -> Iterator[Violation]:
    """For days that are not settled: every rule that stands against one of them, with its first such day."""
    if not days:
        return
    for code, missed in sorted(rulebook.broken_rules(key, days, settled).items()):
        yield _violation(key, code, missed.first, rulebook, settled)


def _violation(key: EnrollmentKey, code: str, day: Day, rulebook: Rulebook, settled: Enrollments) -> Violation:
    if code == NOT_OFFERED:
        return Violation(
            ViolationCode.NOT_OFFERED,
            f"Module {key.module_id} is not offered to member {key.member_id} on {to_date(day)}.",
            member_id=key.member_id,
            module_id=key.module_id,
            on=day,
        )
    missing = _missing(key, code, day, rulebook, settled)
    unknown = f" ({', '.join(sorted({m.kind.lower().replace('_', ' ') for m in missing}))} unknown)" if missing else ""
    return Violation(
        ViolationCode.RULE_NOT_SATISFIED,
        f"{code} is not satisfied for member {key.member_id} on module {key.module_id} from {to_date(day)}{unknown}.",
        rule_code=code,
        member_id=key.member_id,
        module_id=key.module_id,
        on=day,
        missing_facts=missing,
    )


def _missing(
    key: EnrollmentKey, code: str, day: Day, rulebook: Rulebook, settled: Enrollments
) -> tuple[MissingFact, ...]:
    """The facts that the rule looks at and that are not known on the day, but for those under a negation, which an
    unknown fact makes true."""
    missing: set[MissingFact] = set()
    for demand in rulebook.demands(key).every:
        if demand.rule.code != code or not demand.days.holds(day):
            continue
        for leaf in _wanted_leaves(demand.rule.condition):
            for member_id in _subjects(leaf, key, day, rulebook, settled):
                if not rulebook.holding.known_days(leaf, member_id).holds(day):
                    name = leaf.name if isinstance(leaf, HasAttribute) else ""
                    missing.add(MissingFact(member_id, _kind(leaf), name))
    return tuple(sorted(missing))


def _wanted_leaves(condition: Condition) -> Iterator[FactLeaf]:
    match condition:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _wanted_leaves(part)
        case Negation() | EnrolledOn():
            return
        case leaf:
            yield leaf


def _subjects(leaf: FactLeaf, key: EnrollmentKey, day: Day, rulebook: Rulebook, settled: Enrollments) -> list[UUID]:
    match leaf.subject:
        case Subject.SELF:
            return [key.member_id]
        case Subject.PRIMARY:
            return [rulebook.primary_id]
        case Subject.ANY_MEMBER:
            return [m for m, days in settled.by_member().items() if days.holds(day)]
        case Subject.EVERY_MEMBER:
            return [m for m, days in (settled.at_most or {}).items() if days.holds(day)]


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
