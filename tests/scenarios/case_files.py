"""The files of the documented cases: their location and format."""

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

WIRE_ONLY = "premiums-over-the-wire"
IN_THE_DOMAIN = "migration"
"""The folder of cases that only the tests of the domain play."""

OWN_CASES = Path(__file__).parent.parent / "cases"


class CaseFormat(StrEnum):
    """The format of a case. ENROLLMENT is described in `enrollment/FORMAT.md`, LEDGER (pricing and premiums) in
    `FORMAT-premiums.md`.
    """

    ENROLLMENT = "ENROLLMENT"
    LEDGER = "LEDGER"


@dataclass(frozen=True, slots=True)
class CaseFile:
    """One case. `name` is its path below the folder of cases."""

    name: str
    path: Path
    format: CaseFormat
    content: Any


def has_calls(case: CaseFile) -> bool:
    """Returns whether the case can be created through calls: enrollments outside their contract are rejected."""
    if case.format == CaseFormat.ENROLLMENT:
        return True
    contract, enrollments = case.content["contract"], list(case.content["enrollments"])
    for step in case.content["steps"]:
        enrollments += step.get("enrollments", ()) if step["op"] == "set_enrollments" else ()
    begins, ends = contract["versions"][0]["start"], contract["versions"][-1]["end"]
    return all(e["start"] >= begins and (ends is None or (e["end"] or "9999") <= ends) for e in enrollments)


def plays_in_process(case: CaseFile) -> bool:
    """Returns whether the premium engine can play the case alone.

    It can't if the contract removes enrollments, which only the enrollment engine does. Such cases have their own
    folder.
    """
    return case.format == CaseFormat.LEDGER and WIRE_ONLY not in case.path.parts


def cases_folder() -> Path:
    """Returns the folder set in AFFILIA_CASES, or else the project's own."""
    return Path(os.environ.get("AFFILIA_CASES") or OWN_CASES)


def case_files(folder: Path) -> list[CaseFile]:
    """Returns every case below a folder that can be played over gRPC, in order of name.

    Raises ValueError for a file in an unknown format.
    """
    paths = [path for path in sorted(folder.rglob("*.json")) if IN_THE_DOMAIN not in path.relative_to(folder).parts]
    return [_read(path, folder) for path in paths]


def _read(path: Path, folder: Path) -> CaseFile:
    content = json.loads(path.read_text())
    steps = content.get("steps") if isinstance(content, dict) else None
    if not isinstance(steps, list):
        raise ValueError(f"{path} is not a case: it has no steps")
    in_ledger_format = any("op" in step for step in steps)
    return CaseFile(
        str(path.relative_to(folder)),
        path.resolve(),
        CaseFormat.LEDGER if in_ledger_format else CaseFormat.ENROLLMENT,
        content,
    )
