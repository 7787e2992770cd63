"""Finds enrolled members whom the file omits and who lose coverage because of it.

There are two cases: a full file (BGN08 4 or RX) omits an enrolled member, or a subscriber's end also ends dependants
whom the file omits. In case of doubt, nobody loses coverage: families with a rejected member are left unchanged, and if
a member can't be identified at all, all omitted members are left unchanged.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.families import IdentifiedMember
from affilia_cli.enrollment_file.file import EnrollmentFile
from affilia_cli.enrollment_file.findings import Finding, warning
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.server_state import ServerState
from affilia_cli.enrollment_file.target_coverage import last_day

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OmittedMember:
    """An enrolled member whose coverage under some contracts ends, with the first day without coverage and the
    reason."""

    member_id: str
    primary_id: str
    contract_ids: tuple[str, ...]
    first_off: date
    reason: str
    code: str
    message: str


def members_omitted_from(
    file: EnrollmentFile, identified: Iterable[IdentifiedMember], mapping: Mapping, state: ServerState, today: date
) -> tuple[list[OmittedMember], list[Finding]]:
    """Returns the members who are enrolled in a mapped module but not in a full file. Empty for update files.

    Their coverage ends before the file's effective day, but never in the past.
    """
    full = [each for each in file.transactions if each.action in codes.FULL_FILES]
    if not full:
        return [], []
    identified = list(identified)
    if any(each.is_rejected and not each.primary_id for each in identified):
        message = "Some members can't be identified, so members whom the file omits keep their coverage."
        return [], [warning("MISSING_NOT_JUDGED", message, 0, "HEADER", "BGN08")]
    first_off = max([today, *(each.effective_on for each in full if each.effective_on)])
    listed = {each.member_id for each in identified}
    unclear = {each.primary_id for each in identified if each.is_rejected}
    found: dict[str, OmittedMember] = {}
    for contract_id in mapping.contract_ids:
        for member_id, primary_id in sorted(state.enrolled(contract_id, first_off).items()):
            periods = [p for p in state.periods(member_id, primary_id) if p.contract_id == contract_id]
            on_mapped = any(p.module_id in mapping.module_ids and p.lasts_until(first_off) for p in periods)
            if member_id in listed or primary_id in unclear or not on_mapped:
                continue
            before = found[member_id].contract_ids if member_id in found else ()
            message = f"Enrolled, but omitted from a full file. Coverage ends before {first_off}."
            found[member_id] = OmittedMember(
                member_id, primary_id, (*before, contract_id), first_off, "834-MISSING", "MEMBER_MISSING", message
            )
    return list(found.values()), []


def ended_with_subscriber(
    identified: Iterable[IdentifiedMember], state: ServerState, listed: set[str]
) -> list[OmittedMember]:
    """Returns covered dependants whom the file omits and whose subscriber's coverage ends completely."""
    found = []
    for each in identified:
        last_on = last_day(each.member)
        if not each.member.is_subscriber or each.is_rejected or last_on is None:
            continue
        contract_ids = tuple(sorted(contract for contract, primary in state.groups if primary == each.primary_id))
        groups = [state.groups[contract_id, each.primary_id] for contract_id in contract_ids]
        members = {period.member_id for group in groups for period in group.periods} - listed
        first_off, reason = last_on + ONE_DAY, "834-SUBSCRIBER-ENDED"
        message = f"Coverage ends with the subscriber's, whose last day is {last_on}."
        for member_id in sorted(members):
            # Including the last day itself: coverage that starts on it is cancelled.
            if any(period.lasts_until(last_on) for period in state.periods(member_id, each.primary_id)):
                found.append(
                    OmittedMember(
                        member_id, each.primary_id, contract_ids, first_off, reason, "SUBSCRIBER_ENDED", message
                    )
                )
    return found
