"""Resolves what people type to ids: names, identifiers or ids of members, families, contracts and modules."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any
from uuid import UUID

from affilia.catalog.v1.contract_pb2 import Contract
from affilia.catalog.v1.member_service_pb2 import GetMemberResponse, IdentifierFilter, MemberGroup, MemberHit
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup, GroupKey
from affilia.pricing.v1.insurance_cost_pb2 import Policy
from affilia_cli.choosing import NothingMatches, one_of
from affilia_cli.console import ERRORS
from affilia_cli.people import FAMILY, family_matches, member_match
from affilia_cli.searching import INCOMPLETE, MemberSearch
from affilia_client import Client, NotAllowed, NotFound
from affilia_views.matching import Match, begins_words
from affilia_views.people import identifier_in, merged_words

MAX_MATCHES = 20
UUID_LENGTH = 36
MODULE, CAPABILITY = "module", "capability"
Family = dict[str, str | GroupKey]
"""The request fields that identify a group: `group_id`, or the `key` of a group that need not exist yet."""


def fields_of(family: Family) -> dict[str, Any]:
    """Returns the fields as keyword arguments of a call."""
    return dict(family)


def id_in(text: str) -> str:
    """Returns the UUID in a text, or an empty string if the text isn't one."""
    try:
        return str(UUID(text)) if len(text) == UUID_LENGTH else ""
    except ValueError:
        return ""


@dataclass
class Resolver:
    """Looks up names on the server. Resolving the id of a member, contract or module takes no call.

    Prints a hint if an id is that of a member who was merged into another one. All methods raise NothingMatches and
    SeveralMatch; see `one_of`.
    """

    client: Client
    own_id: str = ""
    """The caller's member id if the caller is a member. Members can't search; they can only find themselves."""
    _has_warned: bool = False

    def member(self, text: str) -> str:
        """Returns the id of the member with this id, name or identifier (`system:value`, or the value alone)."""
        if found := id_in(text):
            return found
        hits, has_more = self._hits(text)
        return one_of(text, list(map(member_match, hits)), self._people, has_more=has_more).id

    def member_of(self, family: GroupKey, text: str) -> str:
        """Returns the id of a member, as `member` does, but looks among the current members of a family first."""
        if found := id_in(text):
            return found
        matches = [match for match in self._members_of(family) if begins_words(text, match)]
        return one_of(text, matches, self._people).id if matches else self.member(text)

    def existing_member(self, text: str) -> str:
        """Does the same as `member`, but raises CallFailed if there is no member with the id, and returns the id of the
        remaining member, with a hint, if the member was merged into another one.

        Ids aren't checked if the caller isn't allowed to read the member.
        """
        member_id = self.member(text)
        if not id_in(text):
            return member_id
        try:
            answer = self.client.members.get_member(member_id=member_id)
        except NotAllowed:
            return member_id
        self._note_merge(member_id, answer)
        return answer.merged_into or member_id

    def family(self, text: str) -> Family:
        """Returns the group with this id, of this primary or member, or of `CONTRACT/PRIMARY`, which need not exist."""
        if found := id_in(text):
            return {"group_id": self._group_of_id(found)}
        if key := self._key_in(text):
            return {"key": key}
        hits, has_more = self._hits(text)
        matches = family_matches(text, hits)
        if hits and not matches:
            name = hits[0].member.display_name
            raise NothingMatches(f"{name} belongs to no family. Name a new family as CONTRACT/PRIMARY.")
        found_group = one_of(text, matches, self._people, has_more=has_more)
        return {"group_id": found_group.id}

    def group_id(self, text: str) -> str:
        """Returns the id of an existing group; see `family`."""
        found = self.family(text)
        if "group_id" in found:
            return str(found["group_id"])
        return self.client.enrollment.get_enrollment_group(**fields_of(found)).group.group_id

    def key(self, text: str) -> GroupKey:
        """Returns the contract and primary of a group; see `family`."""
        return self.key_of(self.family(text))

    def key_of(self, family: Family) -> GroupKey:
        """Returns the contract and primary of a resolved group."""
        key = family.get("key")
        if isinstance(key, GroupKey):
            return key
        return self.client.enrollment.get_enrollment_group(**fields_of(family)).group.key

    def policy(self, text: str) -> Policy:
        """Returns the policy of a group; see `family`."""
        return Policy(**fields_of(self.family(text)))

    def contract(self, text: str) -> str:
        """Returns the id of the contract with this id, name or sponsor."""
        found = id_in(text)
        return found or one_of(text, self._contract_matches(text), "names and sponsors of contracts").id

    def module(self, text: str, contract_ids: Iterable[str]) -> str:
        """Returns the id of the module that has this id or name in any version of the contracts."""
        found = id_in(text)
        return found or one_of(text, self._module_matches(text, contract_ids), "names of the contract's modules").id

    def module_or_capability(self, text: str, contract_ids: Sequence[str]) -> dict[str, str]:
        """Returns `module_id` or `capability`, given the id or name of a module or the code of a capability."""
        if found := id_in(text):
            return {"module_id": found}
        matches = [*self._module_matches(text, contract_ids), *self._capability_matches(text, contract_ids)]
        match = one_of(text, matches, "modules and capabilities of the member's contracts")
        return {"module_id" if match.kind == MODULE else CAPABILITY: match.id}

    def subject(self, text: str) -> dict[str, str]:
        """Returns the `group_id`, `member_id` or `contract_id` of whatever has this id or name.

        The name of a person refers to the member, and `CONTRACT/PRIMARY` to the group.
        """
        if found := id_in(text):
            return self._subject_of_id(found)
        if key := self._key_in(text):
            return {"group_id": self.client.enrollment.get_enrollment_group(key=key).group.group_id}
        contracts = self._contract_matches(text)
        hits, has_more = self._hits(text)
        matches = [*contracts, *map(member_match, hits)]
        match = one_of(text, matches, "names of members and contracts, and identifiers", has_more=has_more)
        return {f"{match.kind}_id": match.id}

    def families_of(self, member_id: str) -> list[Family]:
        """Returns every group to which a member belongs."""
        found: list[Family] = [{"group_id": group.group_id} for group in self.groups_of(member_id)]
        if not found:
            raise NothingMatches("The member belongs to no family. Name a new family as CONTRACT/PRIMARY.")
        return found

    def contracts_of(self, member_id: str) -> list[str]:
        """Returns the ids of the contracts of a member's groups."""
        return sorted({group.key.contract_id for group in self.groups_of(member_id)})

    def groups_of(self, member_id: str) -> list[EnrollmentGroup]:
        """Returns every group to which a member belongs. For a member who asks, those of which they are the primary."""
        try:
            return list(self.client.enrollment.all_enrollment_groups(member_id=member_id))
        except NotAllowed:
            if member_id != self.own_id:
                raise
        return list(self.client.enrollment.all_enrollment_groups(primary_id=member_id))

    @property
    def _people(self) -> str:
        """What is searched for people, for errors."""
        return "your own name and identifiers" if self.own_id else "names and identifiers of members"

    @cached_property
    def _contracts(self) -> list[Contract]:
        try:
            return list(self.client.catalog.all_contracts())
        except NotAllowed:
            if not self.own_id:
                raise
        own = self.contracts_of(self.own_id)
        return [self.client.catalog.get_contract(contract_id=each).contract for each in own]

    def _hits(self, text: str) -> tuple[list[MemberHit], bool]:
        """Returns the members that match a text, and whether there are more."""
        if not text.strip():
            raise NothingMatches("An empty name matches nothing.")
        identifier = identifier_in(text)
        by_identifier = self._search(identifier=identifier) if identifier.system and identifier.value else []
        hits = by_identifier or self._search(query=text)
        return hits[:MAX_MATCHES], len(hits) > MAX_MATCHES

    def _search(self, **fields: Any) -> list[MemberHit]:
        """Returns the best hits, and one more than is listed if there are more. Warns if the index is incomplete."""
        search = MemberSearch(self.client, page_size=MAX_MATCHES + 1, **fields)
        try:
            hits = list(islice(search, MAX_MATCHES + 1))
        except NotAllowed:
            if not self.own_id:
                raise
            return self._own_hit(**fields)
        if not search.is_complete and not self._has_warned:
            ERRORS.print(INCOMPLETE, style="yellow")
            self._has_warned = True
        return hits

    def _members_of(self, family: GroupKey) -> list[Match]:
        """Returns the current members of a family, or nothing if it doesn't exist or they can't be read."""
        try:
            periods = self.client.enrollment.get_enrollment_group(key=family).group.periods
            ids = sorted({family.primary_id, *(period.member_id for period in periods)})
            found = self.client.members.batch_get_members(member_ids=ids).members
        except (NotAllowed, NotFound):
            return []
        return [member_match(MemberHit(member=each.member, born_on=each.facts.born_on)) for each in found]

    def _own_hit(self, query: str = "", identifier: IdentifierFilter | None = None) -> list[MemberHit]:
        """Returns the caller, who is a member, if they have this name or identifier."""
        member = self.client.members.get_member(member_id=self.own_id).member
        groups = [
            MemberGroup(group_id=each.group_id, contract_id=each.key.contract_id, primary_id=each.key.primary_id)
            for each in self.groups_of(self.own_id)
        ]
        match = member_match(MemberHit(member=member, groups=groups))
        has_identifier = identifier is not None and any(
            identifier.value == each.value and identifier.system in ("", each.system) for each in member.identifiers
        )
        return [MemberHit(member=member, groups=groups)] if has_identifier or begins_words(query, match) else []

    def _key_in(self, text: str) -> GroupKey | None:
        """Returns the key given as `CONTRACT/PRIMARY`, or None if no contract matches the part before a slash."""
        parts = text.split("/")
        for index in range(1, len(parts)):
            contract, primary = "/".join(parts[:index]).strip(), "/".join(parts[index:]).strip()
            if primary and (id_in(contract) or self._contract_matches(contract)):
                return GroupKey(contract_id=self.contract(contract), primary_id=self.member(primary))
        return None

    def _group_of_id(self, found: str) -> str:
        """Returns the id if it is the id of a group, or else the group of the member with this id."""
        try:
            return self.client.enrollment.get_enrollment_group(group_id=found).group.group_id
        except (NotFound, NotAllowed) as unknown:
            groups = self.groups_of(found)
            if not groups:
                raise unknown from None
        own = [group for group in groups if group.key.primary_id == found] or groups
        matches = [Match(FAMILY, group.group_id, self._description(group), ()) for group in own]
        return one_of(found, matches, "groups of the member").id

    def _description(self, group: EnrollmentGroup) -> str:
        contract = self.client.catalog.get_contract(contract_id=group.key.contract_id).contract
        return f"family in {contract.display_name or contract.contract_id} (group {group.group_id})"

    def _subject_of_id(self, found: str) -> dict[str, str]:
        checks: tuple[tuple[str, Any], ...] = (
            ("group_id", self.client.enrollment.get_enrollment_group),
            ("member_id", self.client.members.get_member),
            ("contract_id", self.client.catalog.get_contract),
        )
        for name, get in checks:
            try:
                answer = get(**{name: found})
            except (NotFound, NotAllowed):
                continue
            if isinstance(answer, GetMemberResponse):
                self._note_merge(found, answer)
            return {name: found}
        raise NothingMatches(f"No group, member or contract has the id {found}.")

    def _note_merge(self, member_id: str, answer: GetMemberResponse) -> None:
        if answer.merged_into:
            ERRORS.print(merged_words(member_id, answer), style="yellow")

    def _contract_matches(self, text: str) -> list[Match]:
        matches = (
            Match(
                "contract",
                each.contract_id,
                f"contract {each.display_name or each.country_code} ({each.contract_id})",
                tuple(filter(None, (each.display_name, each.sponsor_id))),
            )
            for each in self._contracts
        )
        return [match for match in matches if begins_words(text, match)]

    def _versions_of(self, contract_ids: Iterable[str]) -> Iterator[tuple[Contract, Any]]:
        for contract_id in dict.fromkeys(contract_ids):
            contract = self.client.catalog.get_contract(contract_id=contract_id).contract
            for version in contract.versions:
                yield contract, version

    def _module_matches(self, text: str, contract_ids: Iterable[str]) -> list[Match]:
        found: dict[str, Match] = {}
        for contract, version in self._versions_of(contract_ids):
            for module in version.modules:
                earlier = found[module.module_id].names if module.module_id in found else ()
                described = f"module {module.display_name} of {contract.display_name} ({module.module_id})"
                names = (module.display_name, *earlier)
                found[module.module_id] = Match(MODULE, module.module_id, described, names)
        return [match for match in found.values() if begins_words(text, match)]

    def _capability_matches(self, text: str, contract_ids: Iterable[str]) -> list[Match]:
        codes = {
            code
            for _, version in self._versions_of(contract_ids)
            for module in version.modules
            for code in module.capabilities
        }
        matches = (Match(CAPABILITY, code, f"capability {code}", (code,)) for code in sorted(codes))
        return [match for match in matches if begins_words(text, match)]
