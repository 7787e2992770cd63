"""Summarizes history entries in short sentences, without names of members."""

from collections.abc import Iterable, Iterator, Sequence

from domain.catalog.contract_changes import ChangeKind, ContractChanges
from domain.currencies import amount_in_words
from domain.enrollment.decisions import (
    CorrectMembershipType,
    DaysChange,
    Enroll,
    RequesterRole,
    Revert,
    members_named,
)
from domain.enrollment.differences import Difference, DifferenceKind
from domain.enrollment.history import ChangeRequest, RecomputeTrigger
from domain.enrollment.verdicts import Verdict
from domain.fact_changes import FactChange
from domain.history.entries import (
    DoneRecompute,
    HistoryEntry,
    MemberRecord,
    RecordedContract,
    RecordedFacts,
    RecordedPremiums,
    RecordedStage,
    RecordedUse,
    RecordKind,
    RevisionMade,
)
from domain.members import FactKind

FACTS = {
    FactKind.DATE_OF_BIRTH: "date of birth",
    FactKind.DATE_OF_DEATH: "date of death",
    FactKind.ADDRESS: "address",
    FactKind.EMPLOYMENT: "employment",
    FactKind.SALARY: "salary",
    FactKind.ATTRIBUTE: "custom fact",
    FactKind.HEALTH_REGIME: "health regime",
}
TRIGGERS = {
    RecomputeTrigger.FACTS: "after facts were recorded",
    RecomputeTrigger.CONTRACT: "after the contract was amended",
    RecomputeTrigger.ADMIN: "on request",
    RecomputeTrigger.MERGE: "after two records of one person were merged",
}
RECORDS = {
    RecordKind.MEMBER_CREATED: "The member was created.",
    RecordKind.MEMBER_CHANGED: "The member's record was changed.",
    RecordKind.MEMBER_ERASED: "The member's personal data was erased.",
    RecordKind.MEMBER_MERGED: "Two records of one person were merged.",
}


def summary(entry: HistoryEntry) -> str:
    """Returns the summary of an entry. It only uses the entry's data, so it reveals nothing else."""
    match entry.data:
        case ChangeRequest() as request:
            return _change_request(request)
        case RecordedFacts() as facts:
            return _facts(facts)
        case RecordedContract() as contract:
            return _contract(contract)
        case DoneRecompute() as done:
            return _recompute(done, entry.made)
        case RecordedPremiums() as premiums:
            return _premiums(premiums)
        case RecordedUse() as use:
            return _use(use)
        case RecordedStage() as moved:
            return _stage(moved)
        case MemberRecord(RecordKind.MEMBER_CHANGED, _, before, after) if before != after:
            return "The member's name was changed."
        case MemberRecord(kind):
            return RECORDS[kind]


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _asked(request: ChangeRequest) -> Iterator[str]:
    """Yields what a request asks for: changes of days first, then reverts and corrections."""
    changes = [scoped.change for scoped in request.changes]
    of_days = [change for change in changes if isinstance(change, DaysChange)]
    if of_days:
        yield f"{counted(len(of_days), 'change')} for {counted(len(members_named(of_days)), 'member')}"
    for change in changes:
        if isinstance(change, Revert):
            yield f"revert request {change.change_request_id}"
    corrected = {change.member_id for change in changes if isinstance(change, CorrectMembershipType)}
    if corrected:
        yield f"correct the membership type of {counted(len(corrected), 'member')}"


def _migration(request: ChangeRequest) -> str:
    """Returns what was taken over from legacy tables. Its leaves only make room for that."""
    enrolls = [scoped.change for scoped in request.changes if isinstance(scoped.change, Enroll)]
    periods = f"{counted(len(enrolls), 'period')} of {counted(len(members_named(enrolls)), 'member')}"
    words = [f"Taken over from legacy tables: {periods if enrolls else 'no period'}."]
    if not request.made_revision:
        words.append("Nothing changed.")
    if request.overridden_before:
        words.append(f"Rules apply from {request.overridden_before} on.")
    return _sentences(words)


def _change_request(request: ChangeRequest) -> str:
    if request.requester.role is RequesterRole.MIGRATION:
        return _migration(request)
    words = [f"{request.verdict.capitalize()}: {_listed(list(_asked(request)))}."]
    if request.verdict is Verdict.REJECTED:
        broken = dict.fromkeys(violation.rule_code or violation.code.value for violation in request.violations)
        words.append(f"Violated: {_listed(list(broken))}." if broken else "")
    elif not request.made_revision:
        words.append("Nothing changed.")
    if request.consequences:
        affected = len({consequence.member_id for consequence in request.consequences})
        words.append(f"With consequences for {counted(affected, 'member')}.")
    if request.overridden_rules:
        words.append(f"Overrides {_listed(request.overridden_rules)}.")
    reasons = dict.fromkeys([request.requester.reason, *(scoped.reason_code for scoped in request.changes)])
    if said := [reason.rstrip(".") for reason in reasons if reason]:
        words.append(f"Reason: {_listed(said)}.")
    return _sentences(words)


def _facts(facts: RecordedFacts) -> str:
    if facts.are_erased:
        return "Facts were recorded. They have been erased since."
    if not facts.changes:
        return "Facts were recorded. No value changed."
    named = dict.fromkeys(_fact(change) for change in facts.changes)
    return f"Recorded: {_listed(list(named))}."


def _fact(change: FactChange) -> str:
    if change.fact.kind is FactKind.ATTRIBUTE and change.fact.name:
        return change.fact.name
    return FACTS[change.fact.kind]


def _contract(contract: RecordedContract) -> str:
    if contract.revision == 1:
        return f"The contract was published with {counted(len(contract.changes.versions), 'version')}."
    changes: ContractChanges = contract.changes
    versions = [
        f"{counted(number, 'version')} {kind.lower()}"
        for kind in ChangeKind
        if (number := sum(version.kind is kind for version in changes.versions))
    ]
    parts = {field.part.lower() for version in changes.versions for field in version.fields} - {"field"}
    about = f" ({_listed(sorted(parts))})" if parts else ""
    if not versions:
        return "The contract was amended." if changes.fields else "The contract was amended. Nothing changed."
    return f"The contract was amended: {_listed(versions)}{about}."


def _recompute(done: DoneRecompute, made: RevisionMade | None) -> str:
    why = TRIGGERS[done.recompute.trigger]
    words = [f"Recomputed {why}.", _effect(made)]
    unmet = len(done.recompute.unmet.enrolls) + done.recompute.unmet.omitted
    if unmet:
        words.append(f"{counted(unmet, 'approved enrollment')} not fully met.")
    return _sentences(words)


def _effect(made: RevisionMade | None) -> str:
    if made is None:
        return "Nothing changed."
    differences: Sequence[Difference] = made.differences
    if not differences:
        return ""
    lost = sum(bool(difference.lost) for difference in differences)
    gained = sum(bool(difference.gained) for difference in differences)
    effects = [f"{counted(lost, 'enrollment')} lost days"] if lost else []
    effects += [f"{counted(gained, 'enrollment')} gained days"] if gained else []
    corrected = len({each.member_id for each in differences if DifferenceKind.TYPE_CORRECTED in each.kinds})
    effects += [f"the membership type of {counted(corrected, 'member')} was corrected"] if corrected else []
    return f"{_listed(effects).capitalize()}."


def _stage(moved: RecordedStage) -> str:
    if moved.from_stage is None:
        words = [f"The migration of {moved.country} began with the stage {moved.to_stage}."]
    else:
        words = [f"The migration of {moved.country} moved from the stage {moved.from_stage} to {moved.to_stage}."]
    if moved.forced:
        words.append("The checks were skipped.")
    if moved.reason:
        words.append(f"Reason: {moved.reason.rstrip('.')}.")
    return _sentences(words)


def _premiums(premiums: RecordedPremiums) -> str:
    before = sum(month.before_minor for month in premiums.months)
    after = sum(month.after_minor for month in premiums.months)
    months = counted(len({month.month for month in premiums.months}), "month")
    if premiums.invoice_id:
        return f"Invoiced on {premiums.invoice_id}: {amount_in_words(after, premiums.currency_code)} for {months}."
    if not premiums.months:
        return "Premiums were computed. No amount changed."
    was, now = amount_in_words(before, premiums.currency_code), amount_in_words(after, premiums.currency_code)
    return f"Premiums were computed: {now} instead of {was} for {months}."


def _use(use: RecordedUse) -> str:
    limits = _listed(list(dict.fromkeys(each.code for each in use.uses)))
    return f"Use of {limits} was {'reversed' if use.is_reversal else 'recorded'}."


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)


def _sentences(words: Iterable[str]) -> str:
    return " ".join(each for each in words if each)
