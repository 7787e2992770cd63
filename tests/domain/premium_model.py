"""Premiums, the slow and obvious way: every day is priced by itself, and a month is put together from its days."""

from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from math import floor
from typing import Any
from uuid import UUID

from domain.days import to_day
from domain.money import Rounding
from domain.premiums.affiliation import InsuredPolicy
from domain.pricing.inquiries import enrolled_specs, price_enrolled
from domain.pricing.parameters import COUNTRY_PARAMETERS, resolved
from domain.pricing.prices import EngineParameters, ProrataStrategy

Amounts = tuple[tuple[Any, ...], ...]
Owed = dict[tuple[UUID, int], Counter[tuple[object, ...]]]
"""By enrollment and month: what is owed, by contribution, payer and collection."""

LARGEST_REMAINDER = (
    ProrataStrategy.THIRTY_DAY_PRORATA_WITH_LARGEST_REMAINDER,
    ProrataStrategy.CALENDAR_DAY_PRORATA_WITH_LARGEST_REMAINDER,
)


def owed_by_days(insured: InsuredPolicy, first: date, last: date) -> Owed:
    """What is owed for the calendar months from one day to another (the first of a month, the last of a month)."""
    days: dict[tuple[UUID, int], list[tuple[date, Amounts]]] = {}
    on = first
    while on <= last:
        for enrollment_id, amounts in _amounts_on(insured, on).items():
            days.setdefault((enrollment_id, on.year * 12 + on.month - 1), []).append((on, amounts))
        on += timedelta(days=1)
    return {key: _owed(insured, its) for key, its in days.items()}


def _amounts_on(insured: InsuredPolicy, on: date) -> dict[UUID, Amounts]:
    enrolled = [key for key, its in insured.enrolled.items() if its.holds(to_day(on))]
    if not enrolled:
        return {}
    rounding = _parameters(insured, on).rounding
    specs = enrolled_specs(insured.policy, enrolled, insured.types, on)
    found: dict[UUID, list[tuple[object, ...]]] = {}
    for c in price_enrolled(insured.policy, specs, on, rounding).cost.components:
        assert c.enrollment_id is not None
        kind = (c.amount.contribution_type, c.amount.billed_entity, c.amount.collection_method)
        found.setdefault(c.enrollment_id, []).append((*kind, c.amount.monthly_minor))
    return {enrollment_id: tuple(amounts) for enrollment_id, amounts in found.items()}


def _parameters(insured: InsuredPolicy, on: date) -> EngineParameters:
    contract = insured.policy.contract
    version = contract.version_on(to_day(on))
    assert version is not None
    return resolved(insured.parameters, version.engine_parameters, COUNTRY_PARAMETERS.get(contract.country_code))


def _owed(insured: InsuredPolicy, days: list[tuple[date, Amounts]]) -> Counter[tuple[object, ...]]:
    """One enrollment's month, from its covered days in order."""
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
