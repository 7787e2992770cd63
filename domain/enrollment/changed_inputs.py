"""Finds the inputs of a group that changed between two revisions, and builds mixtures of the old and new inputs.

An input is an approved decision, a merge of two members, a fact of a member, a version of the contract, or the
contract's other fields. Merges, facts and the contract only count as changed if they were used before. The facts of a
member whom no earlier decision names don't, and neither do merges and the contract of a group without earlier
decisions: the first decision was based on them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from uuid import UUID

from domain.catalog.contract import Contract
from domain.enrollment.counting import Aliases
from domain.enrollment.decisions import Decision
from domain.enrollment.group import GroupBasis
from domain.enrollment.versions import ChangedContract, ChangedVersion, ContractChange, contract_changes, mixed_contract
from domain.fact_changes import FactChange, FactName, fact_changes
from domain.members import FactKind, Facts


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision that was made since the earlier revision. `index` is its position among all decisions."""

    index: int
    change_request_id: UUID | None


@dataclass(frozen=True, slots=True)
class NewMerge:
    """The merge of a member since the earlier revision, with the member into whom they were merged at last."""

    from_member_id: UUID
    into_member_id: UUID


@dataclass(frozen=True, slots=True)
class ChangedFact:
    """A fact of a member with its values on all days. All employments are one fact; each attribute is its own fact."""

    member_id: UUID
    fact: FactName


ChangedInput = NewDecision | NewMerge | ChangedFact | ChangedVersion | ChangedContract

FACTS_OF_RULES = (FactKind.DATE_OF_BIRTH, FactKind.DATE_OF_DEATH, FactKind.ADDRESS, FactKind.EMPLOYMENT)
"""The kinds of facts that rules depend on, except attributes."""


@dataclass(frozen=True)
class BasisChange:
    """What a group was computed from at an earlier and at a later revision.

    The later decisions begin with the earlier ones. `after.facts` includes every member in `before.facts`, except those
    who were merged since. `after.aliases` includes everyone in `before.aliases`, and the members into whom they were
    merged, if these were merged later.
    """

    before: GroupBasis
    after: GroupBasis
    _contracts: dict[frozenset[ContractChange], Contract] = field(default_factory=dict, compare=False, repr=False)
    _changes: dict[ChangedFact, list[FactChange]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def inputs(self) -> tuple[ChangedInput, ...]:
        """Everything that changed: decisions in order, merges and facts by member, versions by first day."""
        made = len(self.before.decisions)
        decisions = [
            NewDecision(made + i, decision.change_request_id) for i, decision in enumerate(self.after.decisions[made:])
        ]
        facts = [
            ChangedFact(member_id, fact)
            for member_id in sorted(self.after.facts)
            for fact in changed_facts(self.earlier_facts[member_id], self.after.facts[member_id])
        ]
        return (*decisions, *self._merges, *facts, *contract_changes(self._earlier_contract, self.after.contract))

    @cached_property
    def earlier_facts(self) -> Mapping[UUID, Facts]:
        """The facts at the earlier revision or, for members who were not in the group yet, at the later one."""
        known = self.before.membership_types() if self.before.decisions else {}
        return {
            member_id: self.before.facts.get(member_id, facts) if member_id in known else facts
            for member_id, facts in self.after.facts.items()
        }

    @property
    def _earlier_aliases(self) -> Aliases:
        return self.before.aliases if self.before.decisions else self.after.aliases

    @property
    def _merges(self) -> list[NewMerge]:
        earlier = self._earlier_aliases
        merged = {earlier.get(member_id, member_id): into for member_id, into in self.after.aliases.items()}
        return [NewMerge(*each) for each in sorted(merged.items()) if each[0] != each[1]]

    @property
    def _earlier_contract(self) -> Contract:
        return self.before.contract if self.before.decisions else self.after.contract

    def changes_of(self, changed: ChangedFact) -> list[FactChange]:
        """Returns the changes of one fact of a member, ordered by employer and days."""
        found = self._changes.get(changed)
        if found is None:
            before, after = self.earlier_facts[changed.member_id], self.after.facts[changed.member_id]
            found = list(fact_changes(*(mixed_facts(Facts(), facts, [changed.fact]) for facts in (before, after))))
            self._changes[changed] = found
        return found

    def mixed(self, chosen: Collection[ChangedInput]) -> GroupBasis:
        """Returns the earlier inputs, but with the new values of the chosen ones. Closed days are those of `after`."""
        wanted = frozenset(chosen)
        made = len(self.before.decisions)
        decisions: list[Decision] = list(self.before.decisions)
        decisions += [
            decision
            for i, decision in enumerate(self.after.decisions[made:], start=made)
            if NewDecision(i, decision.change_request_id) in wanted
        ]
        facts = dict(self.before.facts) | {
            member_id: mixed_facts(
                self.earlier_facts[member_id],
                later,
                {each.fact for each in wanted if isinstance(each, ChangedFact) and each.member_id == member_id},
            )
            for member_id, later in self.after.facts.items()
        }
        merged = {each.from_member_id: each.into_member_id for each in wanted if isinstance(each, NewMerge)}
        aliases = merged | {member_id: merged.get(into, into) for member_id, into in self._earlier_aliases.items()}
        contract = self._mixed_contract(
            frozenset(each for each in wanted if isinstance(each, ChangedVersion | ChangedContract))
        )
        return replace(self.after, contract=contract, decisions=tuple(decisions), facts=facts, aliases=aliases)

    def _mixed_contract(self, chosen: frozenset[ContractChange]) -> Contract:
        """Returns a contract with versions of both states. All mixtures with the same versions share its caches."""
        found = self._contracts.get(chosen)
        if found is None:
            found = self._contracts[chosen] = mixed_contract(self._earlier_contract, self.after.contract, chosen)
        return found


def changed_facts(before: Facts, after: Facts) -> list[FactName]:
    """Returns the facts that differ and that rules can depend on."""
    names = sorted({a.name for a in (*before.attributes, *after.attributes)})
    candidates = [FactName(kind) for kind in FACTS_OF_RULES] + [FactName(FactKind.ATTRIBUTE, name) for name in names]
    return [fact for fact in candidates if fact_of(before, fact) != fact_of(after, fact)]


def fact_of(facts: Facts, fact: FactName) -> object:
    """Returns the values of a fact on all days, for comparisons."""
    match fact.kind:
        case FactKind.DATE_OF_BIRTH:
            return facts.born_on
        case FactKind.DATE_OF_DEATH:
            return facts.died_on
        case FactKind.ADDRESS:
            return facts.addresses
        case FactKind.EMPLOYMENT | FactKind.SALARY:
            return facts.employments
        case FactKind.ATTRIBUTE:
            return tuple(attribute for attribute in facts.attributes if attribute.name == fact.name)
        case FactKind.HEALTH_REGIME:
            return facts.health_regimes


def mixed_facts(before: Facts, after: Facts, chosen: Collection[FactName]) -> Facts:
    """Returns the earlier facts, but with the chosen ones taken from the later facts."""
    if not chosen:
        return replace(before, erased_on=after.erased_on)
    kinds = {fact.kind for fact in chosen}
    names = {fact.name for fact in chosen if fact.kind is FactKind.ATTRIBUTE}
    kept = [attribute for attribute in before.attributes if attribute.name not in names]
    taken = [attribute for attribute in after.attributes if attribute.name in names]
    return replace(
        after,
        born_on=after.born_on if FactKind.DATE_OF_BIRTH in kinds else before.born_on,
        died_on=after.died_on if FactKind.DATE_OF_DEATH in kinds else before.died_on,
        addresses=after.addresses if FactKind.ADDRESS in kinds else before.addresses,
        employments=after.employments if FactKind.EMPLOYMENT in kinds else before.employments,
        health_regimes=after.health_regimes if FactKind.HEALTH_REGIME in kinds else before.health_regimes,
        attributes=tuple(sorted((*kept, *taken), key=lambda attribute: (attribute.name, attribute.days))),
    )
