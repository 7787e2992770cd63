"""Returns coverage records: one by its locator, a member's, and those of many policies."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from uuid import UUID

from domain.days import Span, to_day
from domain.eligibility.coverage import CoverageRecord, CoveredRun, Offers, record_on, records_of
from domain.errors import CoverageUnknown
from operations.call import Call
from operations.core import Core
from operations.eligibility import OffersOf, with_offers
from operations.freshness import POLL_SECONDS, wait_for_projection
from operations.history import present
from operations.legacy.runs import legacy_policies, store_before_list
from operations.locators import located_span, store_far_locators
from operations.member_runs import member_runs
from operations.paging import Page
from operations.payment_order import todays
from operations.sources import known_contract
from storage import coverage
from storage.coverage import CoverageFilter
from storage.locator_progress import located_mark
from storage.postgres.locks import NIL

YEARS_BACK_DAYS, YEAR_AHEAD_DAYS = 3653, 366


async def get_coverage(core: Core, call: Call, locator: UUID, *, only_of: UUID | None = None) -> CoverageRecord:
    """Returns the record of a locator that any server has ever returned.

    With `only_of`, it returns only records of that member or of a policy in which they are primary. Any other locator
    is unknown, and takes the same statements as one that doesn't exist. Raises CoverageUnknown, ProjectionBehind.
    """
    record = await _find(core, call, locator, only_of)
    if record is None:  # perhaps this process doesn't know it yet
        call = replace(call, after=await present(core))
        await _wait_until_located(core, call)
        record = await _find(core, call, locator, only_of)
    if record is None:
        raise CoverageUnknown(locator)
    return record


async def _find(core: Core, call: Call, locator: UUID, only_of: UUID | None) -> CoverageRecord | None:
    async with core.database.reading() as connection:
        found = await coverage.find_locator(connection, locator, only_of)
    if found is None:
        return None
    seen = await member_runs(core, call, found.member_id)
    of_policy = [run for run in seen.of(found.member_id) if run.group_id == found.group_id]
    first_on = found.first_on
    records = await with_offers(
        core, lambda offers_of: [r for run in of_policy for r in _candidates(run, offers_of, first_on, call)]
    )
    return next((record for record in records if record.locator == locator), None)


def _candidates(run: CoveredRun, offers_of: OffersOf, first_on: date | None, call: Call) -> Iterable[CoverageRecord]:
    """Returns the record of a run on a day; all of its records if the day is unknown.

    Older releases stored locators without the first day of their record.
    """
    offers = offers_of(run.key.contract_id)
    if first_on is None:
        return records_of(run, offers, located_span(call))
    day = to_day(first_on)
    record = record_on(run, offers, day) if run.days.holds(day) else None
    return [record] if record else []


async def _wait_until_located(core: Core, call: Call) -> None:
    """Waits until everything that is committed now is projected, with its locators stored.

    Memory, here or on another server, can contain a record before the database's projection does. Raises
    ProjectionBehind.
    """
    await wait_for_projection(core, call)
    amended = core.eligibility.offers.mark
    while True:
        async with core.database.reading() as connection:
            if await located_mark(connection) >= amended:
                return
        await core.eligibility.moved(POLL_SECONDS)


async def member_coverage(core: Core, call: Call, member_id: UUID, days: Span | None) -> list[CoverageRecord]:
    """Returns a member's records that overlap a bounded span, in order of first day. Raises ProjectionBehind.

    Without a span, returns those from ten years before to a year after today, for each contract in its own time zone.
    """
    runs = (await member_runs(core, call, member_id)).of(member_id)
    today_in = todays(call)

    def around(offers: Offers) -> Span:
        today = today_in(offers.contract.time_zone)
        return Span(today - YEARS_BACK_DAYS, today + YEAR_AHEAD_DAYS)

    records = await _records(core, runs, around if days is None else lambda _: days)
    await store_far_locators(core, call, records)
    return sorted(records, key=lambda r: (r.days.start, r.run.group_id, r.run.module_id))


async def list_coverage(
    core: Core, call: Call, wanted: CoverageFilter, page: Page[UUID]
) -> tuple[list[CoverageRecord], UUID | None]:
    """Returns the records of a page of policies in order of id, and the last of these policies; None on the last page.

    Raises ContractUnknown, ProjectionBehind, and RequestMalformed if legacy tables answer for some contracts and the
    filter names no contract.
    """
    await wait_for_projection(core, call)
    await core.eligibility.offers.refresh(core.database, core.contract_source)
    if page.after == NIL:
        await store_before_list(core, wanted.contract_id)
    async with core.database.snapshot() as connection:
        if wanted.contract_id:
            await known_contract(core.contract_source, connection, wanted.contract_id, hold=False)
        legacy = await legacy_policies(core, connection, wanted, page)
        policies, runs = legacy or await coverage.list_policies(connection, wanted, page.after, page.size)
    records = await _records(core, runs, lambda _: wanted.days)
    await store_far_locators(core, call, records)
    return records, policies[-1] if len(policies) == page.size else None


async def _records(core: Core, runs: Iterable[CoveredRun], within: Callable[[Offers], Span]) -> list[CoverageRecord]:
    """Returns the records of runs that overlap the span for their contract."""

    def found(offers_of: OffersOf) -> list[CoverageRecord]:
        offered = ((run, offers_of(run.key.contract_id)) for run in runs)
        return [record for run, offers in offered for record in records_of(run, offers, within(offers))]

    return await with_offers(core, found)
