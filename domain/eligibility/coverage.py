"""Coverage: who is on which module of which policy, and what the contract offers on those days.

Runs are stored, as enrollment reports them. Records, each within one term, are derived from runs and the contract on
request. So they always reflect the current contract.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from domain.catalog.contract import Contract, Limit, Module
from domain.days import Day, Span, to_date
from domain.eligibility.terms import term_id, term_id_text, term_of
from domain.enrollment.decisions import GroupKey
from domain.enrollment.group import Period
from domain.identity import derived_text
from domain.membership import MembershipType


class CoveredRun(NamedTuple):
    """Consecutive days on which a member is on a module of a policy, at a revision of the policy."""

    group_id: UUID
    key: GroupKey
    revision: int
    member_id: UUID
    module_id: UUID
    membership_type: MembershipType
    days: Span


class Offer(NamedTuple):
    """What a contract offers for a module on some days within one term. Limits are by code."""

    term: Span
    days: Span
    network_tier: str
    capabilities: tuple[str, ...]
    limits: Mapping[str, Limit]


class CoverageRecord(NamedTuple):
    """The part of a run within one term and one offer."""

    run: CoveredRun
    offer: Offer
    days: Span

    @property
    def locator(self) -> UUID:
        """An id that depends only on the enrollment, the term and the first day."""
        run, group = self.run, str(self.run.group_id)
        term = term_id_text(group, self.offer.term.start)
        return UUID(locator_of(group, str(run.member_id), str(run.module_id), term, self.days.start))

    @property
    def term_id(self) -> UUID:
        return term_id(self.run.group_id, self.offer.term)


def locator_of(group_id: str, member_id: str, module_id: str, term: str, first_day: Day) -> str:
    """Returns the locator of a record, given the texts of its ids."""
    return derived_text(derived_text(group_id, member_id, module_id), term, str(to_date(first_day)))


def runs_of(group_id: UUID, key: GroupKey, revision: int, periods: Iterable[Period]) -> list[CoveredRun]:
    """Returns a policy's runs. Periods that touch and have the same type are merged."""
    runs: list[CoveredRun] = []
    for period in sorted(periods, key=lambda p: (p.member_id, p.module_id, p.days)):
        run = CoveredRun(
            group_id, key, revision, period.member_id, period.module_id, period.membership_type, period.days
        )
        if runs and runs[-1].days.end == run.days.start and runs[-1]._replace(days=run.days) == run:
            runs[-1] = run._replace(days=Span(runs[-1].days.start, run.days.end))
        else:
            runs.append(run)
    return runs


MAX_CACHED = 20_000


class Offers:
    """What one state of a contract offers. Answers are cached."""

    def __init__(self, contract: Contract, revision: int) -> None:
        self.contract = contract
        self.revision = revision
        self._known: dict[tuple[UUID, Day], Offer | None] = {}

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """The capabilities that any version lists for any module."""
        modules = (module for version in self.contract.versions for module in version.modules)
        return frozenset(capability for module in modules for capability in module.capabilities)

    def on(self, module_id: UUID, day: Day) -> Offer | None:
        """Returns what is offered for a module on a day, with the days around it that have the same offer; None if
        nothing is.
        """
        key = (module_id, day)
        if key not in self._known:
            if len(self._known) >= MAX_CACHED:
                self._known.clear()
            self._known[key] = self._find(module_id, day)
        return self._known[key]

    def _find(self, module_id: UUID, day: Day) -> Offer | None:
        listings = self.contract.listings(module_id)
        here = next((i for i, (version, _) in enumerate(listings) if version.days.holds(day)), None)
        if here is None:
            return None
        version, module = listings[here]
        start, end = version.days
        for earlier, earlier_module in reversed(listings[:here]):
            if earlier.days.end != start or not _same(earlier_module, module):
                break
            start = earlier.days.start
        for later, later_module in listings[here + 1 :]:
            if later.days.start != end or not _same(later_module, module):
                break
            end = later.days.end
        term = term_of(self.contract.term_start, day)
        days = Span(max(start, term.start), min(end, term.end))
        limits = {limit.code: limit for limit in module.limits}
        return Offer(term, days, module.network_tier, module.capabilities, limits)


def _same(one: Module, other: Module) -> bool:
    return (one.network_tier, one.capabilities, one.limits) == (other.network_tier, other.capabilities, other.limits)


def record_on(run: CoveredRun, offers: Offers, day: Day) -> CoverageRecord | None:
    """Returns the record of a run on one of its days; None if the contract no longer offers the module."""
    offer = offers.on(run.module_id, day)
    if offer is None:
        return None
    return CoverageRecord(run, offer, Span(max(run.days.start, offer.days.start), min(run.days.end, offer.days.end)))


def records_of(run: CoveredRun, offers: Offers, within: Span) -> Iterator[CoverageRecord]:
    """Yields the records of a run that have a day within a span, in order."""
    day, end = max(run.days.start, within.start), min(run.days.end, within.end)
    while day < end:
        record = record_on(run, offers, day)
        if record is None:
            day = _next_offer(run, offers, day)
        else:
            yield record
            day = record.days.end


def _next_offer(run: CoveredRun, offers: Offers, day: Day) -> Day:
    """Returns the first later day on which the contract offers a run's module again."""
    starts = [version.days.start for version, _ in offers.contract.listings(run.module_id)]
    return min((start for start in starts if start > day), default=run.days.end)


@dataclass(frozen=True, slots=True)
class PolicyCoverage:
    """A policy at a revision, with all its runs."""

    group_id: UUID
    key: GroupKey
    revision: int
    runs: tuple[CoveredRun, ...]
