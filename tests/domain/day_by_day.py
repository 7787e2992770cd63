"""A slow, obvious model of the engine: it computes every day separately, with sets of (member, module).

It shares no code with the engine, apart from values.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import UNBOUNDED_END
from domain.enrollment.decisions import Change, CorrectMembershipType, Decision, Enroll, Revert
from domain.members import Facts
from domain.membership import MembershipType
from domain.rules.conditions import (
    Alive,
    AllOf,
    AnyOf,
    CalendarEnd,
    Condition,
    EnrolledOn,
    HasAttribute,
    Negation,
    Subject,
)

On = set[tuple[UUID, UUID]]
"""The enrollments on one day, as pairs of member and module."""

Offences = dict[tuple[str, UUID, UUID], set[int]]
"""The offending days by rule code, or NOT_OFFERED, for each member and module."""


@dataclass
class OneDay:
    """A group on one day."""

    day: int
    contract: Contract
    primary_id: UUID
    types: dict[UUID, MembershipType]
    facts: dict[UUID, Facts]
    decisions: Iterable[Decision]

    def settled(self) -> On:
        """Returns the settled enrollments of the day."""
        return self._largest(self.desired(), everyone=self.first_phase())

    def first_phase(self) -> set[UUID]:
        """Returns the result of the first phase."""
        return {member for member, _ in self._largest(self.desired(), everyone=None)}

    def desired(self) -> On:
        """Returns the enrollments that decisions ask for; later ones override earlier ones."""
        on: On = set()
        for decision in self.decisions:
            for change in (*decision.changes, *decision.consequence_leaves):
                if isinstance(change, Revert | CorrectMembershipType):
                    continue
                if not change.days.start <= self.day < change.days.end:
                    continue
                if isinstance(change, Enroll):
                    slot = self.contract.slots.get(change.module_id)
                    on = {
                        (who, what)
                        for who, what in on
                        if who != change.member_id or slot is None or self.contract.slots.get(what) != slot
                    }
                    on.add((change.member_id, change.module_id))
                else:
                    on = {
                        (who, what)
                        for who, what in on
                        if who != change.member_id or change.module_id not in (None, what)
                    }
        return on

    def at(self, day: int) -> "OneDay":
        """Returns the group on another day."""
        return replace(self, day=day)

    def in_force(self) -> bool:
        """Returns whether a version is in force on the day."""
        return any(version.days.start <= self.day < version.days.end for version in self.contract.versions)

    def _largest(self, on: On, everyone: set[UUID] | None) -> On:
        while True:
            kept = {(who, what) for who, what in on if not self.broken(who, what, on, everyone)}
            if kept == on:
                return on
            on = kept

    def broken(self, who: UUID, what: UUID, on: On, everyone: set[UUID] | None) -> set[str]:
        """Returns the codes of the rules that one enrollment breaks, given the other enrollments."""
        version = next((v for v in self.contract.versions if v.days.start <= self.day < v.days.end), None)
        module = next((m for m in version.modules if m.module_id == what), None) if version else None
        if version is None or module is None:
            return {"NOT_OFFERED"}
        if module.membership_types and self.types[who] not in module.membership_types:
            return {"NOT_OFFERED"}
        return {
            rule.code
            for rule in (*version.rules, *module.rules)
            if (not rule.applies_to or self.types[who] in rule.applies_to)
            and not self._overridden(who, what, rule.code)
            and not self._holds(rule.condition, who, on, everyone)
        }

    def _overridden(self, who: UUID, what: UUID, code: str) -> bool:
        return any(
            code in decision.overridden_rules
            and (decision.overridden_before is None or self.day < decision.overridden_before.toordinal())
            and isinstance(change, Enroll)
            and (change.member_id, change.module_id) == (who, what)
            and change.days.start <= self.day < change.days.end
            for decision in self.decisions
            for change in decision.changes
        )

    def _holds(self, condition: Condition, who: UUID, on: On, everyone: set[UUID] | None) -> bool:
        match condition:
            case AllOf(parts):
                return all(self._holds(part, who, on, everyone) for part in parts)
            case AnyOf(parts):
                return any(self._holds(part, who, on, everyone) for part in parts)
            case Negation(inner):
                return not self._holds(inner, who, on, everyone)
            case HasAttribute(subject):
                return self._of_subject(subject, who, on, everyone, lambda member: self._has(member, condition))
            case Alive(subject):
                return self._of_subject(subject, who, on, everyone, self._is_alive)
            case EnrolledOn(subject, modules):
                return self._of_subject(
                    subject,
                    who,
                    on,
                    everyone,
                    lambda member: any(m == member and (not modules or what in modules) for m, what in on),
                )
            case other:
                raise NotImplementedError(f"the model does not know {other}")

    def _of_subject(
        self, subject: Subject, who: UUID, on: On, everyone: set[UUID] | None, holds: Callable[[UUID], bool]
    ) -> bool:
        match subject:
            case Subject.SELF:
                return holds(who)
            case Subject.PRIMARY:
                return holds(self.primary_id)
            case Subject.ANY_MEMBER:
                return any(holds(member) for member, _ in on)
            case Subject.EVERY_MEMBER:
                return everyone is None or all(holds(member) for member in everyone)

    def _is_alive(self, member: UUID) -> bool:
        born_on, died_on = self.facts[member].born_on, self.facts[member].died_on
        today = date.fromordinal(self.day)
        return not (born_on and today < born_on) and not (died_on and died_on < today)

    def _has(self, member: UUID, leaf: HasAttribute) -> bool:
        """Returns whether a fact has one of the values on the day or, if the leaf lasts, earlier in its month."""
        days = [self.day]
        if leaf.lasts_until is CalendarEnd.END_OF_MONTH:
            days += range(self.day - date.fromordinal(self.day).day + 1, self.day)
        return any(
            fact.name == leaf.name and fact.value in leaf.values and fact.days.start <= day < fact.days.end
            for fact in self.facts[member].attributes
            for day in days
        )


def offences(asked: Decision, grid: Iterable[OneDay]) -> Offences:
    """Returns the rules that the enrolls of a request break, given the candidate state on each day of a grid."""
    found: Offences = {}
    for position, enroll in enumerate(asked.changes):
        if not isinstance(enroll, Enroll):
            continue
        later = asked.changes[position + 1 :]
        required = [day for day in grid if _is_left(enroll, later, day)]
        if enroll.days.end == UNBOUNDED_END:
            required = required[:1]
        key = (enroll.member_id, enroll.module_id)
        for one in required:
            settled = one.settled()
            codes = one.broken(*key, settled | {key}, one.first_phase()) if key not in settled else set()
            if not one.at(enroll.days.start).in_force():
                codes -= {"NOT_OFFERED"}  # OUTSIDE_CONTRACT is reported instead
            for code in codes:
                found.setdefault((code, *key), set()).add(one.day)
    return found


def _is_left(enroll: Enroll, later: Iterable[Change], one: OneDay) -> bool:
    """Returns whether an enroll asks for a day that no later change of its request decides for the member's slot."""
    if not enroll.days.start <= one.day < enroll.days.end:
        return False
    slots = one.contract.slots
    for change in later:
        if isinstance(change, Revert | CorrectMembershipType):
            continue
        if change.member_id != enroll.member_id or not change.days.start <= one.day < change.days.end:
            continue
        slot = slots.get(enroll.module_id)
        same_slot = slot is not None and isinstance(change, Enroll) and slots.get(change.module_id) == slot
        if same_slot or change.module_id in (None, enroll.module_id):
            return False
    return True
