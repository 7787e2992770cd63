"""Merges members in tests of reads and writes that name them, by storing the merge itself.

This leaves out what MergeMembers moves: facts, identifiers and usage.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from affilia.enrollment.v1 import change_request_service_pb2
from affilia.type.v1 import membership_type_pb2
from tests.conftest import ServerProcess
from tests.support.calls import admin, new_id
from tests.support.channels import connected_to
from tests.support.guarded import guarded_server
from tests.support.identities import as_, channel_of
from tests.support.insured import Insured

BOSS = as_("admin", "ada")
PRIMARY, CHILD = membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY, membership_type_pb2.MEMBERSHIP_TYPE_CHILD


def store_merge(owner_url: str, from_member_id: str, into_member_id: str) -> None:
    """Stores a merge in the database with this connection string, so that all servers notice it."""
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "INSERT INTO member_merge (from_member_id, into_member_id, recorded_at, reason, document)"
            " VALUES (%s, %s, recorded_now(), 'a test', '{}')",
            [from_member_id, into_member_id],
        )
        connection.execute("INSERT INTO write_log (merged) VALUES (%s)", [from_member_id])


@dataclass
class Story:
    """A family of a primary and a child, and another record of each: `old_primary` and `old_child`.

    The primary is on base and, from 2027-01-01, on plus. The child is on base from 2026-01-01 to 2026-06-30, and its
    other record from 2026-05-01. `merge` merges the other records.
    """

    server: ServerProcess
    owner_url: str
    insured: Insured
    internal: Any
    public: Any
    """The public channel without a token."""
    old_primary: str
    old_child: str

    @property
    def old(self) -> dict[str, str]:
        """The ids of the other records, by the ids that are in use."""
        family = self.insured.family
        return {family.primary: self.old_primary, family.child: self.old_child}

    @property
    def token(self) -> str:
        """The consistency token of the last write."""
        return self.insured.token

    def set_up(self) -> None:
        insured, family = self.insured, self.insured.family
        family.requester = admin(name="ada")
        insured.set_up()
        contract = insured.contract()
        contract.versions[0].pricing.age_grid.SetInParent()
        for module in contract.versions[0].modules:
            module.pricing.age_grid.standard.add(beneficiary_types=[PRIMARY], monthly_minor=50_00)
            module.pricing.age_grid.standard.add(beneficiary_types=[CHILD], monthly_minor=20_00)
        family.amend(contract)
        for old in self.old.values():
            family.store(old)
        insured.submit(
            family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-01-01", "2026-06-30", child=True)
        )
        of_old_child = family.enroll(family.base, "2026-05-01", child=True)
        of_old_child.enroll.member_id = self.old_child
        insured.submit(of_old_child)

    def merge(self) -> None:
        """Merges the other records, and recomputes the group."""
        family = self.insured.family
        for member_id, old in self.old.items():
            store_merge(self.owner_url, old, member_id)
        recompute = change_request_service_pb2.RequestRecomputeRequest(
            request_id=new_id(), group_id=self.insured.group_id
        )
        family.requests.RequestRecompute(recompute)
        self.insured.submit(family.enroll(family.plus, "2027-01-01"))  # runs the recompute
        # A read with the token of a later write makes the server notice the merges, for reads without one.
        self.insured.check("2026-01-01")


@contextmanager
def doubled_family(folder: Path) -> Iterator[Story]:
    """Yields a family with other records, not yet merged, on a server that requires tokens."""
    with (
        guarded_server(folder) as (server, owner_url),
        connected_to(server.address) as public,
        connected_to(server.internal_address) as internal,
    ):
        insured = Insured(channel_of(public, BOSS), internal)
        story = Story(server, owner_url, insured, internal, public, new_id(), new_id())
        story.set_up()
        yield story


@contextmanager
def merged_family(folder: Path) -> Iterator[Story]:
    """Yields a family whose other records were merged."""
    with doubled_family(folder) as story:
        story.merge()
        yield story
