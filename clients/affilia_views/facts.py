"""The facts about a member as values on days, and which history entries recorded them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from affilia.catalog.v1 import member_pb2
from affilia.enrollment.v1 import change_request_pb2
from affilia.history.v1.fact_change_pb2 import FactChange
from affilia.history.v1.history_entry_pb2 import HistoryEntry
from affilia.type.v1.date_span_pb2 import DateSpan
from affilia_client.dates import date_from_proto, span_from_proto
from affilia_views.words import address_words, employment_words, enum_word


@dataclass(frozen=True, slots=True)
class Fact:
    """The value of a fact on some days. Dates of birth and death have no days."""

    kind: "change_request_pb2.FactKind.ValueType"
    name: str
    value: str
    days: DateSpan | None = None

    def changed_by(self, change: FactChange) -> bool:
        """Returns whether a recorded change affects days of this fact."""
        if (change.kind, change.name) != (self.kind, self.name):
            return False
        return self.days is None or _overlap(self.days, change.days)


def _overlap(one: DateSpan, other: DateSpan) -> bool:
    (first, last), (other_first, other_last) = span_from_proto(one), span_from_proto(other)
    return (first or date.min) <= (other_last or date.max) and (other_first or date.min) <= (last or date.max)


def facts_in(facts: member_pb2.MemberFacts) -> Iterator[Fact]:
    """Yields all facts: birth and death, addresses, employments, regimes, custom facts."""
    kinds = change_request_pb2
    if facts.HasField("born_on"):
        yield Fact(kinds.FACT_KIND_DATE_OF_BIRTH, "", date_from_proto(facts.born_on).isoformat())
    if facts.HasField("died_on"):
        yield Fact(kinds.FACT_KIND_DATE_OF_DEATH, "", date_from_proto(facts.died_on).isoformat())
    for address in facts.addresses:
        yield Fact(kinds.FACT_KIND_ADDRESS, "", address_words(address), address.days)
    for employment in facts.employments:
        yield Fact(kinds.FACT_KIND_EMPLOYMENT, employment.employer_id, employment_words(employment), employment.days)
    for regime in facts.health_regimes:
        yield Fact(kinds.FACT_KIND_HEALTH_REGIME, "", enum_word(member_pb2.HealthRegime, regime.regime), regime.days)
    for attribute in facts.attributes:
        yield Fact(kinds.FACT_KIND_ATTRIBUTE, attribute.name, attribute.value, attribute.days)


def records(entry: HistoryEntry, fact: Fact, member_id: str) -> bool:
    """Returns whether a history entry recorded a fact of a member."""
    return any(change.member_id == member_id and fact.changed_by(change) for change in entry.fact.changes)


def recording_entries(entries: Iterable[HistoryEntry], facts: Iterable[Fact], member_id: str) -> list[HistoryEntry]:
    """Returns the newest entries that together recorded all the facts, newest first. Reads no more than needed.

    `entries` is the member's history of facts, newest first.
    """
    missing, found = list(facts), []
    if not missing:
        return []
    for entry in entries:
        recorded = [fact for fact in missing if records(entry, fact, member_id)]
        if recorded:
            found.append(entry)
            missing = [fact for fact in missing if fact not in recorded]
        if not missing:
            break
    return found
