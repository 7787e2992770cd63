"""Stores the locators of coverage records, so that GetCoverage finds every record that was ever returned."""

from collections.abc import Sequence
from datetime import date

from domain.days import Day, Span, to_date, to_day
from domain.eligibility.coverage import CoverageRecord
from operations.call import Call
from operations.core import Core
from storage import coverage
from storage.coverage import LocatedRecord

FIRST_DAY: Day = to_day(date.min)
LAST_DAY: Day = to_day(date.max)

LOCATED_AHEAD_DAYS = 366
"""How far ahead the projection stores locators."""
SURELY_LOCATED_AHEAD_DAYS = 300
"""How far ahead all locators are certain to be stored. Less than `LOCATED_AHEAD_DAYS`, because the projection takes up
to a day to store those of records that have come within reach since they were projected."""


def located_span(call: Call) -> Span:
    """Returns the days for which the projection stores locators."""
    return Span(FIRST_DAY, _today(call) + LOCATED_AHEAD_DAYS)


async def store_far_locators(core: Core, call: Call, records: Sequence[CoverageRecord]) -> None:
    """Stores the locators of records that begin too late for the projection to have stored them."""
    horizon = _today(call) + SURELY_LOCATED_AHEAD_DAYS
    far = [record for record in records if record.days.start > horizon]
    if far:
        await core.database.write(lambda tx: coverage.put_locators(tx, [located(record) for record in far]))


def located(record: CoverageRecord) -> LocatedRecord:
    """Returns what is stored to find a record by its locator."""
    return LocatedRecord(record.locator, record.run.group_id, record.run.member_id, to_date(record.days.start))


def _today(call: Call) -> Day:
    return call.clock().date().toordinal()
