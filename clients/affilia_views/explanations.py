"""Describes why enrollments changed, and why they include a day or not.

An explanation lists the days gained and lost, the rules that exclude lost days, the inputs that made the difference and
who recorded them. It also says how much the server omitted.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from affilia.enrollment.v1.enrollment_group_pb2 import DifferenceCause, GroupKey
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
from affilia_views.days import format_instant, format_span
from affilia_views.names import Names
from affilia_views.outline import Item, Style, item, more
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


@dataclass(frozen=True, slots=True)
class ExplainedDay:
    """An enrollment, and why it includes a day or not."""

    group_id: str
    key: GroupKey
    member_id: str
    module_id: str
    revision: int
    """The last revision that added or removed the day. 0 if there is none."""
    runs: Sequence[ExplainedRun]
    """The runs of this revision that include the day. Empty if there is no revision, or if it can't be explained."""
    failed_rules: Sequence[FailedRule] = ()
    summary: str = ""


def difference_items(answer: ExplainDifferenceResponse, names: Names, contract_id: str) -> list[Item]:
    """Returns how a revision differs from the previous one, and why."""
    if not answer.runs:
        return [*more(answer.runs_omitted, ""), item("Nothing changed.")]
    return [*run_items(answer.runs, names, contract_id), *more(answer.runs_omitted, "")]


def unexplained_item(day: ExplainedDay, names: Names) -> Item:
    """Returns what is known about a day if there is no revision, or if it can't be explained to the caller."""
    enrollment = f"{names.member(day.member_id)} on {names.module(day.module_id)}"
    excluded = not day.revision and day.failed_rules
    sentence = "requested, but excluded by rules" if excluded else with_names(day.summary, names)
    rules = rule_items(day.failed_rules, names, day.key.contract_id)
    return item((enrollment, Style.STRONG), f": {sentence}" if sentence else "", below=rules)


def run_items(found: Iterable[ExplainedRun], names: Names, contract_id: str) -> list[Item]:
    """Returns runs of days. The causes of several runs with the same causes are below the last of them."""
    by_causes: dict[tuple[object, ...], list[ExplainedRun]] = {}
    for run in found:
        inputs = (each.SerializeToString(deterministic=True) for each in run.decisive_inputs)
        causes = (run.is_incomplete, run.is_reducible, run.inputs_omitted, *inputs)
        by_causes.setdefault(causes, []).append(run)
    return [_run(run, names, contract_id, with_causes=run is runs[-1]) for runs in by_causes.values() for run in runs]


def _run(run: ExplainedRun, names: Names, contract_id: str, *, with_causes: bool) -> Item:
    enrollment = f"{names.member(run.member_id)} on {names.module(run.module_id)}: "
    change = ("gained", Style.GOOD) if run.gained else ("lost", Style.BAD)
    below = [*rule_items(run.failed_rules, names, contract_id), *more(run.rules_omitted, "rules")]
    if with_causes:
        below += _causes(run, names)
    return item((enrollment, Style.STRONG), change, f" {format_span(run.days)}", below=below)


def _causes(run: ExplainedRun, names: Names) -> Iterator[Item]:
    if run.is_incomplete:
        yield item("Facts have been erased since. These are all inputs that changed:")
    elif run.is_reducible:
        yield item("This family is large and has changed a lot. Some of these causes may have made no difference:")
    for each in run.decisive_inputs:
        first_line, *lines = _cause_lines(each, names)
        yield item(("because ", Style.STRONG), first_line, below=map(item, lines))
    yield from more(run.inputs_omitted, "causes")


def _cause_lines(each: DecisiveInput, names: Names) -> Iterator[str]:
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
        case _:
            yield "of a cause that this version of affilia doesn't know"


def _contract_words(changed: ContractInput) -> str:
    if not changed.HasField("days"):
        return "the contract changed outside its versions"
    kind = enum_word(history_entry_pb2.ChangeKind, changed.kind)
    return f"the contract's version {format_span(changed.days)} was {kind}"


def _fact_words(fact: FactInput, names: Names) -> list[str]:
    if fact.changes:
        return [fact_change_words(change, names) for change in fact.changes]
    return [f"{fact_name(fact.kind, fact.attribute_name)} of {names.member(fact.member_id)} changed"]


def _request_lines(change_request_id: str, names: Names) -> Iterator[str]:
    """Yields what a request asked for, or only its id if the caller can't read it."""
    yield f"request {change_request_id}"
    request = names.request(change_request_id)
    if request is None:
        return
    reason = f": {request.requester.reason}" if request.requester.reason else ""
    yield f"{requester_words(request, names)}{reason}"
    yield from changes_words(request, names)


def rule_items(rules: Iterable[FailedRule], names: Names, contract_id: str) -> list[Item]:
    """Returns rules that exclude days, the facts that make them fail, and who recorded these facts."""
    found = []
    for rule in rules:
        known = names.rule(contract_id, rule.rule_code) if rule.rule_code else None
        described = known.description if known else ""
        sentence = described or with_names(rule.summary, names).removeprefix(f"{rule.rule_code}: ")
        days = ", ".join(map(format_span, rule.days))
        facts = [item(_fact_line(fact, names)) for fact in rule.facts]
        words = f"{rule.rule_code or 'NOT_OFFERED'}, {days}: {sentence}"
        found.append(item(("✗ ", Style.BAD), words, below=[*facts, *more(rule.facts_omitted, "facts")]))
    return found


def _fact_line(fact: SeenFact, names: Names) -> str:
    words = f"{fact_name(fact.kind, fact.name)} of {names.member(fact.member_id)}"
    if not (fact.HasField("value") or fact.HasField("value_before")):
        return f"{words}: {NO_VALUE}"
    value = value_words(fact.value) if fact.HasField("value") else UNKNOWN
    before = value_words(fact.value_before) if fact.HasField("value_before") else UNKNOWN
    changed = "" if value == before else f" (before: {before})"
    return f"{words}: {value}{changed}{_recorded(fact, names)}"


def _recorded(each: DecisiveInput | SeenFact, names: Names) -> str:
    if not each.HasField("recorded_at"):
        return ""
    return f", recorded by {actor_words(each.actor, names)} on {format_instant(each.recorded_at)}"


def with_names(summary: str, names: Names) -> str:
    """Returns a sentence from the server with member ids replaced by names."""
    return OF_MEMBER.sub(lambda found: f"of {names.member(found[1])}", summary)


def revision_words(cause: DifferenceCause) -> str:
    """Returns what made a revision, with the reasons that were given."""
    requested = bool(cause.cause.change_request_id)
    by = "by a change request" if requested else "by a recompute after facts or the contract changed"
    details = ", ".join(filter(None, (cause.reason_code, cause.note, cause.requester_reason)))
    return f"{by} ({details})" if details else by
