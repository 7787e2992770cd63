"""The command `merge`, which merges two records of one person."""

import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from affilia.catalog.v1 import member_service_pb2
from affilia.catalog.v1.member_service_pb2 import GetMemberResponse, KeptFacts, MergeMembersResponse
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia.type.v1 import membership_type_pb2
from affilia_cli.console import CONSOLE, ERRORS, styled
from affilia_cli.options import Admin
from affilia_cli.session import Session
from affilia_client import CallFailed, Client
from affilia_client.dates import date_from_proto
from affilia_views.merges import overrun_words
from affilia_views.server_names import ServerNames
from affilia_views.words import difference_words, enum_word

KEPT: "dict[str, KeptFacts.ValueType]" = {
    "": member_service_pb2.KEPT_FACTS_UNSPECIFIED,
    "from": member_service_pb2.KEPT_FACTS_FROM,
    "into": member_service_pb2.KEPT_FACTS_INTO,
}


def merge(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="The record that becomes another id of INTO: a name or an id.")
    ],
    target: Annotated[str, typer.Argument(metavar="INTO", help="The record that remains: a name or an id.")],
    reason: Annotated[str, typer.Option(help="Why the records are merged.")],
    keep: Annotated[
        str, typer.Option(help="Whose facts to keep where the records have different ones: from or into.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Merge without asking for confirmation.")] = False,
    admin: Admin = "",
) -> None:
    """Merge two records of one person. This can't be undone.

    Requests, identifiers and the use of limits of FROM become those of INTO. Its facts do, too, where INTO has none.
    """
    session: Session = context.obj
    if keep.lower() not in KEPT:
        raise typer.BadParameter(f"--keep must be from or into, got {keep}.")
    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise typer.BadParameter("A merge can't be undone. Without a terminal on which to confirm it, add --yes.")
    with session.client(admin) as client:
        resolver, names = session.resolver(client), ServerNames(client)
        from_id, into_id = resolver.member(source), resolver.member(target)
        if not yes:
            _show_record("This record:", client, from_id, names)
            _show_record("becomes another id of:", client, into_id, names)
            ERRORS.print("A merge can't be undone.", style="yellow")
            if not typer.confirm("Merge the two records?", err=True):
                raise typer.Abort
        from_name = names.member(from_id)
        answer = client.members.merge_members(
            from_member_id=from_id, into_member_id=into_id, reason=reason, keep=KEPT[keep.lower()]
        )
        if session.print_json(answer):
            return
        CONSOLE.print(styled((f"Merged {from_name} into {answer.member.display_name or into_id}.", "bold")))
        CONSOLE.print(f"  {from_id} is now another id of {into_id}.")
        show_merged(answer, client, ServerNames(client))


def _show_record(title: str, client: Client, member_id: str, names: ServerNames) -> None:
    """Prints a record to recognize a person by: name, date of birth, identifiers and roles in families."""
    found: GetMemberResponse = client.members.get_member(member_id=member_id)
    born = f"born {date_from_proto(found.facts.born_on)}" if found.facts.HasField("born_on") else "birth date unknown"
    ERRORS.print(styled((title, "bold"), f" {found.member.display_name or 'no name'}, {born}"))
    ERRORS.print(f"  member {member_id}")
    for identifier in found.member.identifiers:
        ERRORS.print(f"  {identifier.system}: {identifier.value}")
    for group in client.enrollment.all_enrollment_groups(member_id=member_id):
        roles = {period.membership_type for period in group.periods if period.member_id == member_id}
        words = ", ".join(enum_word(membership_type_pb2.MembershipType, role) for role in sorted(roles))
        ERRORS.print(f"  {words or 'not enrolled'} in the {names.family(group.key)}")


def show_merged(answer: MergeMembersResponse, client: Client, names: ServerNames) -> None:
    """Prints how the families concerned changed, and which limits are exceeded."""
    named = dict.fromkeys([*(each.group_id for each in answer.groups), *(each.group_id for each in answer.overruns)])
    groups = {group_id: _group(client, group_id) for group_id in named}
    for each in answer.groups:
        key = groups[each.group_id].key
        title = names.family(key) if key.primary_id else f"group {each.group_id}"
        state = f": revision {each.revision}" if each.made_revision else ": no enrolled days changed"
        CONSOLE.print(styled((title, "bold"), state))
        for line in _differences(client, each, names) if each.made_revision else ():
            CONSOLE.print(f"  {line}")
    for overrun in answer.overruns:
        key = groups[overrun.group_id].key
        CONSOLE.print(styled(("! ", "yellow"), overrun_words(overrun, key, names)))
    if answer.overruns:
        CONSOLE.print("  Nothing was reversed. Limits that are exceeded have nothing left.")


def _group(client: Client, group_id: str) -> EnrollmentGroup:
    """Returns a group, or an empty one if it can't be read."""
    try:
        return client.enrollment.get_enrollment_group(group_id=group_id).group
    except CallFailed:
        return EnrollmentGroup()


def _differences(client: Client, merged: member_service_pb2.MergedGroup, names: ServerNames) -> Iterable[str]:
    """Returns what the revision of a merge changed, in words, or nothing if it can't be read."""
    try:
        found = client.enrollment.diff_revisions(
            group_id=merged.group_id, from_revision=merged.revision - 1, to_revision=merged.revision
        )
    except CallFailed:
        return []
    return [line for difference in found.differences for line in difference_words(difference, names)]
