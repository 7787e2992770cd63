"""What is a member's own: themselves, and the groups in which they are primary. One rule for each shape of request.

A rule says no to what does not exist just as to what is somebody else's.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from affilia.enrollment.v1 import change_request_pb2
from domain.enrollment.decisions import GroupKey
from domain.errors import CoverageUnknown
from server.mapping.paging import written_from_token
from server.operations.call import current_call
from server.operations.core import Core
from server.operations.eligibility import get_coverage
from server.tokens import Tokens
from storage import enrollment_reads
from storage.deployment import read_deployment

MEMBER_ROLE = change_request_pb2.REQUESTER_ROLE_MEMBER
ADMIN_ROLE = change_request_pb2.REQUESTER_ROLE_ADMIN


def scope_to_ask(request: Any) -> str | None:
    """Which scope a service needs to ask for a change in an admin's name."""
    return "enrollment.administer" if request.requester.role == ADMIN_ROLE else None


async def member(core: Core, me: UUID, request: Any) -> bool:
    return UUID(request.member_id) == me


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
        return await enrollment_reads.primary_of_change_request(connection, UUID(request.change_request_id)) == me


async def proposal(core: Core, me: UUID, request: Any) -> bool:
    """A change asked for by the primary, of people who are in the group already: who else there is, is not theirs to
    learn."""
    asked_by = request.requester
    if asked_by.role != MEMBER_ROLE or _id(asked_by.requester_id) != me:
        return False
    changes = (getattr(change, change.WhichOneof("change")) for change in request.changes)
    named = {UUID(change.member_id) for change in changes}
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
    async with core.database.reading() as connection:
        tokens = Tokens((await read_deployment(connection)).token_key)
    written = written_from_token(request, tokens)  # else a record that they were just told of would not be found
    try:
        record = await get_coverage(core, current_call(), UUID(request.locator), written)
    except CoverageUnknown:
        return False
    return me in (record.run.member_id, record.run.key.primary_id)


async def contract(core: Core, me: UUID, request: Any) -> bool:
    return await _is_primary_under(core, me, [UUID(request.contract_id)])


async def modules(core: Core, me: UUID, request: Any) -> bool:
    ids = [UUID(module_id) for module_id in request.module_ids]
    async with core.database.reading() as connection:
        contracts = await core.contract_source.contracts_of_modules(connection, ids)
    return len(contracts) == len(set(ids)) and await _is_primary_under(core, me, contracts.values())


async def _inquiry(core: Core, me: UUID, inquiry: Any) -> bool:
    """What their policy costs, or would cost for others; not what somebody else's contract would."""
    match inquiry.WhichOneof("subject"):
        case "policy":
            return await _is_primary(core, me, _group_named(inquiry.policy))
        case "policy_quote":
            return await _is_primary(core, me, _group_named(inquiry.policy_quote.policy))
    return False


async def _is_primary(core: Core, me: UUID, named: UUID | GroupKey | None) -> bool:
    """Of a group that there is: to begin one is for those who know who may join."""
    if named is None or (isinstance(named, GroupKey) and named.primary_id != me):
        return False
    async with core.database.reading() as connection:
        found = await enrollment_reads.group_heads(connection, [named])
    return named in found and found[named].key.primary_id == me


async def _is_primary_under(core: Core, me: UUID, contract_ids: Iterable[UUID]) -> bool:
    wanted = {GroupKey(contract_id, me) for contract_id in contract_ids}
    async with core.database.reading() as connection:
        return wanted <= (await enrollment_reads.group_heads(connection, list(wanted))).keys()


async def _all_in_group(core: Core, me: UUID, named: UUID | GroupKey | None, members: set[UUID]) -> bool:
    strangers = members - {me}
    if not strangers or named is None:
        return not strangers
    async with core.database.reading() as connection:
        return strangers <= await enrollment_reads.members_of(connection, named)


def _group_named(message: Any) -> UUID | GroupKey | None:
    """The group that a message names: by its id, or by contract and primary; None: it does not."""
    fields = message.DESCRIPTOR.fields_by_name
    if "key" in fields and message.HasField("key"):
        return _key(message.key)
    return _id(message.group_id)


def _key(key: Any) -> GroupKey | None:
    contract_id, primary_id = _id(key.contract_id), _id(key.primary_id)
    return GroupKey(contract_id, primary_id) if contract_id and primary_id else None


def _id(text: str) -> UUID | None:
    """An id; None where there is none. The items of batches are not validated yet."""
    try:
        return UUID(text)
    except ValueError:
        return None
