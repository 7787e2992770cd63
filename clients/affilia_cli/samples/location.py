"""Where the sample book is: inside the installed package, or in the repository."""

from pathlib import Path

INSTALLED = Path(__file__).with_name("book")
"""The wheel contains a copy of the repository's `samples/` here."""

REPOSITORY = Path(__file__).resolve().parents[3] / "samples"


def sample_book_folder() -> Path:
    """Returns the folder of the sample book that belongs to this code."""
    return INSTALLED if INSTALLED.is_dir() else REPOSITORY
