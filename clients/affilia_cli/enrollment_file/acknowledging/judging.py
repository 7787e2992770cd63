"""Decides what an acknowledgement answers: on the interchange (TA1), and on its groups and sets (999).

A file that was read as a whole is never refused here. What contracts or the book say about members plays no part, so
the same file always gets the same answer.
"""

import re
from collections import Counter
from dataclasses import dataclass

from affilia_cli.enrollment_file.acknowledging.received_envelope import (
    STRUCTURE,
    ReceivedEnvelope,
    ReceivedGroup,
    ReceivedSet,
)
from affilia_cli.enrollment_file.findings import FileRejected, Finding, GuideViolation
from affilia_cli.enrollment_file.reading.file import EnrollmentFile, TransactionSet
from affilia_cli.enrollment_file.reading.guide import GUIDE

CONTROL_NUMBERS_DIFFER, GROUP_COUNT_WRONG, SENDER_UNKNOWN, RECEIVER_UNKNOWN = "001", "021", "006", "008"
"""TA105."""

UNREADABLE = frozenset({"NOT_TEXT", "FILE_TOO_LARGE", "NO_INTERCHANGE"})
"""Findings of files whose segments could not be read."""

SET_UNSUPPORTED, SET_NUMBERS_DIFFER, SET_COUNT_WRONG, SEGMENTS_WRONG, SET_NUMBER_REPEATED = "1", "3", "4", "5", "23"
"""IK502."""

GROUP_NUMBERS_DIFFER, SET_COUNT_OF_GROUP_WRONG, GROUP_NUMBER_REPEATED = "4", "5", "19"
"""AK905."""

ENROLLMENT_GROUP, ENROLLMENT_SET = "BE", "834"

NAMED_GROUPS = frozenset({"BE", "HB", "HC", "HI", "HN", "HP", "HR", "HS", "RA"})
NAMED_SETS = frozenset({"270", "271", "276", "277", "278", "820", "834", "835", "837"})
"""The kinds of groups and sets that a 999 can name."""

GROUP_NUMBER, GUIDE_NAME, SET_NUMBER = map(re.compile, ("[0-9]{1,9}", "[A-Z0-9]{1,12}", "[A-Za-z0-9]{4,9}"))
MAX_COUNT_DIGITS = 10


@dataclass(frozen=True, slots=True)
class SetAnswer:
    """The answer to one set. `code` is IK501. `codes` are IK502 to IK506."""

    received: ReceivedSet
    code: str
    codes: tuple[str, ...]
    violations: tuple[GuideViolation, ...]


@dataclass(frozen=True, slots=True)
class GroupAnswer:
    """The answer to one group. `code` is AK901. `codes` are AK905 to AK909."""

    received: ReceivedGroup
    code: str
    codes: tuple[str, ...]
    sets: tuple[SetAnswer, ...]

    @property
    def accepted(self) -> int:
        return sum(each.code != "R" for each in self.sets)


def refusal_of(envelope: ReceivedEnvelope, outcome: EnrollmentFile | FileRejected) -> str:
    """Returns the code (TA105) for which the whole interchange is refused, or an empty string."""
    if isinstance(outcome, EnrollmentFile):
        return ""
    codes = {finding.code for finding in outcome.findings}
    if envelope.fault:
        return envelope.fault
    if envelope.trailer_number != envelope.number:
        return CONTROL_NUMBERS_DIFFER
    if not _counts(envelope.named_groups, len(envelope.groups)):
        return GROUP_COUNT_WRONG
    if "SENDER_UNKNOWN" in codes:
        return SENDER_UNKNOWN
    if "RECEIVER_UNKNOWN" in codes:
        return RECEIVER_UNKNOWN
    if codes & UNREADABLE or not envelope.groups or not all(map(_can_be_named, envelope.groups)):
        return STRUCTURE
    return ""


def group_answers(envelope: ReceivedEnvelope, outcome: EnrollmentFile | FileRejected) -> list[GroupAnswer]:
    """Returns the answers to all groups of an interchange that isn't refused."""
    violations = _violations_by_set(outcome.findings)
    if isinstance(outcome, EnrollmentFile):
        transactions = {each.number: each for each in outcome.transactions}
        return [
            _group_answer(
                group,
                (),
                [_answer_to_read(each, transactions[each.number], outcome, violations) for each in group.sets],
            )
            for group in envelope.groups
        ]
    groups = Counter(group.number for group in envelope.groups)
    sets = Counter(each.number for group in envelope.groups for each in group.sets)
    return [
        _group_answer(
            group,
            _group_faults(group, is_repeated=groups[group.number] > 1),
            [_answer_to_rejected(group, each, violations, is_repeated=sets[each.number] > 1) for each in group.sets],
        )
        for group in envelope.groups
    ]


def _violations_by_set(findings: tuple[Finding, ...]) -> dict[str, list[GuideViolation]]:
    """Returns violations by ST02. Wrong counts and control numbers are left out, because IK5 and AK9 report them."""
    violations: dict[str, list[GuideViolation]] = {}
    for finding in findings:
        if finding.violation and finding.violation.set_number and not finding.concerns_envelope:
            violations.setdefault(finding.violation.set_number, []).append(finding.violation)
    return violations


def _answer_to_read(
    received: ReceivedSet,
    transaction: TransactionSet,
    file: EnrollmentFile,
    violations: dict[str, list[GuideViolation]],
) -> SetAnswer:
    """Accepts a set, with or without errors, unless every member of a set with violations is rejected."""
    found = tuple(violations.get(received.number, ()))
    if not found:
        return SetAnswer(received, "A", (), ())
    some_planned = any(
        not any(finding.is_error for finding in file.findings_of(member)) for member in transaction.members
    )
    if some_planned:
        return SetAnswer(received, "E", (), found)
    return SetAnswer(received, "R", (SEGMENTS_WRONG,), found)


def _answer_to_rejected(
    group: ReceivedGroup, received: ReceivedSet, violations: dict[str, list[GuideViolation]], *, is_repeated: bool
) -> SetAnswer:
    """Rejects a set of a file of which nothing was read."""
    is_enrollment = (group.kind, received.kind) == (ENROLLMENT_GROUP, ENROLLMENT_SET)
    faults = {
        SET_UNSUPPORTED: not is_enrollment or {group.guide, received.guide or GUIDE} != {GUIDE},
        SET_NUMBERS_DIFFER: received.trailer_number != received.number,
        SET_COUNT_WRONG: not _counts(received.named_segments, received.segments),
        SET_NUMBER_REPEATED: is_repeated,
    }
    # Violations name their set by its number.
    found = () if is_repeated else tuple(violations.get(received.number, ()))
    return SetAnswer(received, "R", _applying(faults) or (SEGMENTS_WRONG,), found)


def _group_faults(group: ReceivedGroup, *, is_repeated: bool) -> tuple[str, ...]:
    faults = {
        GROUP_NUMBERS_DIFFER: group.trailer_number != group.number,
        SET_COUNT_OF_GROUP_WRONG: not _counts(group.named_sets, len(group.sets)),
        GROUP_NUMBER_REPEATED: is_repeated,
    }
    return _applying(faults)


def _applying(faults: dict[str, bool]) -> tuple[str, ...]:
    return tuple(code for code, applies in faults.items() if applies)


def _group_answer(group: ReceivedGroup, codes: tuple[str, ...], sets: list[SetAnswer]) -> GroupAnswer:
    match sorted({each.code for each in sets}):
        case ["A"]:
            code = "A"
        case ["E"] | ["A", "E"]:
            code = "E"
        case [] | ["R"]:
            code = "R"
        case _:
            code = "P"
    return GroupAnswer(group, code, codes, tuple(sets))


def _can_be_named(group: ReceivedGroup) -> bool:
    """Returns whether a 999 can name a group and its sets. Their elements can be damaged."""
    return bool(
        group.kind in NAMED_GROUPS
        and GROUP_NUMBER.fullmatch(group.number)
        and GUIDE_NAME.fullmatch(group.guide)
        and all(each.kind in NAMED_SETS and SET_NUMBER.fullmatch(each.number) for each in group.sets)
    )


def _counts(named: str, actual: int) -> bool:
    """Returns whether the number that a trailer names is the actual one."""
    return named.isascii() and named.isdigit() and len(named) <= MAX_COUNT_DIGITS and int(named) == actual
