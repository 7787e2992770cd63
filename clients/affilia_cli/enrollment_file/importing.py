"""Imports a file: reads it, plans the changes, applies them if confirmed, and returns a report."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from affilia_cli.days import today_under
from affilia_cli.enrollment_file.applying import apply_plan
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.parsing import read_file
from affilia_cli.enrollment_file.plan import Plan, check_terminations
from affilia_cli.enrollment_file.planning import make_plan
from affilia_cli.enrollment_file.report import Report, not_applied
from affilia_cli.enrollment_file.server_state import ServerState
from affilia_cli.requesters import NOBODY, Claims
from affilia_client import Client

DEFAULT_MAX_TERMINATIONS = 0.10


def plan_834(path: Path, client: Client, mapping: Mapping, *, today: date | None = None) -> Plan:
    """Returns what an import of the file would do now. Writes nothing.

    Members whom a full file omits lose coverage from `today` on. By default, that is the contract's today; if the
    mapping has contracts in several time zones, the latest one, so that nobody loses coverage in the past.

    Raises FileRejected with every finding, ServerStateUnreadable, or OSError if the file can't be read.
    """
    file = read_file(path)
    state = ServerState(client, mapping.contract_ids)
    return make_plan(file, mapping, state, today or max(map(today_under, state.contracts.values())))


def import_834(
    path: Path,
    client: Client,
    mapping: Mapping,
    *,
    confirm: Callable[[Plan], bool],
    max_terminations: float = DEFAULT_MAX_TERMINATIONS,
    today: date | None = None,
    claims: Claims = NOBODY,
) -> Report:
    """Plans the import, calls `confirm` with the plan, applies it, and returns a report.

    Importing a file again changes nothing.

    `max_terminations` is the maximum share (0 to 1) of a contract's enrolled members that may lose coverage. It is
    checked before `confirm` is called. If `confirm` returns False, the report describes the plan and nothing is
    written.

    `claims` are the claims of the client's token. If it is an admin's token, that admin requests the changes.

    Raises the same errors as `plan_834`, and TooManyTerminations; in these cases nothing is written. Later failures are
    listed in the report.
    """
    plan = plan_834(path, client, mapping, today=today)
    check_terminations(plan, max_terminations)
    return apply_plan(plan, client, mapping, claims) if confirm(plan) else not_applied(plan)
