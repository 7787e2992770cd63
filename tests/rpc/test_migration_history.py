"""Changes of a country's stage in the histories of its mapped contracts."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from affilia.history.v1 import history_entry_pb2, history_service_pb2
from affilia.history.v1.history_service_pb2_grpc import HistoryServiceStub
from domain.actors import Actor, ActorKind
from domain.history.entries import HistoryEntry, RecordedStage
from domain.migration.stages import Stage
from operations.call import Caller
from operations.history_view import HistoryView
from tests.support.calls import new_id
from tests.support.migration import DUAL_WRITE, READ_CORE, TRANSLATE, Spain
from tests.support.spanish import FLEX, SpanishFamily

MEMBER = Caller(ActorKind.MEMBER, new_id())
STAGE_CHANGED = history_entry_pb2.RECORD_KIND_MIGRATION_STAGE_CHANGED


def stage_changes(spain: Spain, **of: Any) -> list[history_entry_pb2.HistoryEntry]:
    """Returns the changes of stages in a history, oldest first."""
    history: Any = HistoryServiceStub(spain.channel)
    found: list[history_entry_pb2.HistoryEntry] = []
    token = ""
    while True:
        request = history_service_pb2.ListHistoryRequest(page_size=2, page_token=token, **of)
        answer = history.ListHistory(request)
        found += [entry for entry in answer.entries if entry.record.kind == STAGE_CHANGED]
        token = answer.next_page_token
        if not token:
            return found[::-1]


def test_changes_of_the_stage_are_in_the_history_of_every_mapped_contract(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    other, foreign = SpanishFamily(spain.channel), SpanishFamily(spain.channel)
    for family in (other, foreign):
        family.publish()
    spain.map()
    spain.legacy_contract(18)
    spain.map(18, other.modules(), contract_id=other.contract_id)
    spain.move(DUAL_WRITE)
    spain.move(READ_CORE, force=True, reason="the deadline")
    spain.backfill()
    changes = stage_changes(spain, contract_id=spain.family.contract_id)
    assert [entry.summary for entry in changes] == [
        "The migration of ES began with the stage TRANSLATE.",
        "The migration of ES moved from the stage TRANSLATE to DUAL_WRITE.",
        "The migration of ES moved from the stage DUAL_WRITE to READ_CORE. The checks were skipped."
        " Reason: the deadline.",
    ]
    record = changes[2].record
    assert (record.country_code, record.from_stage, record.to_stage) == ("ES", DUAL_WRITE, READ_CORE)
    assert (record.forced, record.reason, record.member_id) == (True, "the deadline", "")
    assert changes[0].record.to_stage == TRANSLATE
    assert changes[0].kind == history_entry_pb2.HISTORY_KIND_RECORD
    assert changes[0].actor.subject == "dev"
    assert stage_changes(spain, contract_id=other.contract_id) == changes
    assert stage_changes(spain, group_id=spain.group_id()) == changes
    assert stage_changes(spain, member_id=spain.member("P")) == changes
    assert stage_changes(spain, contract_id=foreign.contract_id) == []


def test_members_see_neither_who_changed_a_stage_nor_why() -> None:
    changed = RecordedStage("ES", Stage.DUAL_WRITE, Stage.READ_CORE, True, "the deadline")
    entry = HistoryEntry("MIGRATION/1", datetime(2026, 3, 15, tzinfo=UTC), Actor(ActorKind.ADMIN, "ada"), changed)
    shown = HistoryView.of(MEMBER).shown(entry)
    assert (shown.actor, shown.data) == (Actor(ActorKind.ADMIN, ""), replace(changed, reason=""))
    assert HistoryView.of(Caller(ActorKind.ADMIN, "bob")).shown(entry) == entry
