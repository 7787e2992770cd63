"""The separators of an interchange."""

import string
from dataclasses import dataclass

LINE_ENDS = "\r\n"


@dataclass(frozen=True, slots=True)
class Separators:
    """The separators of elements, repetitions, components and segments, and what follows each segment's terminator."""

    element: str = "*"
    repetition: str = "^"
    component: str = ":"
    segment: str = "~"
    line_end: str = ""

    def __contains__(self, character: str) -> bool:
        return character in (self.element, self.repetition, self.component, self.segment)


def safe_separators(received: Separators) -> Separators:
    """Returns the received separators with each one replaced that isn't punctuation or is used twice.

    Letters, digits and spaces occur in our own values. Line ends can terminate segments, too.
    """
    default = Separators()
    taken: list[str] = []
    for wanted, fallback, allowed in (
        (received.element, default.element, string.punctuation),
        (received.segment, default.segment, string.punctuation + LINE_ENDS),
        (received.component, default.component, string.punctuation),
        (received.repetition, default.repetition, string.punctuation),
    ):
        suitable = len(wanted) == 1 and wanted in allowed and wanted not in taken
        others = (each for each in (fallback, *string.punctuation) if each not in taken)
        taken.append(wanted if suitable else next(others))
    element, segment, component, repetition = taken
    line_end = "" if segment in LINE_ENDS else received.line_end
    return Separators(element, repetition, component, segment, line_end)
