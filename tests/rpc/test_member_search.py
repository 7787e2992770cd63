"""Searching members over the wire: what is found, in which order, page by page, and after an erasure."""
# ruff: noqa: RUF001 (letters of other scripts are the point)

from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from affilia.type.v1 import membership_type_pb2
from domain.identity import group_id
from tests.scenarios.enrollment_messages import date
from tests.support.calls import Family, admin, failure_of, new_id

Search = member_service_pb2.SearchMembersRequest


def a_word() -> str:
    """Returns a word that no other test uses."""
    return "w" + uuid4().hex


def store(members: MemberServiceStub, name: str, member_id: str = "", **identifiers: str) -> str:
    """Stores a member with a name and identifiers by system, and returns the id."""
    member_id = member_id or new_id()
    member = member_pb2.Member(
        member_id=member_id,
        kind=member_pb2.MEMBER_KIND_PERSON,
        display_name=name,
        identifiers=[member_pb2.Identifier(system=system, value=value) for system, value in identifiers.items()],
    )
    members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))
    return member_id


@pytest.fixture
def members(server_channel: grpc.Channel) -> MemberServiceStub:
    return MemberServiceStub(server_channel)


def names(members: MemberServiceStub, **request: Any) -> list[str]:
    """Returns the names on all pages, in order."""
    found: list[str] = []
    token = ""
    while True:
        answer = members.SearchMembers(Search(page_token=token, **request))
        found += [hit.member.display_name for hit in answer.hits]
        token = answer.next_page_token
        if not token:
            return found


def test_members_are_found_by_the_beginnings_of_their_names_whole_names_first(members: MemberServiceStub) -> None:
    word = a_word()
    for name in (f"Zoé {word}", f"Zoe-Marie {word}", f"Anna {word.upper()} Zoe", f"Anna Zo {word}", f"Zoe {word}x"):
        store(members, name)
    assert names(members, query=f"{word} zoe") == [
        f"Zoé {word}",
        f"Anna {word.upper()} Zoe",
        f"Zoe-Marie {word}",
        f"Zoe {word}x",
    ]
    assert names(members, query=f"ZO'{word}")[-1] == f"Zoe {word}x"
    assert names(members, query=f"zoe {word} paul") == []


def test_a_member_is_found_by_a_new_name_and_no_longer_by_the_old_one(members: MemberServiceStub) -> None:
    before, after = a_word(), a_word()
    member_id = store(members, f"Anna {before}")
    store(members, f"Anna {after}", member_id)
    assert names(members, query=before) == []
    assert names(members, query=after) == [f"Anna {after}"]


def test_a_member_is_found_by_date_of_birth_as_last_recorded(family: Family, members: MemberServiceStub) -> None:
    word = a_word()
    store(members, f"Anna {word}", family.child)
    family.born(family.child, "2014-03-02")
    store(members, f"Bert {word}")
    assert names(members, query=word, born_on=date("2014-03-02")) == [f"Anna {word}"]
    family.born(family.child, "2014-03-03")
    assert names(members, query=word, born_on=date("2014-03-02")) == []
    hits = [
        hit
        for hit in members.SearchMembers(Search(born_on=date("2014-03-03"), page_size=200)).hits
        if hit.member.member_id == family.child
    ]
    assert hits[0].born_on == date("2014-03-03")
    family.born(family.child, None)
    assert names(members, query=word, born_on=date("2014-03-03")) == []


def test_a_member_is_found_by_their_id_or_that_of_a_group_in_any_spelling(family: Family) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-01-01", child=True))
    group = str(group_id(UUID(family.contract_id), UUID(family.primary)))
    for query in (family.child, family.child.upper(), f"{{{family.child}}}"):
        (hit,) = family.members.SearchMembers(Search(query=query)).hits
        assert hit.member.member_id == family.child
    found = {hit.member.member_id for hit in family.members.SearchMembers(Search(query=group.upper())).hits}
    assert found == {family.child, family.primary}
    assert not family.members.SearchMembers(Search(query=f"{family.child} {family.primary}")).hits
    assert not family.members.SearchMembers(Search(query=new_id())).hits


def test_a_hit_reports_the_groups_of_the_member_and_whether_they_are_enrolled_today(
    family: Family, server_channel: grpc.Channel
) -> None:
    other = Family(server_channel, primary=family.child).set_up()
    child = family.enroll(family.base, "2026-03-01", "2026-03-31", child=True)
    family.submit(family.enroll(family.base, "2026-01-01"), child, requester=admin())
    other.submit(other.enroll(other.base, "2026-01-01"), requester=admin())

    def groups(today: str) -> dict[str, Any]:
        request = Search(query=family.child)
        (hit,) = family.members.SearchMembers(request, metadata=(("x-affilia-today", today),)).hits
        return {group.contract_id: group for group in hit.groups}

    inside, outside = groups("2026-03-31"), groups("2026-04-01")
    assert [inside[family.contract_id].enrolled_today, outside[family.contract_id].enrolled_today] == [True, False]
    assert inside[family.contract_id].membership_type == membership_type_pb2.MEMBERSHIP_TYPE_CHILD
    assert inside[family.contract_id].primary_id == family.primary
    assert inside[other.contract_id].membership_type == membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY
    assert inside[other.contract_id].group_id == str(group_id(UUID(other.contract_id), UUID(family.child)))
    assert [hit.member.member_id for hit in family.members.SearchMembers(
        Search(query=family.child, contract_id=other.contract_id)
    ).hits] == [family.child]  # fmt: skip
    assert not family.members.SearchMembers(Search(query=family.primary, contract_id=other.contract_id)).hits


def test_a_member_is_found_by_the_identifiers_that_they_have_now(members: MemberServiceStub) -> None:
    word = a_word()
    anna = store(members, f"Anna {word}", payroll=f"E-{word}/7", subscriber=f"{word} 7 A")
    store(members, f"Bert E{word}", payroll=f"E-{word}/8")

    def by_identifier(value: str, system: str = "", **more: Any) -> list[str]:
        identifier = member_service_pb2.IdentifierFilter(system=system, value=value)
        return names(members, identifier=identifier, **more)

    for query in (f"E-{word}/7", f" {word} 7 A ", f"ann E-{word}/7"):
        assert names(members, query=query) == [f"Anna {word}"], query
    assert names(members, query=f"bert E-{word}/7") == []
    assert by_identifier(f"E-{word}/7") == [f"Anna {word}"]
    assert by_identifier(f"E-{word}/7", "payroll", query="ann") == [f"Anna {word}"]
    assert by_identifier(f"E-{word}/7", "payroll", query="bert") == []
    assert by_identifier(f"E-{word}/7", "subscriber") == []
    store(members, f"Anna {word}", anna, payroll=f"F-{word}")
    assert by_identifier(f"E-{word}/7") == []
    assert names(members, query=f"F-{word}") == [f"Anna {word}"]


def test_members_with_the_searched_identifier_come_first(members: MemberServiceStub) -> None:
    word = a_word()
    store(members, word)
    store(members, f"Anna {word}")
    store(members, "Zoe", payroll=word)
    assert names(members, query=word, page_size=1) == ["Zoe", word, f"Anna {word}"]


def test_a_contract_restricts_a_search(family: Family, members: MemberServiceStub) -> None:
    word = a_word()
    store(members, f"Anna {word}", family.child)
    store(members, f"Bert {word}")
    family.submit(family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-01-01", child=True))
    assert names(members, query=word, contract_id=family.contract_id) == [f"Anna {word}"]
    assert names(members, query=word, contract_id=new_id()) == []


def test_pages_stay_in_order_when_members_are_stored_in_between(members: MemberServiceStub) -> None:
    word = a_word()
    expected = [f"{letter} {word}" for letter in "bdfhj"]
    for name in reversed(expected):
        store(members, name)
    store(members, word)  # a whole name
    first = members.SearchMembers(Search(query=word, page_size=3))
    assert [hit.member.display_name for hit in first.hits] == [word, *expected[:2]]
    store(members, f"a {word}")  # before the next page
    store(members, f"g {word}")
    second = members.SearchMembers(Search(query=word, page_size=3, page_token=first.next_page_token))
    assert [hit.member.display_name for hit in second.hits] == [f"f {word}", f"g {word}", f"h {word}"]
    last = members.SearchMembers(Search(query=word, page_size=3, page_token=second.next_page_token))
    assert [hit.member.display_name for hit in last.hits] == [f"j {word}"]
    assert not last.next_page_token
    rejected = failure_of(members.SearchMembers, Search(query=f"{word}x", page_token=first.next_page_token))
    assert rejected.reason == "TOKEN_INVALID"


def test_the_longest_name_of_the_widest_characters_has_a_valid_page_token(members: MemberServiceStub) -> None:
    word = a_word()
    for letter in ("a", "b"):
        store(members, f"{word} {letter}" + "\ufdfa" * 100 + "\U00020000" * 60)
    first = members.SearchMembers(Search(query=word, page_size=1))
    second = members.SearchMembers(Search(query=word, page_size=1, page_token=first.next_page_token))
    assert [len(first.hits), len(second.hits)] == [1, 1]
    assert first.hits != second.hits


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({}, "query"),
        ({"contract_id": new_id()}, "query"),
        *(({"query": text}, "query") for text in (" ", "%", "_", "-'\"", "🎉", "\u0301", "a\0b", "a\x1fb")),
        ({"query": " ", "born_on": {"year": 2014, "month": 3, "day": 2}}, "query"),
        ({"query": "a " * 11}, "query"),
        ({"query": "a " * 1000}, "query"),
        ({"query": "a" * 201}, "query"),
        ({"born_on": {"year": 2014, "month": 2, "day": 30}}, "born_on"),
        ({"identifier": {"system": "payroll"}}, "identifier.value"),
        ({"identifier": {"value": "1" * 101}}, "identifier.value"),
        ({"query": "a", "contract_id": "x"}, "contract_id"),
        ({"query": "a", "page_size": -1}, "page_size"),
    ],
)
def test_invalid_searches_are_rejected(members: MemberServiceStub, request_: dict[str, Any], field: str) -> None:
    rejected = failure_of(members.SearchMembers, Search(**request_))
    assert rejected.code is grpc.StatusCode.INVALID_ARGUMENT
    assert list(rejected.violations) == [field]


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("100%_O'Neil; --", "100% o_neil"),
        ('Robert"); DROP TABLE', 'robert" drop'),
        ("Weiß", "WEISS"),
        ("Işık", "isik"),
        ("יִצְחָק", "\u202bיצחק\u202c"),
        ("王小明", "王小"),
        ("Zoe 🎉", "zoe 🎉"),
        ("José", "jose\u0301"),
    ],
)
def test_names_of_every_script_are_found(members: MemberServiceStub, name: str, query: str) -> None:
    word = a_word()
    store(members, f"{name} {word}")
    assert names(members, query=f"{query} {word}") == [f"{name} {word}"]


def test_an_erased_member_is_found_by_id_only(family: Family) -> None:
    word = a_word()
    store(family.members, f"Anna {word}", family.child, payroll=word.upper())
    spring = family.enroll(family.base, "2026-03-01", "2026-03-31", child=True)
    family.submit(family.enroll(family.base, "2026-01-01"), spring, requester=admin())
    assert names(family.members, query=word) == [f"Anna {word}"]
    family.members.EraseMember(
        member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=family.child),
        metadata=(("x-affilia-today", "2026-06-01"),),
    )
    assert names(family.members, query=word) == []
    assert names(family.members, query=word.upper()) == []
    assert names(family.members, query=word, born_on=date("2015-06-01")) == []
    identifier = member_service_pb2.IdentifierFilter(value=word.upper())
    assert names(family.members, identifier=identifier) == []
    (hit,) = family.members.SearchMembers(Search(query=family.child)).hits
    assert hit.member.HasField("erased_on")
    assert not hit.HasField("born_on")
    assert not family.members.SearchMembers(Search(query=family.child, born_on=date("2015-06-01"))).hits


def test_a_pet_without_a_name_is_found_by_date_of_birth_and_id(family: Family) -> None:
    pet = new_id()
    member = member_pb2.Member(member_id=pet, kind=member_pb2.MEMBER_KIND_PET)
    family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))
    family.born(pet, "1902-07-09")
    for request in (Search(born_on=date("1902-07-09"), page_size=200), Search(query=pet)):
        assert pet in {hit.member.member_id for hit in family.members.SearchMembers(request).hits}
