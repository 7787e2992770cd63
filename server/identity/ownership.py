"""What belongs to a member: themselves, and the groups in which they are primary. One rule per kind of request.

A rule returns whether everything that a request names belongs to the member. It treats unknown ids like those of
others, and executes the same SQL statements for both, so that callers can't find out what exists.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from affilia.enrollment.v1 import change_request_pb2
from domain.enrollment.decisions import GroupKey
from domain.errors import CoverageUnknown
from operations.call import current_call
from operations.core import Core
from operations.coverage import get_coverage
from operations.legacy.answering import groups_owned_by
from storage import group_lookup
from storage.postgres.database import Connection

ADMIN_ROLE = change_request_pb2.REQUESTER_ROLE_ADMIN


def scope_of_requester(request: Any) -> str | None:
    """Returns the scope that a service needs to request a change in an admin's name."""
    return "enrollment.administer" if request.requester.role == ADMIN_ROLE else None


async def member(core: Core, me: UUID, request: Any) -> bool:
    return UUID(request.member_id) == me


async def members(core: Core, me: UUID, request: Any) -> bool:
    return all(UUID(member_id) == me for member_id in request.member_ids)


async def check(core: Core, me: UUID, request: Any) -> bool:
    return UUID(request.check.member_id) == me


async def checks(core: Core, me: UUID, request: Any) -> bool:
    return all(_id(one.member_id) == me for one in request.checks)


async def group(core: Core, me: UUID, request: Any) -> bool:
    return await _is_primary(core, me, _group_named(request))


async def policy(core: Core, me: UUID, request: Any) -> bool:
    return request.HasField("policy") and await _is_primary(core, me, _group_named(request.policy))


async def listed_by_primary(core: Core, me: UUID, request: Any) -> bool:
    return request.WhichOneof("filter") == "primary_id" and UUID(request.primary_id) == me


async def change_request(core: Core, me: UUID, request: Any) -> bool:
    async with core.database.reading() as connection:
        return await group_lookup.primary_of_change_request(connection, UUID(request.change_request_id)) == me


async def proposal(core: Core, me: UUID, request: Any) -> bool:
    """The primary may request changes for people who are already in the group, but can't find out who else exists.

    `requesters.py` checks the requester.
    """
    changes = (getattr(change, change.WhichOneof("change")) for change in request.changes)
    named = {UUID(change.member_id) for change in changes if hasattr(change, "member_id")}  # a revert names nobody
    group_key = _key(request.group)
    return await _is_primary(core, me, group_key) and await _all_in_group(core, me, group_key, named)


async def choices(core: Core, me: UUID, request: Any) -> bool:
    named = _group_named(request)
    return await _is_primary(core, me, named) and await _all_in_group(core, me, named, {UUID(request.member_id)})


async def cost(core: Core, me: UUID, request: Any) -> bool:
    return await _inquiry(core, me, request.inquiry)


async def costs(core: Core, me: UUID, request: Any) -> bool:
    for inquiry in request.inquiries:
        if not await _inquiry(core, me, inquiry):
            return False
    return True


async def coverage(core: Core, me: UUID, request: Any) -> bool:
    try:
        await get_coverage(core, current_call(), UUID(request.locator), only_of=me)
    except CoverageUnknown:
        return False
    return True


async def contract(core: Core, me: UUID, request: Any) -> bool:
    return await _is_primary_under(core, me, [UUID(request.contract_id)])


async def history(core: Core, me: UUID, request: Any) -> bool:
    match request.WhichOneof("subject"):
        case "group_id":
            return await group(core, me, request)
        case "member_id":
            return await member(core, me, request)
        case _:
            return await contract(core, me, request)


async def modules(core: Core, me: UUID, request: Any) -> bool:
    ids = [UUID(module_id) for module_id in request.module_ids]
    async with core.database.reading() as connection:
        contracts = await core.contract_source.contracts_of_modules(connection, ids)
    # Unknown modules are looked up too, as if they were contracts: otherwise the response time would reveal them.
    return await _is_primary_under(core, me, [contracts.get(module_id, module_id) for module_id in ids])


async def _inquiry(core: Core, me: UUID, inquiry: Any) -> bool:
    """Members may see what their policy costs, or would cost for others, but not prices of other contracts."""
    match inquiry.WhichOneof("subject"):
        case "policy":
            return await _is_primary(core, me, _group_named(inquiry.policy))
        case "policy_quote":
            return await _is_primary(core, me, _group_named(inquiry.policy_quote.policy))
    return False


async def _is_primary(core: Core, me: UUID, named: UUID | GroupKey | None) -> bool:
    """Returns whether the member is primary of an existing group. Members can't create groups."""
    if named is None or (isinstance(named, GroupKey) and named.primary_id != me):
        return False
    async with core.database.reading() as connection:
        keys = await _keys_of(core, connection, me, [named])
    return named in keys and keys[named].primary_id == me


async def _is_primary_under(core: Core, me: UUID, contract_ids: Iterable[UUID]) -> bool:
    wanted = {GroupKey(contract_id, me) for contract_id in contract_ids}
    async with core.database.reading() as connection:
        return wanted <= (await _keys_of(core, connection, me, list(wanted))).keys()


async def _keys_of(
    core: Core, connection: Connection, me: UUID, groups: Sequence[UUID | GroupKey]
) -> dict[UUID | GroupKey, GroupKey]:
    """Returns the keys of those of some groups that the core has, and of the member's own in legacy tables that answer.

    Of the latter, the member's groups are read, not those named, because their ids may not be stored yet.
    """
    heads = await group_lookup.group_heads(connection, groups)
    owned = (await groups_owned_by(core, connection, me)).values()
    keys: dict[UUID | GroupKey, GroupKey] = {group: head.key for group, head in heads.items()}
    return keys | {group.group_id: group.key for group in owned} | {group.key: group.key for group in owned}


async def _all_in_group(core: Core, me: UUID, named: UUID | GroupKey | None, members: set[UUID]) -> bool:
    strangers = members - {me}
    if not strangers or named is None:
        return not strangers
    async with core.database.reading() as connection:
        known = await group_lookup.members_of(connection, named)
        for group in (await groups_owned_by(core, connection, me)).values():
            if named in (group.group_id, group.key):
                known |= set(group.member_ids.values())
    return strangers <= known


def _group_named(message: Any) -> UUID | GroupKey | None:
    """Returns the group that a message names, by its id or by contract and primary. None: it names none."""
    fields = message.DESCRIPTOR.fields_by_name
    if "key" in fields and message.HasField("key"):
        return _key(message.key)
    return _id(message.group_id)


def _key(key: Any) -> GroupKey | None:
    contract_id, primary_id = _id(key.contract_id), _id(key.primary_id)
    return GroupKey(contract_id, primary_id) if contract_id and primary_id else None


def _id(text: str) -> UUID | None:
    """Returns an id, or None if it is invalid: items of batches are not validated before."""
    try:
        return UUID(text)
    except ValueError:
        return None
