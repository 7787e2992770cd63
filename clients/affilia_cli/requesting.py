"""What the commands that request a change share: their options, the call, and the printed result."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from affilia.enrollment.v1 import change_request_pb2, enrollment_group_pb2
from affilia.enrollment.v1.change_request_pb2 import ScopedChange
from affilia.enrollment.v1.change_request_service_pb2 import SimulateChangeRequestResponse
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup, EnrollmentPeriod, GroupKey
from affilia.history.v1 import history_entry_pb2
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_cli.console import CONSOLE, styled
from affilia_cli.exit_status import REJECTED
from affilia_cli.outlines import show_items
from affilia_cli.requesters import Claims, requester_of
from affilia_cli.session import Session
from affilia_cli.showing import show_verdict
from affilia_cli.timeline_text import show_comparison
from affilia_client import CallFailed, Client
from affilia_views.changes import corrections_of
from affilia_views.costs import cost_item
from affilia_views.days import today_under
from affilia_views.server_names import ServerNames
from affilia_views.timeline import rows_with_names
from affilia_views.words import enum_word

Reason = Annotated[str, typer.Option(help="Why the change is requested. Required for admins.")]
Accept = Annotated[
    bool, typer.Option("--accept-consequences", help="Allow the change even if others lose coverage because of it.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change and cost, without changing anything.")]
Override = Annotated[list[str] | None, typer.Option(help="Code of a rule to treat as satisfied. Repeatable.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """The requester of a change, and what they accept."""

    admin: str
    reason: str
    accept: bool
    override: list[str] | None

    def fields(self, claims: Claims, primary_id: str) -> dict[str, Any]:
        """Returns the fields of the request."""
        return {
            "requester": requester_of(claims, self.admin, self.reason, primary_id),
            "accept_consequences": self.accept,
            "overridden_rules": self.override or [],
        }


def simulate_change(
    session: Session, client: Client, key: GroupKey, changes: Sequence[ScopedChange], fields: dict[str, Any]
) -> None:
    """Simulates changes in one request, and prints the verdict, the enrollments before and after, and the cost.

    `fields` are the other fields of the request; see `Asked`.
    """
    answer = client.changes.simulate_change_request(group=key, changes=changes, **fields)
    if session.print_json(answer):
        return
    names = ServerNames(client)
    show_verdict(answer.verdict, answer, key.contract_id, names)
    _show_enrollments(answer.periods_before, answer.periods_after, key, names, "What would change:")
    _show_simulated_cost(answer)


def submit_change(
    session: Session, client: Client, key: GroupKey, changes: Sequence[ScopedChange], fields: dict[str, Any]
) -> None:
    """Submits changes in one request, and prints the verdict, the enrollments before and after, and the cost.

    `fields` are the other fields of the request; see `Asked`. Raises typer.Exit with the exit status.
    """
    answer = client.changes.submit_change_request(group=key, changes=changes, **fields)
    request = answer.change_request
    if not session.print_json(answer):
        names = ServerNames(client)
        show_verdict(request.verdict, request, key.contract_id, names)
        before = periods_before(client, answer.group) if request.made_revision else answer.group.periods
        _show_enrollments(before, answer.group.periods, key, names, "What changed:")
        if request.made_revision:
            _show_recorded_cost(client, request)
        CONSOLE.print(styled((f"\nrequest {request.change_request_id}", "dim")))
    raise typer.Exit(0 if request.verdict == change_request_pb2.VERDICT_APPROVED else REJECTED)


def membership_type(text: str, name: str) -> "MembershipType.ValueType":
    """Returns a membership type given in words. `name` is the option or argument that errors mention."""
    words = {enum_word(MembershipType, number): number for number in MembershipType.values() if number}
    if text.lower() not in words:
        raise typer.BadParameter(f"{name} must be {', '.join(list(words)[:-1])} or {list(words)[-1]}; got {text}.")
    return words[text.lower()]


def periods_before(client: Client, group: EnrollmentGroup) -> Sequence[EnrollmentPeriod]:
    """Returns the periods of the previous revision, which the core has even while legacy tables answer."""
    if group.revision <= 1:
        return ()
    core = enrollment_group_pb2.SOURCE_OF_TRUTH_FORCE_CORE
    found = client.enrollment.get_enrollment_group(
        group_id=group.group_id, revision=group.revision - 1, source_of_truth=core
    )
    return found.group.periods


def _show_enrollments(
    before: Sequence[EnrollmentPeriod], after: Sequence[EnrollmentPeriod], key: GroupKey, names: ServerNames, title: str
) -> None:
    CONSOLE.print()
    rows = rows_with_names(after, key.primary_id, names, before)
    today = today_under(names.contract(key.contract_id))
    show_comparison(rows, names, title, today, corrections_of(before, after))


def _show_simulated_cost(answer: SimulateChangeRequestResponse) -> None:
    if answer.HasField("cost"):
        CONSOLE.print()
        show_items([cost_item(answer.cost)])
    elif answer.cost_missing_reason:
        CONSOLE.print(styled((f"\nmonthly cost unknown: {answer.cost_missing_reason}", "dim")))


def _show_recorded_cost(client: Client, request: change_request_pb2.ChangeRequest) -> None:
    """Prints the monthly cost before and after a request, if it is recorded and visible to the caller."""
    kinds = [history_entry_pb2.HISTORY_KIND_CHANGE_REQUEST]
    try:
        found = client.history.list_history(group_id=request.group_id, kinds=kinds, page_size=1).entries
    except CallFailed:
        return
    for entry in found:
        if entry.change_request.change_request_id == request.change_request_id and entry.HasField("monthly_cost"):
            CONSOLE.print()
            show_items([cost_item(entry.monthly_cost)])
