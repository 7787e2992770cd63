"""Decides what a caller may see of a history.

All redaction of histories is in this file: first, the scope is narrowed to records that the caller may see, and then,
the rest is redacted entry by entry.
"""

from dataclasses import dataclass, replace
from uuid import UUID

from domain.actors import Actor, ActorKind
from domain.enrollment.explained_in_words import Reader
from domain.enrollment.history import ChangeRequest
from domain.fact_changes import FactChange, FactName
from domain.history.entries import (
    DoneRecompute,
    EntryData,
    HistoryEntry,
    HistoryKind,
    MemberRecord,
    RecordedFacts,
    RecordedStage,
    RecordKind,
)
from operations.call import Caller
from operations.readers import reader_of
from operations.scopes import READ_ELIGIBILITY, READ_PREMIUMS
from storage.history_index import HistoryScope, Source

SOURCES = {
    HistoryKind.CHANGE_REQUEST: (Source.CHANGE_REQUEST,),
    HistoryKind.FACT: (Source.FACT,),
    HistoryKind.CONTRACT: (Source.CONTRACT,),
    HistoryKind.RECOMPUTE: (Source.RECOMPUTE,),
    HistoryKind.PREMIUM: (Source.PREMIUM, Source.INVOICE),
    HistoryKind.ACCUMULATOR: (Source.APPLICATION, Source.REVERSAL),
    HistoryKind.RECORD: (Source.RECORD, Source.ERASURE, Source.MERGE, Source.MIGRATION),
}

SCOPES_OF_KINDS = {HistoryKind.PREMIUM: READ_PREMIUMS, HistoryKind.ACCUMULATOR: READ_ELIGIBILITY}
"""The scopes that services need to see entries of these kinds, in addition to the scope for histories."""


@dataclass(frozen=True, slots=True)
class HistoryView:
    """What a caller may see.

    Members only see their own facts and the groups in which they are the primary. They see neither who acted nor the
    reasons of admins.
    """

    reader: Reader
    hidden_kinds: frozenset[HistoryKind] = frozenset()

    @staticmethod
    def of(caller: Caller) -> "HistoryView":
        hidden: frozenset[HistoryKind] = frozenset()
        if caller.kind is ActorKind.SERVICE:
            hidden = frozenset(kind for kind, scope in SCOPES_OF_KINDS.items() if scope not in caller.scopes)
        return HistoryView(reader_of(caller), hidden)

    @property
    def member_id(self) -> UUID | None:
        """The id of the caller if it is a member, or else None."""
        return self.reader.member_id

    def sources(self, kinds: frozenset[HistoryKind]) -> frozenset[Source]:
        """Returns the visible sources of entries of these kinds, or of all kinds if `kinds` is empty."""
        shown = (kinds or frozenset(HistoryKind)) - self.hidden_kinds
        return frozenset(source for kind in shown for source in SOURCES[kind])

    def narrowed(self, scope: HistoryScope) -> HistoryScope:
        """Returns the part of a scope that the caller may see."""
        if self.member_id is None:
            return scope
        groups = {key: head for key, head in scope.groups.items() if head.key.primary_id == self.member_id}
        members = {member: since for member, since in scope.members.items() if member == self.member_id}
        # The contracts of other people's groups would reveal what these people are insured for.
        of_groups = {head.key.contract_id for head in scope.groups.values()}
        hidden = of_groups - {head.key.contract_id for head in groups.values()}
        return HistoryScope(groups, members, [each for each in scope.contract_ids if each not in hidden])

    def shown(self, entry: HistoryEntry) -> HistoryEntry:
        """Returns an entry of the narrowed scope without what the caller may not see."""
        actor = entry.actor if self.reader.reads_subjects else Actor(entry.actor.kind, "")
        return replace(entry, actor=actor, data=self._shown_data(entry.data))

    def _shown_data(self, data: EntryData) -> EntryData:
        match data:
            case ChangeRequest() if self.member_id is not None:
                return data.as_shown_to_members()
            case RecordedFacts() if not self.reader.reads_facts_of(data.member_id):
                kinds = dict.fromkeys(change.fact.kind for change in data.changes)
                changes_of_kinds = tuple(FactChange(FactName(kind), None, None, None) for kind in kinds)
                return RecordedFacts(data.member_id, changes_of_kinds, 0, data.are_erased)
            case DoneRecompute() if self.member_id is not None:
                own = tuple(each for each in data.triggers if each.member_id in (None, self.member_id))
                return replace(data, triggers=own)
            case MemberRecord(RecordKind.MEMBER_MERGED) | RecordedStage():
                return replace(data, reason="") if self.member_id is not None else data
            case MemberRecord() if not self.reader.reads_facts_of(data.member_id):
                return MemberRecord(data.kind, data.member_id)
            case _:
                return data
