"""Answers which capabilities a member has on a day, and until when."""

from dataclasses import dataclass
from uuid import UUID

from domain.days import Day, Span
from domain.eligibility.checks import Question, capable_days
from operations.call import Call
from operations.core import Core
from operations.eligibility import check_eligibility, reject_unknown_capability, with_offers
from operations.locators import FIRST_DAY, LAST_DAY
from operations.member_runs import member_runs

CAPABILITY_WINDOW_DAYS = 366
"""How many days before and after the requested one a capability is looked for."""


@dataclass(frozen=True, slots=True)
class CapableAnswer:
    """The days around the requested one on which a member has a capability; None if not on that day."""

    days: Span | None
    position: int


async def check_capability(core: Core, call: Call, member_id: UUID, capability: str, day: Day) -> CapableAnswer:
    """Returns from when until when a member has a capability. Raises ProjectionBehind, CapabilityUnknown."""
    seen = await member_runs(core, call, member_id)
    runs = seen.of(member_id)
    within = Span(max(FIRST_DAY, day - CAPABILITY_WINDOW_DAYS), min(LAST_DAY, day + CAPABILITY_WINDOW_DAYS) + 1)
    days = await with_offers(core, lambda offers_of: capable_days(capability, day, runs, offers_of, within))
    if days is None:
        of_legacy = seen.legacy.contracts_of(member_id)
        await reject_unknown_capability(core, None, member_id, capability, runs, of_legacy)
    return CapableAnswer(days, seen.position)


async def list_capabilities(core: Core, call: Call, member_id: UUID, day: Day) -> tuple[list[str], int]:
    """Returns a member's capabilities on a day, sorted, and the position. Raises ProjectionBehind."""
    answer = await check_eligibility(core, call, Question(member_id, day))
    found = {capability for record in answer.finding.records for capability in record.offer.capabilities}
    return sorted(found), answer.position
