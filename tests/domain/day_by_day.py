"""The engine once more, slow and obvious: every day for itself, sets of (member, module) instead of sets of days.

It follows `enrollment.md`, sections 1 to 3, and shares no code with the engine but the values that both are about.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from domain.catalog.contract import Contract
from domain.enrollment.decisions import Decision, Enroll
from domain.members import Facts
from domain.membership import MembershipType
from domain.rules.conditions import AllOf, AnyOf, Condition, EnrolledOn, HasAttribute, Negation, Subject

On = set[tuple[UUID, UUID]]
"""Who is on what, on one day."""


@dataclass
class OneDay:
    """One group on one day."""

    day: int
    contract: Contract
    primary_id: UUID
    types: dict[UUID, MembershipType]
    facts: dict[UUID, Facts]
    decisions: Iterable[Decision]

    def settled(self) -> On:
        """Who is on what in the end."""
        return self._largest(self.desired(), everyone=self.first_phase())

    def first_phase(self) -> set[UUID]:
        """Who is enrolled at most."""
        return {member for member, _ in self._largest(self.desired(), everyone=None)}

    def desired(self) -> On:
        """What decisions ask for, the later ones winning."""
        on: On = set()
        for decision in self.decisions:
            for change in (*decision.changes, *decision.consequence_leaves):
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

    def _largest(self, on: On, everyone: set[UUID] | None) -> On:
        while True:
            kept = {(who, what) for who, what in on if not self.broken(who, what, on, everyone)}
            if kept == on:
                return on
            on = kept

    def broken(self, who: UUID, what: UUID, on: On, everyone: set[UUID] | None) -> set[str]:
        """The codes that stand against one enrollment, given who is on what."""
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
            and change.member_id == who
            and change.module_id in (None, what)
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

    def _has(self, member: UUID, leaf: HasAttribute) -> bool:
        return any(
            fact.name == leaf.name and fact.value in leaf.values and fact.days.start <= self.day < fact.days.end
            for fact in self.facts[member].attributes
        )
