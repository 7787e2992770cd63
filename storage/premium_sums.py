"""Sums over the premium ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any
from uuid import UUID

from domain.errors import AmountTooLarge
from domain.money import MAX_MINOR
from domain.premiums.months import Month
from storage.postgres.database import Connection
from storage.postgres.sessions import allow_whole_tables

DIMENSIONS = {
    "MONTH": "lpad((m.month / 12)::text, 4, '0') || '-' || lpad((m.month %% 12 + 1)::text, 2, '0')",
    "CONTRACT": "s.contract_id::text",
    "POLICY": "g.group_id::text",
    "MODULE": "p.module_id::text",
    "SERVICE_TYPE": "p.service_type",
    "BENEFICIARY_TYPE": "p.beneficiary_type",
    "CONTRIBUTION_TYPE": "p.contribution_types[i]",
    "BILLED_ENTITY": "p.billed_entities[i]",
    "DEBTOR": "p.debtors[i]",
    "INVOICED": "CASE WHEN k.stretch_key IS NULL THEN 'false' ELSE 'true' END",
}
"""The SQL expressions of the dimensions by which amounts can be grouped."""

_OWED = "sum((coalesce(s.owed_minor, p.monthly_minor))[i] * CASE WHEN s.cancels IS NULL THEN 1 ELSE -1 END)"
"""The sum as a numeric, because the sum over a large portfolio can exceed a bigint."""


@dataclass(frozen=True, slots=True)
class PremiumSum:
    """The amount owed for all components with the same values of the dimensions."""

    values: tuple[str, ...]
    currency_code: str
    amount_minor: int


async def aggregate(
    tx: Connection,
    by: Sequence[str],
    months: tuple[Month, Month],
    contract_ids: Sequence[UUID],
    group_ids: Sequence[UUID],
    after: Sequence[str],
    limit: int,
) -> list[PremiumSum]:
    """Returns sums over all entries of some months, grouped by the named dimensions. Sums of 0 are omitted.

    They are in order of their values and currency, beginning after `after`, which has the values and the currency of a
    sum, or is empty. Raises AmountTooLarge.
    """
    await allow_whole_tables(tx)
    dimensions = ", ".join(DIMENSIONS[name] for name in by)
    columns = ", ".join(str(i + 1) for i in range(len(by) + 1))
    names = ", ".join(f"v{i}" for i in range(len(by) + 1))
    cursor = await tx.execute(
        "SELECT * FROM ("
        f"SELECT {dimensions}, p.currency_code, {_OWED} FROM premium_stretch s"
        " JOIN enrollment_group g USING (group_key) JOIN premium_price p USING (price_key)"
        " CROSS JOIN LATERAL"
        " generate_series(greatest(s.first_month, %(first)s), least(s.last_month, %(last)s)) AS m(month)"
        " CROSS JOIN LATERAL generate_series(1, cardinality(p.monthly_minor)) AS i"
        " LEFT JOIN premium_invoice_mark k"
        " ON k.stretch_key = s.stretch_key AND k.month = m.month AND k.debtor = p.debtors[i]"
        " WHERE s.first_month <= %(last)s AND s.last_month >= %(first)s"
        " AND (%(contracts)s = '{}'::uuid[] OR s.contract_id = ANY(%(contracts)s))"
        " AND (%(groups)s = '{}'::uuid[] OR g.group_id = ANY(%(groups)s))"
        f" GROUP BY {columns} HAVING {_OWED} <> 0) AS q({names}, owed)"
        " WHERE %(after)s::text[] = '{}' OR "
        f"ARRAY[{names}] > %(after)s::text[] ORDER BY {columns} LIMIT %(limit)s",
        {
            "first": months[0],
            "last": months[1],
            "contracts": list(contract_ids),
            "groups": list(group_ids),
            "after": list(after),
            "limit": limit,
        },
    )
    return list(starmap(_sum, await cursor.fetchall()))


def _sum(*row: Any) -> PremiumSum:
    *values, currency_code, amount = row
    if abs(amount) > MAX_MINOR:
        raise AmountTooLarge("A sum of premiums", MAX_MINOR, "Ask for fewer months, or group by more dimensions.")
    return PremiumSum(tuple(values), currency_code, int(amount))
