"""Splits a stream of bytes into the texts of segments, without holding the whole file in memory."""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from affilia_cli.enrollment_file.findings import FileRejected, error
from affilia_cli.local_files import MEBIBYTE

MAX_BYTES = 256 * MEBIBYTE
PIECE_BYTES = 256 * 1024

MAX_SEGMENT_CHARACTERS = MEBIBYTE
"""A longer text without a terminator isn't a segment."""

ISA_CHARACTERS = 106
"""The length of the first segment, which is fixed and ends with the terminator of all segments."""

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f]")


class SegmentTexts:
    """The texts of an interchange's segments in order, without terminators and line endings. Can be iterated once.

    `opening` is the beginning of the text, and shorter than an ISA segment if the whole text is. All methods raise
    FileRejected if the stream is too long or isn't text.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._pieces = _decoded(stream)
        self._unread = ""
        for piece in self._pieces:
            self._unread = (self._unread + piece).removeprefix("\ufeff").lstrip()
            if len(self._unread) >= ISA_CHARACTERS:
                break
        self.opening = self._unread[:ISA_CHARACTERS]

    def __iter__(self) -> Iterator[str]:
        terminator = self.opening[-1]
        for piece in chain([""], self._pieces):
            texts = (self._unread + piece).split(terminator)
            self._unread = texts.pop()
            for i, text in enumerate(each.lstrip("\r\n") for each in texts):
                if not text:
                    self._unread = terminator.join([*texts[i + 1 :], self._unread])
                    return
                yield text
            if len(self._unread) > MAX_SEGMENT_CHARACTERS:
                return

    def remaining(self) -> int:
        """Returns the number of characters after the last segment. Ends the iteration."""
        return len(self._unread.strip()) + sum(len(piece.strip()) for piece in self._pieces)


def _decoded(stream: BinaryIO) -> Iterator[str]:
    decoder = getincrementaldecoder("utf-8")()
    length = 0
    while True:
        piece = stream.read(PIECE_BYTES)
        held = len(decoder.getstate()[0])
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as fault:
            message = f"The file is not UTF-8 text (byte {length - held + fault.start})."
            raise FileRejected([error("NOT_TEXT", message)]) from None
        length += len(piece)
        if length > MAX_BYTES:
            message = f"The file must have at most {MAX_BYTES // MEBIBYTE} MiB."
            raise FileRejected([error("FILE_TOO_LARGE", message)])
        if CONTROL_CHARACTERS.search(text):
            raise FileRejected([error("NOT_TEXT", "The file contains control characters.")])
        yield text
        if not piece:
            return
