"""Why a person is or isn't covered on a day, as `affilia why` answers it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from starlette.responses import Response

from affilia.catalog.v1.contract_pb2 import Contract
from affilia_cli.asking_why import ask_why
from affilia_cli.days import DayInQuestion
from affilia_console.failures import Refused
from affilia_console.finding import groups_of
from affilia_console.inputs import day_in
from affilia_console.visits import Visit
from affilia_views.choices import choice_item
from affilia_views.coverage import coverage_item
from affilia_views.explanations import ExplainedDay, run_items, unexplained_item
from affilia_views.names import Names
from affilia_views.outline import Item
from affilia_views.people import name_of

MODULE, CAPABILITY = "module", "capability"


@dataclass(frozen=True, slots=True)
class Decided:
    """A revision that decided about the day, or rules that exclude it if there is no revision."""

    title: str
    address: str
    """The address of the whole revision. Empty if there is none."""
    items: Sequence[Item]


def why(visit: Visit) -> Response:
    """Answers for a day, today by default, and for a module or capability if the address names one."""
    member_id = visit.path("member_id")
    found = visit.client.members.get_member(member_id=member_id)
    if found.merged_into:
        return visit.goes_to(f"/people/{found.merged_into}/why", f"Member {member_id} was merged into this one.")
    on = day_in(visit.query.get("on", ""), "On")
    about = visit.query.get("about", "")
    groups = groups_of(visit, member_id)
    contracts = [visit.names.contract(each) for each in dict.fromkeys(group.key.contract_id for group in groups)]
    answer = ask_why(visit.client, visit.names, member_id, groups, DayInQuestion(on), _wanted(about))
    name, names = name_of(found.member), visit.names
    choices = [
        (
            group,
            names.family(group.key),
            [choice_item(each, group.key.contract_id, names) for each in answer.choices_of(n)],
        )
        for n, group in enumerate(groups)
    ]
    return visit.page(
        "why.html",
        name=name,
        member_id=member_id,
        about=about,
        on=on or (answer.on if isinstance(answer.on, date) else None),
        options=_options(contracts),
        coverage=coverage_item(answer.check, name, answer.on, names),
        choices=choices,
        decided=_decided(answer.explained, names),
        answer=answer,
    )


def _wanted(about: str) -> dict[str, str]:
    """Returns the module or capability in the question."""
    kind, colon, value = about.partition(":")
    if not about:
        return {}
    if not (colon and value and kind in (MODULE, CAPABILITY)):
        raise Refused(f"The question must be about a module or a capability, got {about}.")
    return {"module_id" if kind == MODULE else CAPABILITY: value}


def _options(contracts: Iterable[Contract]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Returns the modules and capabilities that a question can be about, with their titles, in groups."""
    modules: dict[str, str] = {}
    codes: set[str] = set()
    for contract in contracts:
        for version in contract.versions:
            for module in version.modules:
                modules[f"{MODULE}:{module.module_id}"] = module.display_name or module.module_id
                codes.update(module.capabilities)
    capabilities = [(f"{CAPABILITY}:{code}", code) for code in sorted(codes)]
    return [("Modules", list(modules.items())), ("Capabilities", capabilities)]


def _decided(days: Iterable[ExplainedDay], names: Names) -> list[Decided]:
    by_revision: dict[tuple[str, int], list[ExplainedDay]] = {}
    for day in days:
        by_revision.setdefault((day.group_id, day.revision), []).append(day)
    found = []
    for (group_id, revision), decided in by_revision.items():
        key = decided[0].key
        family = names.family(key) if key.primary_id else f"group {group_id}"
        items = run_items([run for day in decided for run in day.runs], names, key.contract_id)
        items += [unexplained_item(day, names) for day in decided if not day.runs]
        title = f"Revision {revision} of the {family}" if revision else f"In the {family}"
        address = f"/families/{group_id}?revision={revision}&why=1#why" if revision else ""
        found.append(Decided(title, address, items))
    return found
