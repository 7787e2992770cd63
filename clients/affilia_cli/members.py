"""The commands `member show` and `member add`."""

from collections.abc import Iterable
from typing import Annotated
from uuid import uuid4

import typer

from affilia.catalog.v1 import member_pb2
from affilia.catalog.v1.member_service_pb2 import GetMemberResponse
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia.history.v1 import history_entry_pb2
from affilia.history.v1.history_entry_pb2 import HistoryEntry
from affilia.type.v1 import membership_type_pb2
from affilia_cli.console import CONSOLE, ERRORS, styled
from affilia_cli.days import parse_day, parse_instant
from affilia_cli.options import Admin, Member
from affilia_cli.recording import record
from affilia_cli.session import Session
from affilia_client import Client, NotAllowed, NotSupported
from affilia_client.dates import date_from_proto, date_to_proto
from affilia_views.days import format_instant, format_span
from affilia_views.facts import Fact, facts_in, recording_entries, records
from affilia_views.people import merged_words
from affilia_views.server_names import ServerNames
from affilia_views.words import actor_words, enum_word, fact_name, state_words

app = typer.Typer(help="Show, add and change members.", no_args_is_help=True)
app.command()(record)


@app.command()
def show(
    context: typer.Context,
    member: Member,
    as_of: Annotated[str, typer.Option(help="As recorded at this instant, such as 2026-03-01T12:00:00Z.")] = "",
) -> None:
    """Show a member's identifiers, facts and who recorded them, families, and etag."""
    session: Session = context.obj
    instant = parse_instant(as_of) if as_of else None
    with session.client() as client:
        resolver = session.resolver(client)
        member_id = resolver.member(member)
        found = client.members.get_member(member_id=member_id, as_of=instant)
        if found.merged_into:
            ERRORS.print(merged_words(member_id, found), style="yellow")
            member_id = found.merged_into
        groups = resolver.groups_of(member_id)
        facts = list(facts_in(found.facts))
        recorded = [] if as_of else _recorded(client, member_id, facts)
        if session.print_parts(member=found.member, facts=found.facts, recorded=recorded, groups=groups):
            return
        names = ServerNames(client)
        _show_member(found)
        _show_facts(facts, recorded, member_id, names)
        for group in groups:
            _show_group(group, member_id, names)


def _recorded(client: Client, member_id: str, facts: Iterable[Fact]) -> list[HistoryEntry]:
    """Returns the newest history entries that together recorded all the facts, newest first.

    Returns nothing if the caller or the server can't list the history.
    """
    entries = client.history.all_history(member_id=member_id, kinds=[history_entry_pb2.HISTORY_KIND_FACT])
    try:
        return recording_entries(entries, facts, member_id)
    except (NotAllowed, NotSupported):
        return []


def _show_member(found: GetMemberResponse) -> None:
    member = found.member
    kind = enum_word(member_pb2.MemberKind, member.kind)
    CONSOLE.print(styled((member.display_name or "no name", "bold"), f" ({kind})"))
    CONSOLE.print(f"  member {member.member_id}")
    for identifier in member.identifiers:
        CONSOLE.print(f"  {identifier.system}: {identifier.value}")
    if member.HasField("erased_on"):
        CONSOLE.print(f"  erased on {date_from_proto(member.erased_on)}")
    CONSOLE.print(styled((f"  etag {member.etag}", "dim")))


def _show_facts(facts: Iterable[Fact], recorded: Iterable[HistoryEntry], member_id: str, names: ServerNames) -> None:
    title = ""
    for fact in facts:
        if (heading := fact_name(fact.kind, fact.name)) != title:
            title = heading
            CONSOLE.print(styled((f"\n{heading}", "bold")))
        days = f"{format_span(fact.days)}: " if fact.days is not None else ""
        CONSOLE.print(f"  {days}{fact.value}")
        newest = next((entry for entry in recorded if records(entry, fact, member_id)), None)
        if newest is not None:
            by = f"    recorded by {actor_words(newest.actor, names)} on {format_instant(newest.recorded_at)}"
            CONSOLE.print(styled((by, "dim")))


def _show_group(group: EnrollmentGroup, member_id: str, names: ServerNames) -> None:
    own = [period for period in group.periods if period.member_id == member_id]
    names.load_modules(period.module_id for period in own)
    CONSOLE.print(styled((f"\n{names.family(group.key)}", "bold")))
    for period in own:
        role = enum_word(membership_type_pb2.MembershipType, period.membership_type)
        CONSOLE.print(f"  {format_span(period.days)}: {names.module(period.module_id)} as {role}")
    CONSOLE.print(styled((f"  {state_words(group.group_id, group.revision)}", "dim")))


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the person or pet.")],
    born: Annotated[str, typer.Option(help="Date of birth, such as 1980-06-01.")] = "",
    died: Annotated[str, typer.Option(help="Date of death, of a person or pet who has died.")] = "",
    identifier: Annotated[
        list[str] | None, typer.Option(help="Id in another system, as SYSTEM:VALUE. Repeatable.")
    ] = None,
    pet: Annotated[bool, typer.Option("--pet", help="Add a pet instead of a person.")] = False,
    admin: Admin = "",
) -> None:
    """Add a member, and print the id."""
    session: Session = context.obj
    born_on, died_on = (parse_day(text) if text else None for text in (born, died))
    member = member_pb2.Member(
        member_id=str(uuid4()),
        kind=member_pb2.MEMBER_KIND_PET if pet else member_pb2.MEMBER_KIND_PERSON,
        display_name=name,
        identifiers=map(_identifier, identifier or ()),
    )
    with session.client(admin) as client:
        stored = client.members.upsert_member(member=member)
        if born_on:
            birth = member_pb2.Birth(born_on=date_to_proto(born_on))
            client.members.record_facts(member_id=member.member_id, birth=birth)
        if died_on:
            death = member_pb2.Death(died_on=date_to_proto(died_on))
            client.members.record_facts(member_id=member.member_id, death=death)
        if not session.print_json(stored):
            CONSOLE.print(member.member_id)


def _identifier(text: str) -> member_pb2.Identifier:
    system, colon, value = text.partition(":")
    if not (colon and system and value):
        raise typer.BadParameter(f"--identifier must be SYSTEM:VALUE, got {text}.")
    return member_pb2.Identifier(system=system, value=value)
