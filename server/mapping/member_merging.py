"""Maps merges of members."""

from uuid import UUID

from affilia.catalog.v1 import member_service_pb2 as pb
from domain.days import to_date
from domain.eligibility.accumulators import Overrun
from domain.member_merging import KeptFacts
from operations.merging import Merged, MergeProposal
from server.mapping.dates import date_to_proto
from server.mapping.enums import EnumMapping
from server.mapping.member import member_to_proto

KEPT_FACTS = EnumMapping(pb.KeptFacts.DESCRIPTOR, (KeptFacts.FROM, KeptFacts.INTO), KeptFacts.UNDECIDED)


def merge_from_proto(request: pb.MergeMembersRequest) -> MergeProposal:
    return MergeProposal(
        UUID(request.from_member_id),
        UUID(request.into_member_id),
        request.reason,
        KEPT_FACTS.from_proto(request.keep),
    )


def merge_to_proto(merged: Merged) -> pb.MergeMembersResponse:
    return pb.MergeMembersResponse(
        member=member_to_proto(merged.member),
        groups=[
            pb.MergedGroup(group_id=str(each.group_id), revision=each.revision, made_revision=each.made_revision)
            for each in merged.groups
        ],
        overruns=[overrun_to_proto(each) for each in merged.overruns],
    )


def overrun_to_proto(overrun: Overrun) -> pb.Overrun:
    return pb.Overrun(
        group_id=str(overrun.group_id),
        term_start=date_to_proto(to_date(overrun.term)),
        code=overrun.code,
        individual_limit=overrun.limit,
        used=overrun.used,
        overrun=overrun.excess,
    )
