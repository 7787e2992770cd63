"""The commands `revert` and `correct-type`, which put earlier requests right."""

from typing import Annotated

import typer

from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.change_request_pb2 import ChangeRequest, ScopedChange
from affilia.type.v1 import membership_type_pb2
from affilia_cli.choosing import NothingMatches, one_of
from affilia_cli.console import CONSOLE
from affilia_cli.options import Admin, Family
from affilia_cli.outlines import show_items
from affilia_cli.requesters import check_is_admin
from affilia_cli.requesting import (
    Accept,
    Asked,
    DryRun,
    Override,
    Reason,
    membership_type,
    simulate_change,
    submit_change,
)
from affilia_cli.resolving import id_in
from affilia_cli.session import Session
from affilia_client import Client
from affilia_views.matching import Match
from affilia_views.reverting import counting_requests, undone_item
from affilia_views.server_names import ServerNames
from affilia_views.words import request_words

MIN_ID_CHARACTERS = 4


def revert(
    context: typer.Context,
    group: Family,
    request: Annotated[
        str, typer.Argument(help="Change request to undo: its id, or the beginning of it; see `requests --family`.")
    ] = "",
    last: Annotated[
        bool, typer.Option("--last", help="Undo the family's last approved request that isn't undone yet.")
    ] = False,
    admin: Admin = "",
    reason: Reason = "",
    accept: Accept = False,
    override: Override = None,
    dry_run: DryRun = False,
) -> None:
    """Undo an earlier change request of a family.

    Its changes, consequences and overrides no longer count. Later requests still apply. To undo the revert, revert it.
    """
    session: Session = context.obj
    if bool(request) == last:
        raise typer.BadParameter("Give the change request to undo, or --last.")
    check_is_admin(session.claims, admin, "revert a request")
    with session.client(admin) as client:
        resolver = session.resolver(client)
        group_id = resolver.group_id(group)
        key = resolver.key_of({"group_id": group_id})
        fields = Asked(admin, reason, accept, override).fields(session.claims, key.primary_id)
        undone = _request_of(client, group_id, request)
        if not session.as_json:
            show_undone(undone, ServerNames(client))
        change = ScopedChange(revert=change_request_pb2.Revert(change_request_id=undone.change_request_id))
        make = simulate_change if dry_run else submit_change
        make(session, client, key, [change], fields)


def correct_type(
    context: typer.Context,
    group: Family,
    member: Annotated[str, typer.Argument(help="Member of the family: a name, an identifier, or an id.")],
    kind: Annotated[
        str, typer.Argument(metavar="TYPE", help="The correct membership type: partner, child, ascendant or pet.")
    ],
    admin: Admin = "",
    reason: Reason = "",
    accept: Accept = False,
    override: Override = None,
    dry_run: DryRun = False,
) -> None:
    """Correct a member's membership type in a family.

    The member's requests are read as if they had always named this type. Days, rules and prices follow.
    """
    session: Session = context.obj
    number = membership_type(kind, "TYPE")
    if number == membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY:
        raise typer.BadParameter("TYPE can't be primary: the primary of a family never changes.")
    check_is_admin(session.claims, admin, "correct a membership type")
    with session.client(admin) as client:
        resolver = session.resolver(client)
        key = resolver.key(group)
        fields = Asked(admin, reason, accept, override).fields(session.claims, key.primary_id)
        corrected = change_request_pb2.CorrectMembershipType(
            member_id=resolver.member_of(key, member), membership_type=number
        )
        make = simulate_change if dry_run else submit_change
        make(session, client, key, [ScopedChange(correct_membership_type=corrected)], fields)


def _request_of(client: Client, group_id: str, text: str) -> ChangeRequest:
    """Returns the request of a group with this id or beginning of an id or, without a text, the last that counts."""
    if found := id_in(text):
        request = client.changes.get_change_request(change_request_id=found).change_request
        if request.group_id != group_id:
            raise NothingMatches(
                f"Request {found} belongs to another family: {ServerNames(client).family(request.key)}."
            )
        return request
    requests = list(client.changes.all_change_requests(group_id=group_id))
    if not text:
        counting = counting_requests(requests)
        if not counting:
            raise NothingMatches("The family has no approved request that could be undone.")
        return counting[-1]
    if len(text) < MIN_ID_CHARACTERS:
        raise typer.BadParameter(f"Give at least {MIN_ID_CHARACTERS} characters of the request's id, got {text}.")
    by_id = {each.change_request_id: each for each in requests if each.change_request_id.startswith(text.lower())}
    names = ServerNames(client)
    matches = [Match("request", each, request_words(request, names), (each,)) for each, request in by_id.items()]
    return by_id[one_of(text, matches, "ids of the family's change requests").id]


def show_undone(request: ChangeRequest, names: ServerNames) -> None:
    """Prints what a revert undoes."""
    show_items([undone_item(request, names)])
    CONSOLE.print()
