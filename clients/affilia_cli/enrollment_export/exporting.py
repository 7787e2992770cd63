"""Exports enrollments: reads them, decides what the file says, and writes the file together with its token."""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TypeVar

from affilia.catalog.v1.contract_pb2 import Contract
from affilia_cli.enrollment_export.feed_reading import FeedChanges, Snapshot, changes_since
from affilia_cli.enrollment_export.left_out import Remarks
from affilia_cli.enrollment_export.outbound_mapping import outbound_mapping
from affilia_cli.enrollment_export.planning import ChangePlanner, CoverageFilter, FullPlanner, Planner
from affilia_cli.enrollment_export.population import Population
from affilia_cli.enrollment_export.reading import CALL_SECONDS, changed_families, families
from affilia_cli.enrollment_export.writing import Destination, Exported, Heading, write_export
from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.findings import EnrollmentFileError
from affilia_cli.enrollment_file.mapping import DependantNumber, Mapping
from affilia_cli.local_files import read_regular
from affilia_client import CallFailed, Client
from affilia_views.days import today_under

AnyFamily = TypeVar("AnyFamily")

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
        read,
        FullPlanner(export.coverage_filter, export.today),
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
    own_numbers = mapping.dependant_number is DependantNumber.OWN
    return export.write(
        changed,
        ChangePlanner(export.coverage_filter, own_numbers, reinstate_to_shorten),
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
    """The parts that full files and files of changes have in common."""

    def __init__(self, client: Client, mapping: Mapping, path: Path, today: date | None) -> None:
        if path.exists():
            raise ExportFailed(
                f"{path} already exists. Choose another name, so that no file is lost before it is sent."
            )
        self._client = client
        self._mapping = mapping
        contracts = [
            client.catalog.get_contract(contract_id=each, timeout=CALL_SECONDS).contract
            for each in mapping.contract_ids
        ]
        self._employers = frozenset(each.sponsor_id for each in contracts if each.sponsor_id)
        self.today = today or max(map(today_under, contracts))
        self.coverage_filter = CoverageFilter(outbound_mapping(mapping), _module_names(contracts), Remarks())

    def write(
        self,
        families: Iterable[AnyFamily],
        planner: Planner[AnyFamily],
        heading: Heading,
        destination: Destination,
    ) -> Exported:
        outbound, remarks = self.coverage_filter.mapping, self.coverage_filter.remarks
        population = Population(self._client, self._mapping, outbound, self._employers, self.today, remarks)
        return write_export(self._client, outbound, population, families, planner, heading, destination)


def _module_names(contracts: Sequence[Contract]) -> dict[str, str]:
    """Returns the newest name of each module, followed by its id."""
    modules = [module for each in contracts for version in each.versions for module in version.modules]
    return {each.module_id: f"{each.display_name} {each.module_id}".strip() for each in modules}
