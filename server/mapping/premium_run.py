"""Maps premium runs and the policies that they could not compute."""

from uuid import UUID

from affilia.premium.v1 import premium_computation_service_pb2 as pb
from domain.actors import Actor
from server.mapping.actors import actor_to_proto
from server.mapping.dates import timestamp_to_proto
from server.mapping.enrollment_group import key_to_proto
from server.mapping.enums import EnumMapping
from server.mapping.listing import instants_from_proto
from server.mapping.premium_entry import months_to_proto, premium_months_from_proto
from storage.listing import ListFilter
from storage.premium_runs import NewRun, PremiumFailure, PremiumRun, RunState

RUN_STATES = EnumMapping(pb.PremiumRunState.DESCRIPTOR, RunState)


def new_run_from_proto(request: pb.RunPremiumsRequest, actor: Actor) -> NewRun:
    """Returns the run to start. `actor` is recorded as starting it. Raises RequestMalformed."""
    months = premium_months_from_proto(request)
    contract_id = UUID(request.contract_id) if request.contract_id else None
    return NewRun(contract_id, months.first, months.last, months.parameters, actor)


def run_filter_from_proto(request: pb.ListPremiumRunsRequest) -> ListFilter:
    """Returns the filter for a list of runs. Raises RequestMalformed."""
    since, before = instants_from_proto(request, "recorded")
    contract_id = UUID(request.contract_id) if request.contract_id else None
    return ListFilter(contract_id=contract_id, state=RUN_STATES.given(request.state), since=since, before=before)


def run_to_proto(run: PremiumRun) -> pb.PremiumRun:
    return pb.PremiumRun(
        run_id=str(run.run_id),
        contract_id=str(run.contract_id or ""),
        months=months_to_proto(run.first, run.last),
        state=RUN_STATES.to_proto(run.state),
        policies=run.policies,
        done=run.done,
        failed=run.failed,
        offsets=run.offsets,
        entries=run.entries,
        recorded_at=timestamp_to_proto(run.recorded_at),
        actor=actor_to_proto(run.actor),
    )


def failure_to_proto(failure: PremiumFailure) -> pb.PremiumFailure:
    return pb.PremiumFailure(
        group_id=str(failure.group_id),
        key=key_to_proto(failure.key),
        reason=failure.reason,
        message=failure.message,
        metadata=failure.facts,
    )
