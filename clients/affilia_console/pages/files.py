"""Imports enrollment files (X12 834): upload, plan, guard, progress while the plan is applied, and report."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.datastructures import UploadFile
from starlette.responses import Response

from affilia_cli.enrollment_file.applying.guard import Limits
from affilia_cli.enrollment_file.applying.outcomes import MemberOutcome, Outcome
from affilia_cli.enrollment_file.applying.report import UNREMARKABLE, Report, details
from affilia_cli.enrollment_file.findings import MappingMalformed
from affilia_cli.enrollment_file.mapping import Mapping, mapping_of
from affilia_cli.requesters import Claims
from affilia_console.failures import Refused
from affilia_console.imports import FileImport, Upload
from affilia_console.visits import MEBIBYTE, Visit

MAX_FILE_BYTES = 64 * MEBIBYTE
"""Maximum size of the whole form. The command line reads larger files."""
MAX_MAPPING_BYTES = MEBIBYTE
MAX_LISTED = 200
MAX_FINDINGS = 100
EXTRA = "pyx12"
CSV, JSON = "csv", "json"
DOWNLOADS: dict[str, tuple[str, Callable[[Report], str]]] = {
    CSV: ("text/csv", Report.to_csv),
    JSON: ("application/json", Report.to_json),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A member in a plan or report."""

    member: MemberOutcome
    details: Sequence[str]

    @property
    def is_bad(self) -> bool:
        return self.member.outcome in (Outcome.REJECTED, Outcome.FAILED)


def files(visit: Visit) -> Response:
    """Shows the form and the session's imports, or starts an import of the uploaded file."""
    if visit.request.method != "POST":
        return visit.page("files.html", imports=list(visit.session.imports), missing_extra=_missing_extra())
    visit.check_writable()
    if _missing_extra():
        raise Refused(_missing_extra())
    file, mapping = visit.upload("file"), visit.upload("mapping")
    if file is None or mapping is None:
        raise Refused("Choose an enrollment file and the sponsor's mapping.")
    person = visit.session.person
    started = FileImport(_stored(file, _mapping(mapping)), visit.client, Claims(person.role, person.subject))
    visit.session.imports.begin(started)
    return visit.goes_to(_address(started))


def file_import(visit: Visit) -> Response:
    """Shows an import: its progress, the plan or the report. htmx reloads it while it is in progress."""
    found = _found(visit).copied()
    lines = _lines(found.report) if found.report else []
    return visit.page(
        "file_progress.html" if visit.is_htmx else "file.html",
        file=found,
        lines=lines[:MAX_LISTED],
        omitted=max(0, len(lines) - MAX_LISTED),
        counts=_counts(found),
        findings=[str(each) for each in found.findings[:MAX_FINDINGS]],
        findings_omitted=max(0, len(found.findings) - MAX_FINDINGS),
    )


def apply(visit: Visit) -> Response:
    """Applies the plan."""
    visit.check_writable()
    return _decided(visit, FileImport.apply)


def plan_again(visit: Visit) -> Response:
    """Plans again with higher limits, after the guard rejected the plan."""
    visit.check_writable()
    limits = Limits(_share(visit, "terminations", "Terminations"), _share(visit, "days", "Days lost"))
    return _decided(visit, lambda found: found.plan_again(limits))


def discard(visit: Visit) -> Response:
    """Removes the file without applying it."""
    return _decided(visit, FileImport.discard, "The file was removed. Nothing was applied.")


def stop(visit: Visit) -> Response:
    """Stops an import once the families in progress are finished."""
    return _decided(visit, FileImport.stop, "The import stops when the families in progress are finished.")


def report(visit: Visit) -> Response:
    """Returns the report as a file."""
    found, kind = _found(visit), visit.path("kind")
    if found.report is None or kind not in DOWNLOADS:
        raise Refused(f"There is no report in the format {kind}.", "Open the page of the import.")
    media_type, write = DOWNLOADS[kind]
    name = f"report-{found.began_at:%Y-%m-%d-%H%M%S}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(write(found.report), media_type=media_type, headers=headers)


def _missing_extra() -> str:
    if find_spec(EXTRA):
        return ""
    return "Enrollment files require the `files` extra: pip install 'affilia-server[files]'"


def _found(visit: Visit) -> FileImport:
    found = visit.session.imports.find(visit.path("import_id"))
    if found is None:
        raise Refused("There is no import with this id in your session.", "Upload the file again.")
    return found


def _address(found: FileImport) -> str:
    return f"/work/files/{found.import_id}"


def _decided(visit: Visit, decide: Callable[[FileImport], None], notice: str = "") -> Response:
    found = _found(visit)
    decide(found)
    return visit.goes_to(_address(found), notice)


def _mapping(file: UploadFile) -> Mapping:
    if (file.size or 0) > MAX_MAPPING_BYTES:
        raise Refused(f"The mapping is larger than {MAX_MAPPING_BYTES // MEBIBYTE} MiB.")
    try:
        return mapping_of(json.loads(file.file.read().decode()))
    except MappingMalformed as malformed:
        raise Refused("The mapping is invalid.", *malformed.faults) from None
    except ValueError as malformed:
        raise Refused(f"The mapping is not valid JSON: {malformed}") from None


def _stored(file: UploadFile, mapping: Mapping) -> Upload:
    """Copies the file to a new folder that only this user can read."""
    folder = TemporaryDirectory(prefix="affilia-import-", ignore_cleanup_errors=True)
    path = Path(folder.name, "file.834")
    with path.open("xb") as copy:
        shutil.copyfileobj(file.file, copy)
    return Upload(file.filename or "", folder, path, mapping)


def _share(visit: Visit, name: str, label: str) -> float:
    """Returns a percentage as a number between 0 and 1."""
    text = visit.text(name)
    if not (text.isascii() and text.isdigit() and int(text) <= 100):
        raise Refused(f"{label} must be a percentage between 0 and 100, got {text or 'nothing'}.")
    return int(text) / 100


def _lines(found: Report) -> list[Line]:
    """Returns the members who change or need attention, those who need attention first."""
    members = [each for each in found.members if each.outcome is not Outcome.UNCHANGED or each.notices]
    lines = [Line(each, details(each)) for each in members]
    return sorted(lines, key=lambda line: (not line.is_bad, line.member.outcome in UNREMARKABLE))


def _counts(found: FileImport) -> str:
    """Returns how many members are planned to change in each way, or the outcomes of an import that was applied."""
    if found.report and found.report.applied:
        counts = found.report.counts()
        return ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items() if count) or "no members"
    return found.plan.summary() if found.plan else ""
