"""Why days were not kept: the rules that adding just one such day would break, and what these rest on in turn."""

from collections.abc import Iterator
from uuid import UUID

from domain.days import Day, Days, to_date
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.rulebook import NOT_OFFERED, Demand
from domain.enrollment.settling import Settlement
from domain.enrollment.verdicts import Cause, FactKind, MissingFact, Violation, ViolationCode
from domain.rules.conditions import (
    Age,
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


def why_not(key: EnrollmentKey, days: Days, settlement: Settlement) -> Iterator[Violation]:
    """For days that an enrollment does not have: every rule that stands against one of them, in order of code, with
    all its days, the facts missing on the first, and the chain of rules that it rests on that day."""
    broken = settlement.broken_rules(key, days) if days else {}
    for code, missed in sorted(broken.items()):
        cause = _cause(key, code, missed.first, settlement)
        yield Violation(
            cause.code,
            cause.message,
            rule_code=cause.rule_code,
            member_id=key.member_id,
            module_id=key.module_id,
            on=cause.on,
            missing_facts=cause.missing_facts,
            days=missed,
            chain=tuple(_chain(key, code, missed.first, settlement)),
        )


def _cause(key: EnrollmentKey, code: str, day: Day, settlement: Settlement) -> Cause:
    """One rule that stands against one day of one enrollment."""
    if code == NOT_OFFERED:
        message = f"Module {key.module_id} is not offered to member {key.member_id} on {to_date(day)}."
        return Cause(ViolationCode.NOT_OFFERED, "", key.member_id, key.module_id, day, message)
    missing = tuple(sorted(set(_missing(key, code, day, settlement))))
    unknown = f" ({', '.join(sorted({m.kind.lower().replace('_', ' ') for m in missing}))} unknown)" if missing else ""
    message = (
        f"{code} is not satisfied for member {key.member_id} on module {key.module_id} from {to_date(day)}{unknown}."
    )
    return Cause(ViolationCode.RULE_NOT_SATISFIED, code, key.member_id, key.module_id, day, message, missing)


def _chain(key: EnrollmentKey, code: str, day: Day, settlement: Settlement) -> Iterator[Cause]:
    """What a rule rests on: enrollments that were asked for and not kept that day, the rules against these, and so on;
    breadth first, within a step in order of member, module and code; each rule of each enrollment once."""
    told = {(key, code)}
    step = [(key, code)]
    while step:
        further = {
            (missed, its_code)
            for rests in step
            for missed in _rests_on(*rests, day, settlement)
            for its_code in settlement.broken_rules(missed, Days.of_day(day))
        } - told
        step = sorted(further)
        told |= further
        for missed, its_code in step:
            yield _cause(missed, its_code, day, settlement)


def _rests_on(key: EnrollmentKey, code: str, day: Day, settlement: Settlement) -> Iterator[EnrollmentKey]:
    """The enrollments asked for and not kept that day, any of which would help the rule."""
    for demand in _demands(key, code, day, settlement):
        for leaf in _leaves(demand.rule.condition):
            yield from (
                other
                for other in settlement.desired
                if other != key and settlement.was_refused(other, day) and _helps(other, leaf, key, day, settlement)
            )


def _helps(other: EnrollmentKey, leaf: Leaf, key: EnrollmentKey, day: Day, settlement: Settlement) -> bool:
    """Whether an enrollment more would make a leaf, as judged for `key`, truer on a day."""
    if isinstance(leaf, EnrolledOn):
        named = not leaf.module_ids or other.module_id in leaf.module_ids
        return named and other.member_id in _subjects(leaf, key, day, settlement, or_refused=True)
    if leaf.subject == Subject.ANY_MEMBER:
        return settlement.rulebook.holding.fact_days(leaf, other.member_id).holds(day)
    return False


def _demands(key: EnrollmentKey, code: str, day: Day, settlement: Settlement) -> Iterator[Demand]:
    for demand in settlement.rulebook.demands(key).every:
        if demand.rule.code == code and demand.days.holds(day):
            yield demand


def _missing(key: EnrollmentKey, code: str, day: Day, settlement: Settlement) -> Iterator[MissingFact]:
    """The facts that the rule looks at and that are not known on the day."""
    for demand in _demands(key, code, day, settlement):
        for leaf in _leaves(demand.rule.condition):
            if isinstance(leaf, EnrolledOn):
                continue
            for member_id in _subjects(leaf, key, day, settlement):
                if not settlement.rulebook.holding.known_days(leaf, member_id).holds(day):
                    name = leaf.name if isinstance(leaf, HasAttribute) else ""
                    yield MissingFact(member_id, _kind(leaf), name)


def _leaves(condition: Condition) -> Iterator[Leaf]:
    """The leaves of a condition, but for those under a negation, which an unknown fact makes true."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _leaves(part)
        case Negation():
            return
        case leaf:
            yield leaf


def _subjects(
    leaf: Leaf, key: EnrollmentKey, day: Day, settlement: Settlement, *, or_refused: bool = False
) -> set[UUID]:
    """Whom a leaf, as judged for `key`, looks at on a day; with `or_refused` for ANY_MEMBER also who is not enrolled,
    but asked to be."""
    match leaf.subject:
        case Subject.SELF:
            return {key.member_id}
        case Subject.PRIMARY:
            return {settlement.rulebook.primary_id}
        case Subject.ANY_MEMBER:
            enrolled = {m for m, days in settlement.settled.by_member().items() if days.holds(day)}
            return enrolled | {other.member_id for other in settlement.desired} if or_refused else enrolled
        case Subject.EVERY_MEMBER:
            return {m for m, days in (settlement.settled.at_most or {}).items() if days.holds(day)}


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
