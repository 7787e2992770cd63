"""The command `why`: why a member is or isn't covered on a day, or why a revision changed a family's coverage."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated

import typer

from affilia.catalog.v1.contract_pb2 import Contract
from affilia.eligibility.v1 import eligibility_check_service_pb2 as eligibility_pb2
from affilia.eligibility.v1.eligibility_check_service_pb2 import CheckEligibilityResponse
from affilia.enrollment.v1.change_request_service_pb2 import ListAvailableChoicesResponse
from affilia_cli.choices import show_choices
from affilia_cli.console import CONSOLE, styled
from affilia_cli.days import DayInQuestion
from affilia_cli.explained_days import having, lacking
from affilia_cli.explanations import show_days, show_difference
from affilia_cli.names import ServerNames
from affilia_cli.options import On
from affilia_cli.session import Session
from affilia_client import Client
from affilia_client.dates import date_from_proto, date_to_proto
from affilia_views.days import format_span
from affilia_views.payment_order import payment_in_words
from affilia_views.words import enum_word


def why(
    context: typer.Context,
    subject: Annotated[
        str, typer.Argument(metavar="MEMBER|FAMILY", help="A member; with --revision, a family. A name or an id.")
    ],
    target: Annotated[
        str, typer.Argument(metavar="[MODULE|CAPABILITY]", help="Only coverage by this module or with this capability.")
    ] = "",
    on: On = "today",
    revision: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Explain what this revision changed.")] = 0,
) -> None:
    """Explain coverage on a day, or a revision.

    Shows why a member is or isn't covered, or which facts, requests and rules caused the changes in a revision.
    """
    session: Session = context.obj
    with session.client() as client:
        if revision:
            _explain_revision(session, client, subject, target, revision)
        else:
            _explain_day(session, client, subject, target, DayInQuestion.parse(on))


def _explain_revision(session: Session, client: Client, family: str, module: str, revision: int) -> None:
    resolver = session.resolver(client)
    group_id = resolver.group_id(family)
    key = resolver.key_of({"group_id": group_id})
    module_id = resolver.module(module, [key.contract_id]) if module else ""
    answer = client.history.explain_difference(group_id=group_id, revision=revision, module_id=module_id)
    if session.print_json(answer):
        return
    names = ServerNames(client)
    CONSOLE.print(styled((f"revision {revision}", "bold"), f" of the {names.family(key)}"))
    show_difference(answer, names, key.contract_id)


def _explain_day(session: Session, client: Client, member: str, target: str, on: DayInQuestion) -> None:
    resolver = session.resolver(client)
    member_id = resolver.existing_member(member)
    wanted = resolver.module_or_capability(target, resolver.contracts_of(member_id)) if target else {}
    answer = _check(client, member_id, on, **wanted)
    names = ServerNames(client)

    def day_under(contract_id: str) -> date:
        return on.under(names.contract(contract_id))

    groups = resolver.groups_of(member_id)
    choices = [
        client.changes.list_available_choices(
            group_id=group.group_id, member_id=member_id, on=day_under(group.key.contract_id)
        )
        for group in groups
    ]
    modules = {each for group in groups for each in _modules_for(wanted, names.contract(group.key.contract_id))}
    checks = [answer, *_other_checks(client, answer, choices, on)] if not wanted else [answer]
    missing = [each for check in checks for each in check.missing_coverage if not wanted or each.module_id in modules]
    covering = answer.records if answer.covered else ()
    explained = [*having(client, covering, day_under), *lacking(client, missing, groups, day_under)]
    runs = [run for day in explained for run in day.runs]
    if session.print_parts(check=answer, choices=choices, missing_coverage=missing, runs=runs):
        return
    days = {day_under(group.key.contract_id) for group in groups}
    _show_check(answer, names.member(member_id), days.pop() if len(days) == 1 else on, names)
    for group, found in zip(groups, choices, strict=True):
        CONSOLE.print("")
        show_choices([each for each in found.choices if not wanted or each.module_id in modules], group.key, names)
    if explained:
        CONSOLE.print(styled(("\nwhat decided this day", "bold")))
    show_days(explained, names)
    if omitted := sum(check.missing_coverage_omitted for check in checks):
        CONSOLE.print(f"and {omitted} more enrollments that lack this day; ask about a module to see them")


def _other_checks(
    client: Client, answer: CheckEligibilityResponse, choices: Iterable[ListAvailableChoicesResponse], on: DayInQuestion
) -> list[CheckEligibilityResponse]:
    """Returns checks of the modules that don't cover a member who is otherwise covered on a day.

    A check explains missing coverage only if the member isn't covered as requested.
    """
    if not answer.covered:
        return []
    member_id = answer.records[0].member_id
    others = dict.fromkeys(each.module_id for found in choices for each in found.choices if not each.enrolled)
    return [_check(client, member_id, on, module_id=module_id) for module_id in others]


def _check(client: Client, member_id: str, on: DayInQuestion, **wanted: str) -> CheckEligibilityResponse:
    day = date_to_proto(on.given) if on.given else None
    check = eligibility_pb2.EligibilityCheck(member_id=member_id, date=day, **wanted)
    return client.eligibility.check_eligibility(check=check, explain=True)


def _modules_for(wanted: dict[str, str], contract: Contract) -> set[str]:
    """Returns the module in the question, or all modules with the capability in the question."""
    return {
        module.module_id
        for version in contract.versions
        for module in version.modules
        if wanted.get("module_id") == module.module_id or wanted.get("capability") in module.capabilities
    }


def _show_check(answer: CheckEligibilityResponse, name: str, on: date | DayInQuestion, names: ServerNames) -> None:
    reason = enum_word(eligibility_pb2.EligibilityReason, answer.reason).replace("-", " ")
    state = ("covered", "bold green") if answer.covered else ("not covered", "bold red")
    CONSOLE.print(styled((name, "bold"), f" on {on}: ", state, "" if answer.covered else f" ({reason})"))
    for label, day in (("last covered on", answer.last_day), ("next covered from", answer.first_day)):
        if not answer.covered and day.year:
            CONSOLE.print(f"  {label} {date_from_proto(day)}")
    for record, payment in zip(answer.records, payment_in_words(answer.records, names), strict=True):
        if payment:
            CONSOLE.print(f"  {payment}")
        source = "" if record.revision else ", from the legacy tables"
        CONSOLE.print(f"  covered by {names.module(record.module_id)}, {format_span(record.days)}{source}")
        if record.capabilities:
            CONSOLE.print(styled((f"    {', '.join(record.capabilities)}", "dim")))
