"""Exports enrollments: reads them, decides what the file says, and writes the file together with its token."""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from affilia.catalog.v1.contract_pb2 import Contract
from affilia_cli.days import today_under
from affilia_cli.enrollment_export.families import ChangedFamily, Family
from affilia_cli.enrollment_export.feed_reading import FeedChanges, Snapshot, changes_since
from affilia_cli.enrollment_export.left_out import Remarks
from affilia_cli.enrollment_export.member_loops import MemberLoop, changed_loops, complete_loops, unmapped_keys
from affilia_cli.enrollment_export.outbound_mapping import outbound_mapping
from affilia_cli.enrollment_export.population import Population
from affilia_cli.enrollment_export.reading import CALL_SECONDS, changed_families, families
from affilia_cli.enrollment_export.statuses import with_statuses
from affilia_cli.enrollment_export.writing import Destination, Exported, Heading, write_export
from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.book import EnrollmentKey
from affilia_cli.enrollment_file.findings import EnrollmentFileError
from affilia_cli.enrollment_file.mapping import DependantNumber, Mapping
from affilia_cli.local_files import read_regular
from affilia_client import CallFailed, Client

MAX_TOKEN_BYTES = 4096
SUFFIX = ".token"
LOST_TOKEN_REASONS = frozenset({"FEED_TRIMMED", "FEED_DIVERGED", "TOKEN_INVALID"})


class ExportFailed(EnrollmentFileError):
    """Nothing was exported, and no file was written."""


def export_full(client: Client, mapping: Mapping, path: Path, *, today: date | None = None) -> Exported:
    """Writes everyone who is enrolled today or later, and the token of this state to `token_path_of(path)`.

    `today` defaults to the current day in the contract's time zone; with several contracts, to the latest one.

    Raises ExportFailed, MappingMalformed, CallFailed, or OSError. Then neither file is written.
    """
    export = _Export(client, mapping, path, today)
    snapshot = Snapshot(client, mapping.contract_ids)
    read = families(snapshot, one_contract=len(mapping.contract_ids) == 1)
    return export.write(
        map(export.complete, read),
        Heading(codes.AUDIT_FILE, export.today),
        Destination(path, token_path_of(path), lambda: snapshot.resume_token),
    )


def export_since(
    client: Client,
    mapping: Mapping,
    token_path: Path,
    path: Path,
    *,
    reinstate_to_shorten: bool = False,
    today: date | None = None,
) -> Exported:
    """Writes what has changed since the token in a file, and replaces the token.

    All changes of a coverage are written as one difference. With `reinstate_to_shorten`, a coverage that ends before
    its former last day is first reinstated with that day.

    Raises the same errors as `export_full`. Then the token file stays as it was.
    """
    export = _Export(client, mapping, path, today)
    changes = _changes(client, token_path, mapping)
    changed = changed_families(client, changes.groups, mapping.contract_ids)
    return export.write(
        (export.changed(family, reinstate_to_shorten) for family in changed),
        Heading(codes.UPDATE_FILE, None),
        Destination(path, token_path, lambda: changes.resume_token),
    )


def token_path_of(path: Path) -> Path:
    """Returns the path of the token file that a full export writes: the file's path and a suffix."""
    return path.with_name(path.name + SUFFIX)


def _changes(client: Client, token_path: Path, mapping: Mapping) -> FeedChanges:
    how = f"Export everything with --full --to FILE, which also writes FILE{SUFFIX}; then use that file with --since."
    try:
        token = read_regular(token_path, MAX_TOKEN_BYTES).decode().strip()
    except FileNotFoundError:
        raise ExportFailed(f"{token_path} doesn't exist. {how}") from None
    if not token:
        raise ExportFailed(f"{token_path} is empty. {how}")
    try:
        return changes_since(client, token, mapping.contract_ids)
    except CallFailed as failed:
        if failed.reason in LOST_TOKEN_REASONS:
            raise ExportFailed(
                f"The changes since {token_path} can't be read ({failed.reason}): {failed.message} {how}"
            ) from failed
        raise


class _Export:
    """The parts that complete files and files of changes have in common."""

    def __init__(self, client: Client, mapping: Mapping, path: Path, today: date | None) -> None:
        if path.exists():
            raise ExportFailed(
                f"{path} already exists. Choose another name, so that no file is lost before it is sent."
            )
        self._remarks = Remarks()
        self._client = client
        self._mapping = mapping
        self._outbound = outbound_mapping(mapping)
        contracts = [
            client.catalog.get_contract(contract_id=each, timeout=CALL_SECONDS).contract
            for each in mapping.contract_ids
        ]
        self._employers = frozenset(each.sponsor_id for each in contracts if each.sponsor_id)
        self._module_names = _module_names(contracts)
        self.today = today or max(map(today_under, contracts))

    def complete(self, family: Family) -> tuple[str, list[MemberLoop]]:
        current = [key for key, days in family.state.days.items() if days.runs[-1].last_on >= self.today]
        self._leave_out_unmapped(current)
        return self._stated(family.primary_id, complete_loops(family, self._outbound.coverages, self.today))

    def changed(self, family: ChangedFamily, reinstate_to_shorten: bool) -> tuple[str, list[MemberLoop]]:
        self._leave_out_unmapped(family.changed_keys())
        loops = changed_loops(
            family,
            self._outbound.coverages,
            own_numbers=self._mapping.dependant_number is DependantNumber.OWN,
            reinstate_to_shorten=reinstate_to_shorten,
        )
        return self._stated(family.primary_id, loops)

    def write(
        self, planned: Iterable[tuple[str, list[MemberLoop]]], heading: Heading, destination: Destination
    ) -> Exported:
        population = Population(self._client, self._mapping, self._outbound, self._employers, self.today, self._remarks)
        return write_export(self._client, self._outbound, population, planned, heading, destination)

    def _leave_out_unmapped(self, keys: Sequence[EnrollmentKey]) -> None:
        unmapped = unmapped_keys(keys, self._outbound.coverages)
        self._remarks.add("MODULE_UNMAPPED", (self._module_name(key.module_id) for key in unmapped))

    def _stated(self, primary_id: str, loops: list[MemberLoop]) -> tuple[str, list[MemberLoop]]:
        stated, wrong = with_statuses(loops, self._outbound)
        self._remarks.add("COVERAGE_AMBIGUOUS", map(self._module_name, wrong))
        return primary_id, stated

    def _module_name(self, module_id: str) -> str:
        return self._module_names.get(module_id, module_id)


def _module_names(contracts: Sequence[Contract]) -> dict[str, str]:
    """Returns the newest name of each module, followed by its id."""
    modules = [module for each in contracts for version in each.versions for module in version.modules]
    return {each.module_id: f"{each.display_name} {each.module_id}".strip() for each in modules}
