"""The command line's names are read in batches, cached within a bound, and looked up again after passing failures."""

import grpc
import pytest

from affilia.catalog.v1.member_pb2 import MEMBER_KIND_PERSON
from affilia_client import Client
from affilia_client.testing import Affilia
from affilia_views.server_names import Cache, ServerNames
from tests.support.calls import Family, new_id


@pytest.fixture
def members(client: Client, affilia: Affilia) -> dict[str, str]:
    """Names by id of three stored members."""
    found = {new_id(): f"Member {number}" for number in range(3)}
    for member_id, name in found.items():
        client.members.upsert_member(member={"member_id": member_id, "kind": MEMBER_KIND_PERSON, "display_name": name})
    affilia.clear()
    return found


def calls(affilia: Affilia) -> tuple[int, int]:
    """Returns how many batches and single members were read."""
    return len(affilia.received("batch_get_members")), len(affilia.received("get_member"))


def test_names_of_many_members_are_read_with_one_call(
    members: dict[str, str], client: Client, affilia: Affilia
) -> None:
    names, unknown = ServerNames(client), new_id()
    names.load_members([*members, unknown])
    assert {member_id: names.member(member_id) for member_id in members} == members
    assert names.member(unknown) == unknown
    assert calls(affilia) == (1, 0)


@pytest.mark.parametrize("code", [grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.PERMISSION_DENIED])
def test_members_are_read_one_by_one_where_batches_are_not_served_or_not_allowed(
    members: dict[str, str], client: Client, affilia: Affilia, code: grpc.StatusCode
) -> None:
    affilia.fail("batch_get_members", code)
    names = ServerNames(client)
    names.load_members(members)
    assert {member_id: names.member(member_id) for member_id in members} == members
    names.member(new_id())
    assert calls(affilia) == (1, 4)


def test_a_failed_lookup_shows_ids_and_is_repeated(members: dict[str, str], client: Client, affilia: Affilia) -> None:
    affilia.fail("batch_get_members", grpc.StatusCode.INTERNAL)
    names, member_id = ServerNames(client), next(iter(members))
    assert [names.member(member_id), names.member(member_id)] == [member_id, members[member_id]]


def test_ids_are_shown_without_any_call(family: Family, client: Client, affilia: Affilia) -> None:
    names = ServerNames(client, ids=True)
    names.load_members([family.primary])
    shown = names.member(family.primary), names.module(family.base), names.contract_name(family.contract_id)
    assert shown == (family.primary, family.base, family.contract_id)
    assert affilia.received() == []


def test_a_full_cache_forgets_the_oldest_entry() -> None:
    cache: Cache[int] = Cache(2)
    for number, key in enumerate("abac"):
        cache[key] = number
    assert dict(cache) == {"b": 1, "c": 3}
