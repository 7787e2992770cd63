"""From which months on a change of a contract, of facts or of periods can change premiums."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from domain.catalog.contract import Contract, ContractVersion
from domain.days import UNBOUNDED_END, UNBOUNDED_START, Day, Days, Span
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.differences import Difference
from domain.fact_changes import fact_changes
from domain.members import FactKind, Facts
from domain.premiums.months import Month, month_of_day
from domain.pricing.parameters import COUNTRY_PARAMETERS, resolved

ALWAYS = Span.between(None, None)


class Repriced(NamedTuple):
    """Months in which the prices of a module changed, or of every module if `module_id` is None.

    `end` is exclusive. None: without end.
    """

    module_id: UUID | None
    first: Month
    end: Month | None


@dataclass(frozen=True, slots=True)
class RepricingFacts:
    """The first month whose premiums a change of facts can change. `as_primary`: only on the member's own policy."""

    first: Month
    as_primary: bool


def repriced(before: Contract, after: Contract) -> tuple[Repriced, ...]:
    """Returns the months in which an amendment can change premiums.

    Rules, limits, capabilities, names and commitments have no effect on prices. Where rules change days, the recompute
    of the policy reports it.
    """
    changed: list[Repriced] = []
    for start, end in pairwise(sorted(_bounds(before) | _bounds(after))):
        then, now = before.version_on(start), after.version_on(start)
        if then is None and now is None:
            continue
        first = _month(start)
        until = None if end >= UNBOUNDED_END else _month(end - 1) + 1
        if then is None or now is None or _common(before, then) != _common(after, now):
            changed.append(Repriced(None, first, until))
            continue
        old, new = _modules(then, start), _modules(now, start)
        of_modules = sorted(each for each in old.keys() | new.keys() if old.get(each) != new.get(each))
        changed.extend(Repriced(module_id, first, until) for module_id in of_modules)
    return tuple(_joined(changed))


def _joined(changed: Iterable[Repriced]) -> list[Repriced]:
    """Joins months of one module that follow each other. They are in order."""
    joined: dict[UUID | None, list[Repriced]] = {}
    for each in changed:
        of_module = joined.setdefault(each.module_id, [])
        if of_module and of_module[-1].end is not None and each.first <= of_module[-1].end:
            of_module[-1] = of_module[-1]._replace(end=each.end)
        else:
            of_module.append(each)
    return [each for of_module in joined.values() for each in of_module]


def _bounds(contract: Contract) -> set[Day]:
    """Returns every day on which prices of a contract can begin or end to apply."""
    days = {day for version in contract.versions for day in version.days}
    for version in contract.versions:
        for module in version.modules:
            for discount in module.pricing.discounts if module.pricing else ():
                applies = Days.of(version.days) & Days.of(discount.days)
                days.update(day for span in applies for day in span)
    return days


def _common(contract: Contract, version: ContractVersion) -> object:
    """Returns what the prices of every module of a version depend on."""
    parameters = resolved(version.engine_parameters, COUNTRY_PARAMETERS.get(contract.country_code))
    return contract.currency_code, parameters, version.pricing


def _modules(version: ContractVersion, day: Day) -> Mapping[UUID, object]:
    """Returns what only the prices of each module depend on, with the discounts of a day."""
    found: dict[UUID, object] = {}
    for module in version.modules:
        pricing = module.pricing
        if pricing:
            discounts = tuple(replace(each, days=ALWAYS) for each in pricing.discounts if each.days.holds(day))
            pricing = replace(pricing, discounts=discounts)
        found[module.module_id] = (module.service_type, pricing)
    return found


def repricing_facts(before: Facts, after: Facts) -> RepricingFacts | None:
    """Returns the premiums that a change of facts can change, or None if there are none.

    Prices depend on everyone's date of birth, and on the primary's regime. A date of birth changes ages at any time and
    the rank of children, so it can change every month.
    """
    changes = fact_changes(before, after)
    if any(change.fact.kind is FactKind.DATE_OF_BIRTH for change in changes):
        return RepricingFacts(0, as_primary=False)
    regimes = [change.days for change in changes if change.fact.kind is FactKind.HEALTH_REGIME and change.days]
    return RepricingFacts(min(_month(days.start) for days in regimes), as_primary=True) if regimes else None


def first_changed_month(
    differences: Iterable[Difference], corrected: Iterable[UUID], states: Iterable[Mapping[EnrollmentKey, Days]]
) -> Month | None:
    """Returns the first month whose premiums a new revision can change, or None.

    That is the month of the first day that anyone gained or lost, or on which a member whose membership type was
    corrected is or was enrolled.
    """
    members = set(corrected)
    changed = [days for each in differences for days in (each.gained, each.lost)]
    changed += [days for state in states for key, days in state.items() if key.member_id in members]
    starts = [days.first for days in changed if days]
    return _month(min(starts)) if starts else None


def _month(day: Day) -> Month:
    return 0 if day <= UNBOUNDED_START else month_of_day(day)
