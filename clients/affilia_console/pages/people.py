"""A person: facts with their history, families, coverage today and capabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from affilia.catalog.v1.member_service_pb2 import GetMemberResponse
from affilia.eligibility.v1.eligibility_check_service_pb2 import EligibilityCheck
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup, EnrollmentPeriod
from affilia.history.v1.history_entry_pb2 import HISTORY_KIND_FACT, HISTORY_KIND_RECORD, HistoryEntry
from affilia_client.dates import date_to_proto
from affilia_console.finding import groups_of
from affilia_console.inputs import instant_in
from affilia_console.parts import Part, part
from affilia_console.visits import Visit
from affilia_views.coverage import coverage_item
from affilia_views.days import format_span, today_under
from affilia_views.fact_lanes import fact_lanes, fact_window
from affilia_views.facts import Fact, facts_in, recording_entries, records
from affilia_views.history import Described, described
from affilia_views.outline import Item
from affilia_views.people import name_of
from affilia_views.timeline_svg import timeline_svg
from affilia_views.words import actor_words, fact_name

MAX_ENTRIES = 10
"""Entries of the person's own history on their page. The tab History has all."""


@dataclass(frozen=True, slots=True)
class FactRow:
    """A fact in words, and who recorded it."""

    name: str
    days: str
    value: str
    recorded: HistoryEntry | None
    recorder: str


@dataclass(frozen=True, slots=True)
class Membership:
    """A family of the person, with the person's enrollments in it."""

    group: EnrollmentGroup
    title: str
    enrollments: Sequence[tuple[EnrollmentPeriod, str, str]]
    """Each with the name of the module and its days in words."""


def person(visit: Visit) -> Response:
    """Shows a person as of now or of an instant. Coverage is always that of today."""
    member_id = visit.path("member_id")
    at = instant_in(visit.query.get("at", ""), "As of")
    found = visit.client.members.get_member(member_id=member_id, as_of=at)
    if found.merged_into and at is None:
        return visit.goes_to(f"/people/{found.merged_into}", f"Member {member_id} was merged into this one.")
    name = name_of(found.member)
    visit.remember(name)
    facts = list(facts_in(found.facts))
    memberships = part(lambda: _memberships(visit, member_id))
    today = _today(visit, memberships)
    return visit.page(
        "person.html",
        name=name,
        found=found,
        recorder=actor_words(found.member.actor, visit.names),
        at=at,
        facts=part(lambda: _rows(visit, member_id, facts, current=at is None)),
        picture=_picture(facts, name, today),
        changes=part(lambda: _changes(visit, member_id)),
        memberships=memberships,
        coverage=part(lambda: _coverage(visit, found, today)),
        capabilities=part(lambda: _capabilities(visit, member_id, today)),
        today=today,
    )


def _today(visit: Visit, memberships: Part[list[Membership]]) -> date:
    """Returns today under the contract of the person's first family, or in UTC."""
    if memberships.value:
        return today_under(visit.names.contract(memberships.value[0].group.key.contract_id))
    return datetime.now(UTC).date()


def _rows(visit: Visit, member_id: str, facts: Sequence[Fact], *, current: bool) -> list[FactRow]:
    """Returns facts with the newest entry that recorded each. Of earlier states, only the facts."""
    kinds = [HISTORY_KIND_FACT]
    history = visit.client.history.all_history(member_id=member_id, kinds=kinds) if current else []
    entries = recording_entries(history, facts, member_id)
    rows = []
    for fact in facts:
        newest = next((entry for entry in entries if records(entry, fact, member_id)), None)
        recorder = actor_words(newest.actor, visit.names) if newest else ""
        days = format_span(fact.days) if fact.days is not None else ""
        rows.append(FactRow(fact_name(fact.kind, fact.name), days, fact.value, newest, recorder))
    return rows


def _picture(facts: Sequence[Fact], name: str, today: date) -> Markup | None:
    lanes = fact_lanes(facts)
    if not lanes:
        return None
    drawing = timeline_svg(lanes, fact_window(lanes, today), today, f"Facts of {name}", in_page=True)
    return Markup(drawing)  # noqa: S704 (the drawing escapes every text)


def _changes(visit: Visit, member_id: str) -> list[Described]:
    """Returns what was recorded last about the person themselves."""
    found = visit.client.history.list_history(
        member_id=member_id, kinds=[HISTORY_KIND_FACT, HISTORY_KIND_RECORD], page_size=50
    )
    own = [each for each in found.entries if each.member_id in (member_id, found.merged_into)][:MAX_ENTRIES]
    return [described(each, visit.names) for each in own]


def _memberships(visit: Visit, member_id: str) -> list[Membership]:
    groups = groups_of(visit, member_id)
    own = {group.group_id: [each for each in group.periods if each.member_id == member_id] for group in groups}
    visit.names.load_modules(each.module_id for periods in own.values() for each in periods)
    return [
        Membership(
            group,
            visit.names.family(group.key),
            [(each, visit.names.module(each.module_id), format_span(each.days)) for each in own[group.group_id]],
        )
        for group in groups
    ]


def _coverage(visit: Visit, found: GetMemberResponse, today: date) -> Item:
    check = EligibilityCheck(member_id=found.member.member_id)
    answer = visit.client.eligibility.check_eligibility(check=check)
    return coverage_item(answer, name_of(found.member), today, visit.names)


def _capabilities(visit: Visit, member_id: str, today: date) -> list[str]:
    fields: dict[str, Any] = {"member_id": member_id, "date": date_to_proto(today)}
    return list(visit.client.eligibility.list_capabilities(**fields).capabilities)
