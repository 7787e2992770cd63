"""Sentences of history entries: short, and made from the entry only."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from domain.actors import BEFORE_ACTORS
from domain.catalog.contract_changes import contract_changes
from domain.days import Days, Span, to_day
from domain.enrollment.decisions import Enroll, GroupKey, Leave, Requester, RequesterRole, ScopedChange
from domain.enrollment.differences import Difference
from domain.enrollment.history import ChangeRequest, Recompute, RecomputeTrigger
from domain.enrollment.unmet import UnmetEnrolls
from domain.enrollment.verdicts import Consequence, Verdict, Violation, ViolationCode
from domain.fact_changes import FactChange, FactName
from domain.history.entries import (
    KINDS,
    DoneRecompute,
    EntryData,
    HistoryEntry,
    HistoryKind,
    LimitUse,
    MemberRecord,
    MonthChange,
    RecordedContract,
    RecordedFacts,
    RecordedPremiums,
    RecordedUse,
    RecordKind,
    RevisionMade,
)
from domain.history.summaries import summary
from domain.members import FactKind
from domain.membership import MembershipType
from domain.premiums.invoicing import Debtor
from tests.support.builders import a_contract, a_module, a_span, a_version, an_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PRIMARY, CHILD, MODULE = an_id("primary"), an_id("child"), an_id("base")
KEY = GroupKey(an_id("contract"), PRIMARY)
FROM_2026 = Days.of(Span(to_day(date(2026, 1, 1)), to_day(date(2027, 1, 1))))


def enroll(member_id: UUID, reason_code: str = "", note: str = "") -> ScopedChange:
    return ScopedChange(Enroll(member_id, MembershipType.CHILD, MODULE, a_span()), reason_code, note)


APPROVED = ChangeRequest(
    change_request_id=an_id("request"),
    request_id=an_id("request id"),
    group_id=an_id("group"),
    key=KEY,
    requester=Requester(RequesterRole.ADMIN, "ada", "moved abroad."),
    changes=(enroll(PRIMARY), enroll(CHILD, "DIVORCE", "a private note"), enroll(CHILD, "DIVORCE")),
    overridden_rules=(),
    accept_consequences=False,
    verdict=Verdict.APPROVED,
    violations=(),
    notices=(),
    consequences=(),
    revision=2,
    made_revision=True,
    recorded_at=NOW,
    actor=BEFORE_ACTORS,
)
REJECTED = replace(
    APPROVED,
    verdict=Verdict.REJECTED,
    made_revision=False,
    changes=(enroll(CHILD),),
    requester=Requester(RequesterRole.MEMBER, str(PRIMARY)),
    violations=(
        Violation(ViolationCode.RULE_NOT_SATISFIED, "", rule_code="CHILD_AGE"),
        Violation(ViolationCode.RULE_NOT_SATISFIED, "", rule_code="CHILD_AGE"),
        Violation(ViolationCode.NOT_OFFERED, ""),
    ),
)
MIGRATED = replace(
    APPROVED,
    changes=(ScopedChange(Leave(PRIMARY, None, a_span())), enroll(PRIMARY), enroll(CHILD)),
    requester=Requester(RequesterRole.MIGRATION, "ES"),
    overridden_rules=("CHILD_AGE",),
    overridden_before=date(2026, 3, 15),
)
RECOMPUTE = Recompute(
    recompute_id=an_id("recompute"),
    group_id=an_id("group"),
    key=KEY,
    trigger=RecomputeTrigger.ADMIN,
    requested_at=NOW,
    done_at=NOW,
    revision=None,
    failed_attempts=0,
    next_attempt_at=None,
    failed_at=None,
    unmet=UnmetEnrolls((), 2),
    actor=BEFORE_ACTORS,
)
MADE = RevisionMade(
    3,
    (
        Difference(PRIMARY, MODULE, (), FROM_2026, Days.of()),
        Difference(CHILD, MODULE, (), FROM_2026, Days.of()),
        Difference(CHILD, an_id("option"), (), Days.of(), FROM_2026),
    ),
    {},
)


def fact(kind: FactKind, name: str = "") -> FactChange:
    return FactChange(FactName(kind, name), a_span(), None, None)


def owed(month: int, before: int, after: int) -> MonthChange:
    return MonthChange(month, Debtor.PRIMARY, before, after)


PUBLISHED = contract_changes(None, a_contract())
AMENDED = contract_changes(a_contract(), a_contract(a_version(a_module(capabilities=["DENTAL"]))))
RENAMED = contract_changes(a_contract(), replace(a_contract(), display_name="another name"))

SENTENCES: list[tuple[EntryData, RevisionMade | None, str]] = [
    (APPROVED, MADE, "Approved: 3 changes for 2 members. Reason: moved abroad, DIVORCE."),
    (
        replace(
            APPROVED,
            requester=Requester(RequesterRole.ADMIN, "ada"),
            changes=(enroll(PRIMARY),),
            made_revision=False,
            overridden_rules=("CHILD_AGE",),
            consequences=(Consequence(CHILD, MODULE, a_span()),),
        ),
        None,
        "Approved: 1 change for 1 member. Nothing changed. With consequences for 1 member. Overrides CHILD_AGE.",
    ),
    (MIGRATED, MADE, "Taken over from legacy tables: 2 periods of 2 members. Rules apply from 2026-03-15 on."),
    (
        replace(MIGRATED, changes=MIGRATED.changes[:1], made_revision=False, overridden_before=None),
        None,
        "Taken over from legacy tables: no period. Nothing changed.",
    ),
    (REJECTED, None, "Rejected: 1 change for 1 member. Violated: CHILD_AGE, NOT_OFFERED."),
    (
        RecordedFacts(CHILD, (fact(FactKind.ADDRESS), fact(FactKind.ADDRESS), fact(FactKind.ATTRIBUTE, "student"))),
        None,
        "Recorded: address, student.",
    ),
    (RecordedFacts(CHILD, (fact(FactKind.ATTRIBUTE),)), None, "Recorded: custom fact."),
    (RecordedFacts(CHILD, ()), None, "Facts were recorded. No value changed."),
    (RecordedFacts(CHILD, (), are_erased=True), None, "Facts were recorded. They have been erased since."),
    (RecordedContract(KEY.contract_id, 1, PUBLISHED), None, "The contract was published with 1 version."),
    (
        RecordedContract(KEY.contract_id, 2, AMENDED),
        None,
        "The contract was amended: 1 version changed (capability).",
    ),
    (RecordedContract(KEY.contract_id, 3, RENAMED), None, "The contract was amended."),
    (
        RecordedContract(KEY.contract_id, 4, contract_changes(a_contract(), a_contract())),
        None,
        "The contract was amended. Nothing changed.",
    ),
    (
        DoneRecompute(RECOMPUTE, ()),
        None,
        "Recomputed on request. Nothing changed. 2 approved enrollments not fully met.",
    ),
    (
        DoneRecompute(replace(RECOMPUTE, trigger=RecomputeTrigger.FACTS, unmet=UnmetEnrolls((), 0)), ()),
        MADE,
        "Recomputed after facts were recorded. 1 enrollment lost days, 2 enrollments gained days.",
    ),
    (
        RecordedPremiums("", (owed(24_312, 100, 250), owed(24_313, 0, 250)), "EUR", (), 0),
        None,
        "Premiums were computed: 5.00 EUR instead of 1.00 EUR for 2 months.",
    ),
    (RecordedPremiums("", (), "EUR", (), 0), None, "Premiums were computed. No amount changed."),
    (
        RecordedPremiums("2026/17", (owed(24_312, 0, -250),), "EUR", (), 0),
        None,
        "Invoiced on 2026/17: -2.50 EUR for 1 month.",
    ),
    (
        RecordedUse(an_id("use"), CHILD, False, (LimitUse("DEDUCTIBLE", 2, 1),)),
        None,
        "Use of DEDUCTIBLE was recorded.",
    ),
    (RecordedUse(an_id("use"), CHILD, True, (LimitUse("DEDUCTIBLE", 0, -1),)), None, "Use of DEDUCTIBLE was reversed."),
    (MemberRecord(RecordKind.MEMBER_CREATED, CHILD), None, "The member was created."),
    (MemberRecord(RecordKind.MEMBER_CHANGED, CHILD), None, "The member's record was changed."),
    (MemberRecord(RecordKind.MEMBER_CHANGED, CHILD, "Ann", "Anna"), None, "The member's name was changed."),
    (MemberRecord(RecordKind.MEMBER_ERASED, CHILD), None, "The member's personal data was erased."),
]


@pytest.mark.parametrize(("data", "made", "sentence"), SENTENCES, ids=[each[2] for each in SENTENCES])
def test_an_entry_reads_as_a_sentence(data: EntryData, made: RevisionMade | None, sentence: str) -> None:
    assert summary(HistoryEntry("id", NOW, BEFORE_ACTORS, data, made=made)) == sentence


def test_every_kind_of_entry_has_data_and_a_sentence() -> None:
    assert set(KINDS.values()) == set(HistoryKind)
    assert {KINDS[type(data)] for data, *_ in SENTENCES} == set(HistoryKind)
