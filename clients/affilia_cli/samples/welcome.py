"""What `make run` prints when the sample book is loaded: three commands to try."""

import os
import shutil
import sys
from pathlib import Path

FRENCH_CONTRACT = "add27ee2-68fc-5fa7-8622-aafaba867494"
FRENCH_PRIMARY = "26743fe3-5d6d-5b0a-af0a-f53648a8a7ad"
FRENCH_OPTION = "27270843-e8a9-5d85-a835-2b36436cb605"


def commands_to_try(address: str) -> str:
    """Returns three commands for a POSIX shell that show a family, change it, and show it as it was before."""
    family = f"{FRENCH_CONTRACT}/{FRENCH_PRIMARY}"
    affilia = f"{_program()} --address {address}"
    commands = (
        ("Show the enrollments of a family", f"family {family}"),
        (
            "End the primary's enrollment in the optional module at the end of 2026",
            f"leave {family} --module {FRENCH_OPTION} --from 2027-01-01",
        ),
        ("Show the family as it was before", f"family {family} --revision 1"),
    )
    lines = [f"# {purpose}\n{affilia} {command}" for purpose, command in commands]
    return "\nThree commands to try:\n\n" + "\n\n".join(lines) + "\n"


def _program() -> str:
    """Returns how to start the command line from here: from PATH, or from the running Python's environment."""
    if shutil.which("affilia"):
        return "affilia"
    beside = Path(sys.executable).with_name("affilia")
    return os.path.relpath(beside) if beside.exists() else f"{sys.executable} -m server"
