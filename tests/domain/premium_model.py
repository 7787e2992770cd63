"""A slow, obvious model of premiums: it prices every day separately and combines the days of each month."""

from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from math import floor
from typing import Any
from uuid import UUID

from domain.catalog.contract import ContractVersion
from domain.catalog.prices import Discount, EngineParameters, ProrataStrategy
from domain.days import to_day
from domain.identity import enrollment_id
from domain.money import Rounding
from domain.premiums.affiliation import InsuredPolicy
from domain.pricing.beneficiaries import priced_age
from domain.pricing.inquiries import enrolled_specs, price_enrolled
from domain.pricing.parameters import COUNTRY_PARAMETERS, resolved

Amounts = tuple[tuple[Any, ...], ...]
Owed = dict[tuple[UUID, int], Counter[tuple[object, ...]]]
"""What is owed by enrollment and month, for each contribution, payer and collection method."""

LARGEST_REMAINDER = (
    ProrataStrategy.THIRTY_DAY_PRORATA_WITH_LARGEST_REMAINDER,
    ProrataStrategy.CALENDAR_DAY_PRORATA_WITH_LARGEST_REMAINDER,
)


def owed_by_days(insured: InsuredPolicy, first: date, last: date) -> Owed:
    """Returns what is owed for whole months, from the first day of one to the last day of another."""
    days: dict[tuple[UUID, int], list[tuple[date, Amounts]]] = {}
    on = first
    while on <= last:
        for enrolled, amounts in _amounts_on(insured, on).items():
            days.setdefault((enrolled, on.year * 12 + on.month - 1), []).append((on, amounts))
        on += timedelta(days=1)
    return {key: _owed(insured, charged) for key, charged in days.items()}


def _amounts_on(insured: InsuredPolicy, on: date) -> dict[UUID, Amounts]:
    enrolled = [key for key, enrolled_days in insured.enrolled.items() if enrolled_days.holds(to_day(on))]
    if not enrolled:
        return {}
    rounding = _parameters(insured, on).rounding
    specs = enrolled_specs(insured.policy, enrolled, insured.types, on)
    found: dict[UUID, list[tuple[object, ...]]] = {}
    for c in price_enrolled(insured.policy, specs, on, rounding).cost.components:
        assert c.enrollment_id is not None
        kind = (c.charge.contribution_type, c.charge.billed_entity, c.charge.collection_method)
        found.setdefault(c.enrollment_id, []).append((*kind, c.charge.monthly_minor))
    return {enrolled: tuple(amounts) for enrolled, amounts in found.items()}


def entries_by_days(insured: InsuredPolicy, first: date, last: date) -> dict[tuple[UUID, date], set[str]]:
    """Returns the reasons why each entry of some months starts, by enrollment and first day; none if charges don't
    change.
    """
    found: dict[tuple[UUID, date], set[str]] = {}
    amounts_before: dict[UUID, Amounts] = {}
    on = first
    while on <= last:
        amounts = _amounts_on(insured, on)
        for enrolled, charged in amounts.items():
            goes_on = amounts_before.get(enrolled) == charged
            if not goes_on or on.day == 1:
                found[enrolled, on] = set() if goes_on else _changes(insured, enrolled, first, on)
        amounts_before, on = amounts, on + timedelta(days=1)
    return found


def _changes(insured: InsuredPolicy, concerned: UUID, first: date, on: date) -> set[str]:
    """Returns what differs from the day before."""
    policy, day = insured.policy, to_day(on)
    changes = {"RANGE_START"} if on == first else set()
    for enrolled_days in insured.enrolled.values():
        changes |= {"ENROLLMENT_STARTED"} if enrolled_days.holds(day) and not enrolled_days.holds(day - 1) else set()
        changes |= {"ENROLLMENT_ENDED"} if enrolled_days.holds(day - 1) and not enrolled_days.holds(day) else set()
    now, then = (policy.contract.version_on(each) for each in (day, day - 1))
    changes |= {"CONTRACT_VERSION"} if now is not then else set()
    changes |= {"DISCOUNT_STARTED"} if day in {d.days.start for d in _discounts(now)} else set()
    changes |= {"DISCOUNT_ENDED"} if day in {d.days.end for d in _discounts(then)} else set()
    changes |= {"REGIME_CHANGED"} if policy.regime_of_day(day) != policy.regime_of_day(day - 1) else set()
    (member,) = (m for m, x in insured.enrolled if enrollment_id(policy.group_id, m, x) == concerned)
    covered_before = any(
        enrolled_days.holds(day - 1) for key, enrolled_days in insured.enrolled.items() if key.member_id == member
    )
    if on != first and covered_before and _age(insured, member, on) != _age(insured, member, on - timedelta(days=1)):
        changes |= {"AGE_CHANGED"}
    return changes


def _discounts(version: ContractVersion | None) -> list[Discount]:
    return [d for module in version.modules if module.pricing for d in module.pricing.discounts] if version else []


def _age(insured: InsuredPolicy, member: UUID, on: date) -> int:
    return priced_age(insured.types[member], insured.policy.facts[member].born_on, on, _parameters(insured, on))


def _parameters(insured: InsuredPolicy, on: date) -> EngineParameters:
    contract = insured.policy.contract
    version = contract.version_on(to_day(on))
    assert version is not None
    return resolved(insured.parameters, version.engine_parameters, COUNTRY_PARAMETERS.get(contract.country_code))


def _owed(insured: InsuredPolicy, days: list[tuple[date, Amounts]]) -> Counter[tuple[object, ...]]:
    """Returns what one enrollment owes for a month, from its covered days in order."""
    runs: list[list[tuple[date, Amounts]]] = []
    for day, amounts in days:
        if runs and runs[-1][-1] == (day - timedelta(days=1), amounts):
            runs[-1].append((day, amounts))
        else:
            runs.append([(day, amounts)])
    length = _days_in_month(days[0][0])
    parameters = _parameters(insured, days[0][0])
    prorata, rounding = parameters.prorata, parameters.rounding
    assert rounding
    calendar = prorata == ProrataStrategy.CALENDAR_DAY_PRORATA_WITH_LARGEST_REMAINDER
    divisor = length if calendar or len(days) == length else 30
    shares = [
        (run[0][1][i], Fraction(run[0][1][i][-1] * len(run), divisor)) for run in runs for i in range(len(run[0][1]))
    ]
    if len(runs) == 1 and len(days) == length:
        parts = [int(amount[-1]) for amount, _ in shares]
    elif prorata == ProrataStrategy.WHOLE_MONTH_IF_COVERED_ON_FIRST_DAY:
        parts = [int(amount[-1]) if run[0][0].day == 1 else 0 for run in runs for amount in run[0][1]]
    elif prorata == ProrataStrategy.MID_MONTH:
        cut_off = parameters.cut_off_day or 15
        parts = [
            int(amount[-1]) if any(day.day == cut_off for day, _ in run) else 0 for run in runs for amount in run[0][1]
        ]
    elif prorata in LARGEST_REMAINDER:
        parts = _by_largest_remainder([share for _, share in shares], rounding)
    else:
        parts = [_rounded(share, rounding) for _, share in shares]
    owed: Counter[tuple[object, ...]] = Counter()
    for (amount, _), part in zip(shares, parts, strict=True):
        owed[amount[:3]] += part
    return owed


def _days_in_month(day: date) -> int:
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return (following - timedelta(days=1)).day


def _by_largest_remainder(shares: list[Fraction], rounding: Rounding) -> list[int]:
    total = _rounded(sum(shares, Fraction(0)), rounding)
    parts = [floor(share) for share in shares]
    while sum(parts) < total:
        gaps = [share - part for share, part in zip(shares, parts, strict=True)]
        parts[gaps.index(max(gaps))] += 1
    return parts


def _rounded(exact: Fraction, rounding: Rounding) -> int:
    low = floor(exact)
    rest = exact - low
    if rest != Fraction(1, 2):
        return low + (rest > Fraction(1, 2))
    if rounding == Rounding.BANKERS:
        return low + low % 2
    return low + 1 if exact >= 0 else low
