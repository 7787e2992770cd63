"""The pictures of docs/concepts.md. They show the worked example of enrollment, and outlines of the rest."""

from collections.abc import Callable

from tools.docs_drawing import Drawing


def computed() -> str:
    """Decisions, facts and contracts become periods."""
    d = Drawing(760, 250, "Decisions, facts and contracts become periods")
    d.box(20, 20, 200, 60, "decisions\napproved requests", "blue")
    d.box(20, 95, 200, 60, "facts\nwhat is true about members", "green")
    d.box(20, 170, 200, 60, "contract\nwhat is offered and allowed", "amber")
    d.box(290, 20, 190, 60, "desired\ndecisions, in order")
    d.box(290, 130, 190, 76, "allowed\ndays on which every rule\nof the module holds")
    d.box(550, 75, 190, 76, "settled\nthe largest allowed set\nof desired days", "grey")
    d.box(550, 185, 190, 50, "periods\nof one revision")
    d.arrow((220, 50), (290, 50))
    d.arrow((220, 125), (290, 160))
    d.arrow((220, 200), (290, 180))
    d.arrow((480, 50), (550, 98))
    d.arrow((480, 165), (550, 130))
    d.arrow((645, 151), (645, 185))
    return d.svg()


MONTH, LEFT = 50, 130
"""Width of a month, and where the timelines begin."""


def _months(d: Drawing, names: str, bottom: int) -> None:
    for n, name in enumerate(names.split()):
        d.text(LEFT + n * MONTH + MONTH / 2, 46, name, anchor="middle", size="faint")
        d.line(LEFT + n * MONTH, 54, LEFT + n * MONTH, bottom)


def axes() -> str:
    """The same days, as recorded at three instants."""
    d = Drawing(760, 230, "Two time axes: when days are effective, and when that was recorded")
    d.text(LEFT, 24, "effective: the days that a period is about  →", bold=True)
    d.text(14, 46, "recorded ↓", bold=True)
    _months(d, "Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec Jan", 190)
    rows = [("1 February", "revision 1", 0), ("20 September", "revision 2", 7 * MONTH + 23), ("later", "revision 3", 0)]
    for n, (when, revision, until) in enumerate(rows):
        y = 68 + n * 44
        d.text(14, y + 4, when, size="small")
        d.text(14, y + 19, revision, size="faint")
        if until:
            d.bar(LEFT + until, y, 11 * MONTH + MONTH - until, "", "lost", is_open=True)
            d.bar(LEFT + MONTH, y, until - MONTH, "primary on BASE_PLUS", "blue")
        else:
            d.bar(LEFT + MONTH, y, 11 * MONTH, "primary on BASE_PLUS, open-ended", "blue", is_open=True)
    d.text(14, 214, "A read as of revision 2, or as of 25 September, always returns the middle line.", size="small")
    return d.svg()


def family() -> str:
    """A family's timeline."""
    d = Drawing(760, 250, "A family's timeline: slots, an option that requires a base module, a child who turns 25")
    d.text(LEFT, 24, "the contract starts on 1 January; the primary enrolls on 1 February", bold=True)
    _months(d, "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", 168)
    start = LEFT + 2 * MONTH
    d.text(14, 82, "primary", bold=True)
    d.text(14, 97, "slot base", size="faint")
    d.bar(start, 70, 500, "BASE_PLUS, committed for 12 months, open-ended", "blue", is_open=True)
    d.text(14, 117, "no slot", size="faint")
    d.bar(start, 106, 500, "OPTION: only while on BASE_PLUS, open-ended", "green", is_open=True)
    d.text(14, 146, "child", bold=True)
    d.text(14, 161, "slot base", size="faint")
    d.bar(start, 142, 2 * MONTH + 31, "BASE until 19 May", "amber")
    d.text(start + 2 * MONTH + 40, 158, "ends on 19 May: turns 25 on 20 May (notice, no rejection)", size="small")
    d.text(14, 194, "In June, the primary requests BASE from 1 July. The request has two violations:", size="small")
    d.text(14, 213, "COMMITMENT_NOT_ELAPSED: BASE_PLUS must last until 28 February of next year.", size="small")
    d.text(14, 232, "CONSEQUENCES_NOT_ACCEPTED: OPTION would be lost from 1 July on.", size="small")
    return d.svg()


def feed() -> str:
    """How events are put in one order, and how readers resume."""
    d = Drawing(760, 270, "The change feed: one order for all readers, and tokens to resume from")
    for n in range(3):
        d.box(20, 24 + n * 50, 130, 40, "a write\nstate + event", "blue")
        d.arrow((150, 44 + n * 50), (195, 94))
    d.box(195, 64, 110, 60, "pending\ncommitted", "grey")
    d.arrow((305, 94), (345, 94))
    d.box(345, 64, 110, 60, "sequencer\none at a time")
    d.arrow((455, 94), (490, 94))
    for n in range(5):
        d.box(490 + n * 50, 74, 50, 40, f"{41 + n}", "green")
    d.text(490, 62, "positions, without gaps", size="faint")
    d.box(440, 176, 140, 60, "reader A\ntoken after 42", "amber")
    d.box(600, 176, 140, 60, "reader B\ntoken after 44", "amber")
    d.arrow((590, 114), (525, 176))
    d.arrow((690, 114), (675, 176))
    d.text(20, 200, "A token names a position and the event at it. After a", size="small")
    d.text(20, 217, "restore, a different event has that position, and the", size="small")
    d.text(20, 234, "reader gets FEED_DIVERGED.", size="small")
    return d.svg()


def ledger() -> str:
    """What was invoiced stays; the next invoice includes the difference."""
    d = Drawing(760, 290, "The premium ledger: an enrollment that ended on 10 February, recorded later")
    columns = [(150, "January"), (350, "February"), (550, "March")]
    for x, name in columns:
        d.text(x + 90, 28, name, anchor="middle", bold=True)
    d.text(16, 66, "first computed", bold=True)
    for x, name in columns:
        days = {"January": 31, "February": 28, "March": 31}[name]
        d.box(x, 42, 180, 44, f"entry, {days} days\nthe whole month", "blue")
    d.text(16, 126, "added later", bold=True)
    d.text(16, 143, "(nothing is edited)", size="faint")
    d.box(350, 106, 180, 44, "offset, -28 days\nminus the whole month", "red")
    d.box(550, 106, 180, 44, "offset, -31 days\nminus the whole month", "red")
    d.box(350, 162, 180, 44, "entry, 10 days\n10/30 of the month", "green")
    d.arrow((345, 128), (338, 128), (338, 64), (349, 64), dashed=True)
    d.arrow((545, 128), (538, 128), (538, 64), (549, 64), dashed=True)
    d.text(16, 248, "sum of all", bold=True)
    d.box(150, 226, 180, 40, "the whole month", "grey")
    d.box(350, 226, 180, 40, "10/30 of the month", "grey")
    d.box(550, 226, 180, 40, "0", "grey")
    return d.svg()


def eligibility() -> str:
    """Coverage follows the feed, and is answered from memory."""
    d = Drawing(760, 270, "Eligibility: coverage projected from the change feed, answered from memory")
    d.box(20, 40, 130, 60, "enrollment\nits change feed", "blue")
    d.arrow((150, 70), (210, 70))
    d.box(210, 24, 190, 92, "projection\ncoverage and checkpoint\nin one transaction,\none server at a time")
    d.arrow((400, 70), (460, 70))
    d.box(460, 40, 120, 60, "memory\nin every server", "green")
    d.arrow((580, 70), (630, 70))
    d.box(630, 40, 110, 60, "check\ncovered, why", "amber")
    d.arrow((305, 116), (305, 134), (685, 134), (685, 101), dashed=True)
    d.text(315, 150, "if memory is out of date", size="faint")
    d.box(20, 180, 130, 60, "claim\nan application", "blue")
    d.arrow((150, 210), (210, 210))
    d.box(210, 174, 190, 72, "usage of limits\na ledger, not derived\nfrom enrollment", "grey")
    d.arrow((400, 210), (520, 210), (520, 101))
    d.text(540, 197, "A check with the token of", size="small")
    d.text(540, 214, "a write waits until the", size="small")
    d.text(540, 231, "projection includes it.", size="small")
    return d.svg()


PICTURES: dict[str, Callable[[], str]] = {
    "computed.svg": computed,
    "two-time-axes.svg": axes,
    "family-timeline.svg": family,
    "change-feed.svg": feed,
    "premium-ledger.svg": ledger,
    "eligibility.svg": eligibility,
}
