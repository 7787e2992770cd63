"""The worked cases as files: where they are, and in which format each one is."""

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

OWN_CASES = Path(__file__).parent.parent / "cases"


class CaseFormat(StrEnum):
    """ENROLLMENT: `enrollment/FORMAT.md`. LEDGER: pricing and premiums, `FORMAT-premiums.md`."""

    ENROLLMENT = "ENROLLMENT"
    LEDGER = "LEDGER"


@dataclass(frozen=True, slots=True)
class CaseFile:
    """One case. `name` is its path below the folder of cases."""

    name: str
    format: CaseFormat
    content: Any


def has_calls(case: CaseFile) -> bool:
    """Whether calls can make what a case says: enrollments outside their contract's life are refused."""
    if case.format == CaseFormat.ENROLLMENT:
        return True
    contract, enrollments = case.content["contract"], list(case.content["enrollments"])
    for step in case.content["steps"]:
        enrollments += step.get("enrollments", ()) if step["op"] == "set_enrollments" else ()
    begins, ends = contract["versions"][0]["start"], contract["versions"][-1]["end"]
    return all(e["start"] >= begins and (ends is None or (e["end"] or "9999") <= ends) for e in enrollments)


def cases_folder() -> Path:
    """The folder that AFFILIA_CASES names, or the project's own."""
    return Path(os.environ.get("AFFILIA_CASES") or OWN_CASES)


def case_files(folder: Path) -> list[CaseFile]:
    """Every case below a folder, in order of name. Raises ValueError for a file in no known format."""
    return [_read(path, folder) for path in sorted(folder.rglob("*.json"))]


def _read(path: Path, folder: Path) -> CaseFile:
    content = json.loads(path.read_text())
    steps = content.get("steps") if isinstance(content, dict) else None
    if not isinstance(steps, list):
        raise ValueError(f"{path} is not a case: it has no steps")
    in_ledger_format = any("op" in step for step in steps)
    return CaseFile(
        str(path.relative_to(folder)),
        CaseFormat.LEDGER if in_ledger_format else CaseFormat.ENROLLMENT,
        content,
    )
