"""The changes that make the days of a planned member those of the plan, and nothing else."""

from collections.abc import Iterable

from affilia.enrollment.v1.change_request_pb2 import Enroll, Leave, ScopedChange
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_cli.enrollment_file.book.day_runs import NO_DAYS, DayRuns, day_after
from affilia_cli.enrollment_file.book.periods import span_of
from affilia_cli.enrollment_file.planning.plan import ModuleDays, PlannedMember


def changes_of(planned: PlannedMember, note: str) -> list[tuple[str, ScopedChange]]:
    """Returns the contract and the content of each change, in the order in which to submit them.

    There is one leave for each run of days to remove, then one enroll for each run of days to add. Both are bounded,
    except where the run itself has no end. Days that an enroll takes from another module of the slot need no leave.
    """
    changes: list[tuple[str, ScopedChange]] = []
    for module in planned.modules:
        for run in _left(module) - _taken_by_mates(module, planned.modules):
            leave = Leave(member_id=planned.member_id, module_id=module.module_id, days=span_of(run))
            changes.append((module.contract_id, ScopedChange(leave=leave, reason_code=module.reason_code, note=note)))
    for module in planned.modules:
        for run in module.added:
            enroll = Enroll(
                member_id=planned.member_id,
                membership_type=MembershipType.Value(f"MEMBERSHIP_TYPE_{planned.membership_type}"),
                module_id=module.module_id,
                days=span_of(run),
            )
            changes.append((module.contract_id, ScopedChange(enroll=enroll, reason_code=module.reason_code, note=note)))
    return changes


def _left(module: ModuleDays) -> DayRuns:
    """Returns the removed days, and the requested days after them that rules don't allow now.

    These would otherwise come back when the rules allow them again, although the cover has ended before.
    """
    removed = module.removed
    ends = {day_after(run.last_on) for run in removed}
    return removed | DayRuns(tuple(run for run in module.unmet if run.first_on in ends))


def _taken_by_mates(module: ModuleDays, modules: Iterable[ModuleDays]) -> DayRuns:
    taken = NO_DAYS
    for mate in modules:
        if module.slot and (mate.contract_id, mate.slot) == (module.contract_id, module.slot) and mate is not module:
            taken |= mate.added
    return taken
