"""Finds what can change a price while enrolled days stay the same: facts that prices depend on, and the contract."""

from domain.days import Span
from domain.enrollment.changed_inputs import BasisChange, ChangedFact, ChangedInput
from domain.enrollment.versions import ChangedVersion, contract_changes
from domain.fact_changes import FactName, fact_changes
from domain.members import FactKind, Facts

BIRTH, REGIME = FactName(FactKind.DATE_OF_BIRTH), FactName(FactKind.HEALTH_REGIME)


def price_inputs(change: BasisChange, days: Span) -> tuple[ChangedInput, ...]:
    """Returns the changed facts and the changes of the contract that can affect the prices of a policy on some days.

    These facts are the birth dates of all members, and the regime of the primary on these days, which applies to
    everyone. They are ordered by member and kind, and followed by changed versions of the contract.
    """
    facts = []
    for member_id, before in sorted(change.before.facts.items()):
        after = change.after.facts.get(member_id)
        if after is None:
            continue  # The member was merged into another one.
        if before.born_on != after.born_on:
            facts.append(ChangedFact(member_id, BIRTH))
        if member_id == change.after.primary_id and _regime_changed(before, after, days):
            facts.append(ChangedFact(member_id, REGIME))
    versions = [
        each
        for each in contract_changes(change.before.contract, change.after.contract)
        if not isinstance(each, ChangedVersion) or (each.days.start < days.end and days.start < each.days.end)
    ]
    return (*facts, *versions)


def _regime_changed(before: Facts, after: Facts, days: Span) -> bool:
    """Returns whether the regime changed on any of these days."""
    regimes = (Facts(health_regimes=facts.health_regimes) for facts in (before, after))
    changed = (each.days for each in fact_changes(*regimes) if each.days is not None)
    return any(span.start < days.end and days.start < span.end for span in changed)
