"""Reads families and members from the server, in batches and in bounded memory."""

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from affilia.catalog.v1.member_service_pb2 import MemberWithFacts
from affilia.enrollment.v1.enrollment_group_pb2 import (
    DIFFERENCE_KIND_REINSTATED,
    DIFFERENCE_KIND_TYPE_CORRECTED,
    EnrollmentGroup,
)
from affilia_cli.enrollment_export.families import (
    ChangedFamily,
    Family,
    FamilyState,
    state_of,
)
from affilia_cli.enrollment_export.feed_reading import ChangedGroup
from affilia_cli.enrollment_file.book.batched_calls import batches, read_members
from affilia_cli.enrollment_file.book.book import EnrollmentKey
from affilia_cli.enrollment_file.book.periods import days_of, type_name
from affilia_client import Client

CALL_SECONDS = 30
CONCURRENT_CALLS = 8


def families(groups: Iterable[EnrollmentGroup], *, one_contract: bool) -> Iterator[Family]:
    """Yields the family of each primary.

    Under one contract, each group is a family and is yielded immediately. Under several contracts, a primary can have
    several groups, so all groups are read first.
    """
    if one_contract:
        for group in groups:
            yield Family(group.key.primary_id, state_of(group.periods))
        return
    states: dict[str, FamilyState] = {}
    for group in groups:
        state = state_of(group.periods)
        known = states.get(group.key.primary_id)
        states[group.key.primary_id] = known | state if known else state
    for primary_id, state in states.items():
        yield Family(primary_id, state)


def changed_families(
    client: Client, groups: Iterable[ChangedGroup], contract_ids: Collection[str]
) -> Iterator[ChangedFamily]:
    """Yields the family of each primary with a changed group, from all contracts, whether they have changed or not."""
    by_primary: dict[str, list[ChangedGroup]] = {}
    for group in groups:
        by_primary.setdefault(group.primary_id, []).append(group)

    def read(primary_id: str) -> ChangedFamily:
        of_primary = by_primary[primary_id]
        family = ChangedFamily(primary_id, FamilyState(), FamilyState())
        for group in of_primary:
            family = family | _changed(client, group)
        if len(contract_ids) > 1:
            others = set(contract_ids) - {group.contract_id for group in of_primary}
            for state in _states(client, primary_id, others):
                family = family | ChangedFamily(primary_id, state, state)
        return family

    with ThreadPoolExecutor(max_workers=CONCURRENT_CALLS) as pool:
        for batch in batches(by_primary, CONCURRENT_CALLS * 10):
            yield from pool.map(read, batch)


def _changed(client: Client, group: ChangedGroup) -> ChangedFamily:
    """Reads all revisions of a group as one difference."""
    last = client.enrollment.get_enrollment_group(
        group_id=group.group_id, revision=group.to_revision, timeout=CALL_SECONDS
    ).group
    differences = client.enrollment.diff_revisions(
        group_id=group.group_id,
        from_revision=group.from_revision,
        to_revision=group.to_revision,
        timeout=CALL_SECONDS,
    ).differences
    after = state_of(last.periods)
    days, types = dict(after.days), dict(after.types)
    reinstated, corrected = set[EnrollmentKey](), set[str]()
    for each in differences:
        key = EnrollmentKey(each.member_id, each.module_id)
        days[key] = (after.on(key) - days_of(each.gained)) | days_of(each.lost)
        types.setdefault(each.member_id, type_name(each.membership_type))
        if DIFFERENCE_KIND_REINSTATED in each.kinds:
            reinstated.add(key)
        if DIFFERENCE_KIND_TYPE_CORRECTED in each.kinds:
            corrected.add(each.member_id)
    before = FamilyState({key: runs for key, runs in days.items() if runs}, types)
    return ChangedFamily(
        group.primary_id, before, FamilyState(after.days, types), frozenset(reinstated), frozenset(corrected)
    )


def _states(client: Client, primary_id: str, contract_ids: Collection[str]) -> Iterator[FamilyState]:
    """Yields the current states of a primary's groups under some contracts."""
    for group in client.enrollment.all_enrollment_groups(primary_id=primary_id, timeout=CALL_SECONDS):
        if group.key.contract_id in contract_ids:
            yield state_of(group.periods)


def members_by_id(client: Client, member_ids: Iterable[str]) -> dict[str, MemberWithFacts]:
    """Returns the members that exist, by the requested id, even if they were merged into another member."""
    found: dict[str, MemberWithFacts] = {}
    merged: dict[str, str] = {}
    for response in read_members(
        dict.fromkeys(member_ids), lambda ids: client.members.batch_get_members(member_ids=ids, timeout=CALL_SECONDS)
    ):
        found |= {each.member.member_id: each for each in response.members}
        merged |= {each.member_id: each.merged_into for each in response.merged_members}
    return found | {member_id: found[into] for member_id, into in merged.items() if into in found}
