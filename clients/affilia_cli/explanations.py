"""Prints why enrollments and premiums changed.

An explanation lists the days gained and lost, the rules that exclude lost days, the inputs that made the difference and
who recorded them. It also says how much the server omitted.
"""

import re
from collections.abc import Iterable, Iterator

from affilia.enrollment.v1.enrollment_group_pb2 import DifferenceCause, EnrollmentDifference
from affilia.history.v1 import history_entry_pb2
from affilia.history.v1.explanation_pb2 import (
    ContractInput,
    DecisiveInput,
    ExplainedRun,
    FactInput,
    FailedRule,
    SeenFact,
)
from affilia.history.v1.history_service_pb2 import ExplainDifferenceResponse
from affilia.premium.v1.premium_entry_pb2 import PremiumCause
from affilia_cli.console import CONSOLE, styled
from affilia_cli.explained_days import ExplainedDay
from affilia_cli.names import ServerNames
from affilia_views.days import format_instant, format_span
from affilia_views.words import (
    actor_words,
    changes_words,
    enum_word,
    fact_change_words,
    fact_name,
    merge_words,
    requester_words,
    value_words,
)

UNKNOWN = "unknown"
NO_VALUE = "unknown, or not visible to you"
OF_MEMBER = re.compile(r"of member ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def show_difference(answer: ExplainDifferenceResponse, names: ServerNames, contract_id: str) -> None:
    """Prints how a revision differs from the previous one, and why."""
    _show_runs(answer.runs, names, contract_id)
    if answer.runs_omitted:
        CONSOLE.print(f"and {answer.runs_omitted} more")
    if not answer.runs:
        CONSOLE.print("Nothing changed.")


def show_days(days: Iterable[ExplainedDay], names: ServerNames) -> None:
    """Prints why enrollments include a day or not: the revisions that decided it, or the rules that exclude it."""
    by_revision: dict[tuple[str, int], list[ExplainedDay]] = {}
    for day in days:
        by_revision.setdefault((day.group_id, day.revision), []).append(day)
    for (group_id, revision), decided in by_revision.items():
        key = decided[0].key
        if revision:
            CONSOLE.print(styled((f"revision {revision}", "bold"), f" of the {names.family(key)}"))
        _show_runs([run for day in decided for run in day.runs], names, key.contract_id)
        for day in decided:
            if not day.runs:
                _show_unexplained(day, names)
        if revision:
            CONSOLE.print(styled((f"  whole revision: affilia why {group_id} --revision {revision}", "dim")))


def _show_unexplained(day: ExplainedDay, names: ServerNames) -> None:
    """Prints what is known if there is no revision, or if it can't be explained to the caller."""
    enrollment = f"{names.member(day.member_id)} on {names.module(day.module_id)}"
    excluded = not day.revision and day.failed_rules
    sentence = "requested, but excluded by rules" if excluded else _named(day.summary, names)
    CONSOLE.print(styled((enrollment, "bold"), f": {sentence}" if sentence else ""))
    _show_rules(day.failed_rules, names, day.key.contract_id)


def show_premium_causes(causes: Iterable[PremiumCause], names: ServerNames) -> None:
    """Prints what caused a premium entry."""
    for cause in causes:
        where = f" (revision {cause.revision})" if cause.revision else ""
        CONSOLE.print(f"  because: {_named(cause.summary, names)}{where}")


def show_revisions(differences: Iterable[EnrollmentDifference], names: ServerNames, indent: str = "  ") -> None:
    """Prints the revisions that changed each enrollment, oldest first, and what caused each of them."""
    for difference in differences:
        enrollment = f"{names.member(difference.member_id)} on {names.module(difference.module_id)}"
        for cause in difference.causes:
            CONSOLE.print(styled((f"{indent}revision {cause.revision}: {enrollment}, {_revision_words(cause)}", "dim")))


def _revision_words(cause: DifferenceCause) -> str:
    requested = bool(cause.cause.change_request_id)
    by = "by a change request" if requested else "by a recompute after facts or the contract changed"
    details = ", ".join(filter(None, (cause.reason_code, cause.note, cause.requester_reason)))
    return f"{by} ({details})" if details else by


def _show_runs(found: Iterable[ExplainedRun], names: ServerNames, contract_id: str) -> None:
    """Prints runs of days. Those with the same causes are printed together."""
    by_causes: dict[tuple[object, ...], list[ExplainedRun]] = {}
    for run in found:
        inputs = (each.SerializeToString(deterministic=True) for each in run.decisive_inputs)
        causes = (run.is_incomplete, run.is_reducible, run.inputs_omitted, *inputs)
        by_causes.setdefault(causes, []).append(run)
    for runs in by_causes.values():
        for run in runs:
            change = ("gained", "green") if run.gained else ("lost", "red")
            enrollment = f"{names.member(run.member_id)} on {names.module(run.module_id)}: "
            CONSOLE.print(styled((enrollment, "bold"), change, f" {format_span(run.days)}"))
            _show_rules(run.failed_rules, names, contract_id)
            if run.rules_omitted:
                CONSOLE.print(f"  and {run.rules_omitted} more rules")
        _show_causes(runs[0], names)


def _show_causes(run: ExplainedRun, names: ServerNames) -> None:
    if run.is_incomplete:
        CONSOLE.print("  Facts have been erased since. These are all inputs that changed:")
    elif run.is_reducible:
        CONSOLE.print("  The family is large and much changed. Some of these may have made no difference:")
    for each in run.decisive_inputs:
        first_line, *lines = _cause_lines(each, names)
        CONSOLE.print(styled(("  because ", "bold"), first_line))
        for line in lines:
            CONSOLE.print(f"    {line}")
    if run.inputs_omitted:
        CONSOLE.print(f"  and {run.inputs_omitted} more causes")


def _cause_lines(each: DecisiveInput, names: ServerNames) -> Iterator[str]:
    recorded = _recorded(each, names)
    match each.WhichOneof("input"):
        case "change_request_id":
            yield f"of a change request{recorded}"
            yield from _request_lines(each.change_request_id, names)
        case "fact":
            yield from (f"{words}{recorded}" for words in _fact_words(each.fact, names))
            if each.fact.changes_omitted:
                yield f"and {each.fact.changes_omitted} more changes of this fact"
        case "merge":
            yield f"{merge_words(each.merge.member_id, each.merge.merged_into, names)}{recorded}"
        case "contract":
            yield f"{_contract_words(each.contract)}{recorded}"


def _contract_words(changed: ContractInput) -> str:
    if not changed.HasField("days"):
        return "the contract changed outside its versions"
    kind = enum_word(history_entry_pb2.ChangeKind, changed.kind)
    return f"the contract's version {format_span(changed.days)} was {kind}"


def _fact_words(fact: FactInput, names: ServerNames) -> list[str]:
    if fact.changes:
        return [fact_change_words(change, names) for change in fact.changes]
    return [f"{fact_name(fact.kind, fact.attribute_name)} of {names.member(fact.member_id)} changed"]


def _request_lines(change_request_id: str, names: ServerNames) -> Iterator[str]:
    """Yields what a request asked for, or only its id if the caller can't read it."""
    yield f"request {change_request_id}"
    request = names.request(change_request_id)
    if request is None:
        return
    reason = f": {request.requester.reason}" if request.requester.reason else ""
    yield f"{requester_words(request, names)}{reason}"
    yield from changes_words(request, names)


def _show_rules(rules: Iterable[FailedRule], names: ServerNames, contract_id: str) -> None:
    """Prints rules that exclude days, the facts that make them fail, and who recorded these facts."""
    for rule in rules:
        known = names.rule(contract_id, rule.rule_code) if rule.rule_code else None
        described = known.description if known else ""
        sentence = described or _named(rule.summary, names).removeprefix(f"{rule.rule_code}: ")
        days = ", ".join(map(format_span, rule.days))
        CONSOLE.print(f"  ✗ {rule.rule_code or 'NOT_OFFERED'}, {days}: {sentence}")
        for fact in rule.facts:
            CONSOLE.print(f"      {_fact_line(fact, names)}")
        if rule.facts_omitted:
            CONSOLE.print(f"      and {rule.facts_omitted} more facts")


def _fact_line(fact: SeenFact, names: ServerNames) -> str:
    words = f"{fact_name(fact.kind, fact.name)} of {names.member(fact.member_id)}"
    if not (fact.HasField("value") or fact.HasField("value_before")):
        return f"{words}: {NO_VALUE}"
    value = value_words(fact.value) if fact.HasField("value") else UNKNOWN
    before = value_words(fact.value_before) if fact.HasField("value_before") else UNKNOWN
    changed = "" if value == before else f" (before: {before})"
    return f"{words}: {value}{changed}{_recorded(fact, names)}"


def _recorded(each: DecisiveInput | SeenFact, names: ServerNames) -> str:
    if not each.HasField("recorded_at"):
        return ""
    return f", recorded by {actor_words(each.actor, names)} on {format_instant(each.recorded_at)}"


def _named(summary: str, names: ServerNames) -> str:
    """Returns a sentence from the server with member ids replaced by names."""
    return OF_MEMBER.sub(lambda found: f"of {names.member(found[1])}", summary)
