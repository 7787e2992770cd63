"""Finds the one person, family or contract that a form's field names."""

from collections.abc import Iterable
from uuid import UUID

from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia_cli.resolving import Resolver
from affilia_console.failures import Refused
from affilia_console.visits import Visit
from affilia_views.people import identifier_in, name_and_birth

UUID_LENGTH = 36
MAX_LISTED = 5


def id_in(text: str) -> str:
    """Returns the UUID in a text, or an empty string if the text isn't one."""
    try:
        return str(UUID(text)) if len(text) == UUID_LENGTH else ""
    except ValueError:
        return ""


def member_id(visit: Visit, text: str) -> str:
    """Returns the id of the member with this id, name or identifier. Raises Refused if none or several match."""
    if found := id_in(text):
        return found
    identifier = identifier_in(text)
    page = visit.client.members.search_members(identifier=identifier, page_size=MAX_LISTED + 1)
    if not page.hits:
        page = visit.client.members.search_members(query=text, page_size=MAX_LISTED + 1)
    exact = [hit for hit in page.hits if hit.member.display_name == text] or list(page.hits)
    return _one(text, [(hit.member.member_id, name_and_birth(hit)) for hit in exact])


def groups_of(visit: Visit, member_id: str) -> list[EnrollmentGroup]:
    """Returns every group to which a member belongs. For a member who asks, those of which they are the primary."""
    return Resolver(visit.client, visit.session.person.subject).groups_of(member_id)


def contract_id(visit: Visit, text: str) -> str:
    """Returns the id of the contract with this id, or whose name or sponsor begins with the text. Raises Refused."""
    if found := id_in(text):
        return found
    asked = text.casefold()
    contracts = [
        (each.contract_id, each.display_name or each.contract_id)
        for each in visit.client.catalog.all_contracts()
        if any(name.casefold().startswith(asked) for name in (each.display_name, each.sponsor_id))
    ]
    exact = [each for each in contracts if each[1] == text]
    return _one(text, exact or contracts)


def _one(text: str, found: Iterable[tuple[str, str]]) -> str:
    """Returns the id of the only match."""
    matches = list(found)
    if not matches:
        raise Refused(f"Nothing matches “{text}”.", "Use the search box at the top, and copy the id from there.")
    if len(matches) > 1:
        listed = [f"{description} ({id_})" for id_, description in matches[:MAX_LISTED]]
        raise Refused(f"Several match “{text}”. Use an id.", *listed)
    return matches[0][0]
