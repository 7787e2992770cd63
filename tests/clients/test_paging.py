"""Iteration over all pages of a list."""

import asyncio
from uuid import uuid4

import pytest

from affilia_client import Client, NotFound
from affilia_client.methods import SERVICES
from affilia_client.testing import Affilia
from tests.support.calls import Family, admin


def changed(family: Family, times: int) -> tuple[str, list[str]]:
    """Submits several changes. Returns the group id and the ids of its change requests."""
    ids = []
    for n in range(times):
        module = family.plus if n % 2 else family.base
        answer = family.submit(family.enroll(module, "2026-01-01"), requester=admin())
        ids.append(answer.change_request.change_request_id)
    return family.group().group_id, ids


def test_every_paged_list_has_a_method_for_all_pages(client: Client) -> None:
    paged = {
        method.name: method.items
        for methods in SERVICES.values()
        for method in methods
        if "next_page_token" in method.response.DESCRIPTOR.fields_by_name
    }
    assert {name for name in paged if not name.startswith("List")} == {"AggregatePremiums", "SearchMembers"}
    assert all(paged.values())
    assert hasattr(client.premiums, "all_uninvoiced_premiums")
    assert hasattr(client.members, "search_all_members")
    assert not hasattr(client.eligibility, "all_capabilities"), "it has no pages"


def test_pages_are_read_in_order(family: Family, affilia: Affilia, client: Client) -> None:
    group_id, ids = changed(family, 5)
    items = client.changes.all_change_requests(group_id=group_id, page_size=2)
    assert sorted(each.change_request_id for each in items) == sorted(ids)
    assert len(affilia.received("list_change_requests")) == 3
    assert [each.revision for each in client.enrollment.all_revisions(group_id=group_id)] == [1, 2, 3, 4, 5]
    assert len(affilia.received("list_revisions")) == 1


def test_the_async_client_reads_all_pages_too(family: Family, affilia: Affilia) -> None:
    group_id, ids = changed(family, 3)

    async def story() -> list[str]:
        async with affilia.async_client() as client:
            items = client.changes.all_change_requests(group_id=group_id, page_size=2)
            return [each.change_request_id async for each in items]

    assert sorted(asyncio.run(story())) == sorted(ids)


def test_pages_are_fetched_lazily(family: Family, affilia: Affilia, client: Client) -> None:
    group_id, _ = changed(family, 3)
    next(client.changes.all_change_requests(group_id=group_id, page_size=1))
    assert len(affilia.received("list_change_requests")) == 1


def test_a_failing_list_raises_when_it_is_iterated(client: Client) -> None:
    with pytest.raises(NotFound):
        list(client.enrollment.all_revisions(group_id=str(uuid4())))
    with pytest.raises(TypeError):
        client.enrollment.all_revisions(group="")  # type: ignore[call-arg]
