"""The command line with a member's own token: members can't search, but they can name themselves."""

from collections.abc import Iterator

import pytest

from affilia.catalog.v1 import member_pb2, member_service_pb2
from tests.rpc.test_command_line import name_of
from tests.support.calls import Family, new_id
from tests.support.channels import connected_to
from tests.support.command_line import Typed, typed
from tests.support.guarded import guarded_server
from tests.support.identities import as_, channel_of, everything, token

NAME = "Zoë O'Brien"


class Own:
    """A member with a family, who types commands with their own token."""

    def __init__(self, address: str, family: Family) -> None:
        self.address, self.family = address, family
        self.token = token("member", family.primary)

    def types(self, *words: str) -> Typed:
        return typed(self.address, *words, AFFILIA_TOKEN=self.token)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    folder = tmp_path_factory.mktemp("members")
    with guarded_server(folder) as (server, _), connected_to(server.address) as plain:
        office = Family(channel_of(plain, as_("admin", "ada")))
        contract = office.contract()
        contract.display_name = "Health plan"
        for module, name in zip(contract.versions[0].modules, ("Base", "Plus", "Option"), strict=True):
            module.display_name = name
        office.set_up(contract)
        identifier = member_pb2.Identifier(system="payroll", value="4711")
        member = member_pb2.Member(
            member_id=office.primary, kind=member_pb2.MEMBER_KIND_PERSON, display_name=NAME, identifiers=[identifier]
        )
        office.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))
        Family(channel_of(plain, everything()), **office.ids()).submit(office.enroll(office.base, "2026-01-01"))
        yield Own(server.address, office)


@pytest.mark.parametrize("named", ["{id}", NAME, "obri zoe", "payroll:4711", "4711"])
def test_a_member_asks_why_they_are_covered(own: Own, named: str) -> None:
    done = own.types("why", named.format(id=own.family.primary), "--on", "2026-06-15")
    if named == "obri zoe":  # punctuation separates words
        assert done.code == 1
        assert "your own name and identifiers" in done.err
        return
    assert done.code == 0, done.err
    for part in (NAME, "covered by Base", "revision 1", "family of Zoë O'Brien, Health plan"):
        assert part in done.out, done.out


def test_a_member_asks_about_a_module_their_family_and_their_choices(own: Own) -> None:
    for words, part in (
        (["why", NAME, "Option", "--on", "2026-06-15"], "Option: available"),
        (["why", NAME, "--revision", "1"], "gained 2026-01-01"),
        (["family", NAME], "Base"),
        (["family", f"Health plan/{NAME}"], "Base"),
        (["family", own.family.primary], "Base"),
        (["choices", NAME], "Base: enrolled"),
        (["member", "show", NAME], "family of Zoë O'Brien, Health plan"),
        (["history", NAME], "enroll Zoë O'Brien (primary) on Base"),
        (["explain", "coverage", own.family.primary, "--on", "2026-06-15"], "COVERED"),
        (["simulate", NAME, "--module", "Plus", "--from", "2027-01-01"], "moves from Base to Plus"),
    ):
        done = own.types(*words)
        assert (done.code, part in done.out) == (0, True), (words, done.out, done.err)


def test_a_member_finds_nobody_else(own: Own) -> None:
    other = own.types("why", "Somebody Else", "--on", "2026-06-15")
    assert (other.code, "your own name and identifiers" in other.err) == (1, True), other.err
    by_id = own.types("why", own.family.child, "--on", "2026-06-15")
    assert (by_id.code, "PERMISSION_DENIED" in by_id.err) == (1, True), by_id.err


def test_a_member_cannot_revert_or_correct(own: Own) -> None:
    for words in (
        ["revert", name_of(own.family), "--last"],
        ["correct-type", name_of(own.family), own.family.child, "child"],
    ):
        done = own.types(*words)
        assert (done.code, "Only an admin can" in done.err) == (2, True), done.err
