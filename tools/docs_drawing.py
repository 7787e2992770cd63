"""Small SVG pictures: boxes, bars, arrows and text on a light panel, readable on light and dark pages."""

from xml.sax.saxutils import escape

INK, FAINT, PANEL = "#1f2933", "#66717d", "#fbfaf7"
TONES = {
    "plain": "#ffffff",
    "blue": "#d6e6f7",
    "green": "#d8efd9",
    "amber": "#fbe7c0",
    "red": "#f6d3cf",
    "grey": "#e8eaed",
}
LINE = 17
"""Distance between lines of text, in pixels."""


class Drawing:
    """Collects shapes; `svg` returns them as text. Coordinates are pixels from the upper left corner."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" role="img" font-family="Helvetica, Arial, sans-serif" font-size="13">\n'
            f"<title>{escape(title)}</title>\n"
            '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
            f' orient="auto-start-reverse"><path d="M0 0 L10 5 L0 10 z" fill="{INK}"/></marker></defs>\n'
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="10" fill="{PANEL}"'
            f' stroke="{FAINT}"/>'
        )
        self._parts: list[str] = []

    def box(self, x: int, y: int, width: int, height: int, text: str, tone: str = "plain") -> None:
        """Draws a box. Newlines separate the lines of its text, and the first line is bold."""
        self._rect(x, y, width, height, tone, 6)
        lines = text.split("\n")
        top = y + height / 2 - (len(lines) - 1) * LINE / 2 + 4.5
        for n, line in enumerate(lines):
            self.text(x + width / 2, top + n * LINE, line, anchor="middle", bold=n == 0)

    def bar(self, x: int, y: int, width: int, text: str, tone: str) -> None:
        """Draws a bar that stands for days on a timeline."""
        self._rect(x, y, width, 22, tone, 3)
        self.text(x + 8, y + 15.5, text, size=12)

    def text(
        self, x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False, size: int = 13,
        color: str = INK,
    ) -> None:  # fmt: skip
        weight = ' font-weight="bold"' if bold else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}" fill="{color}"{weight}>'
            f"{escape(text)}</text>"
        )

    def arrow(self, *points: tuple[int, int], dashed: bool = False) -> None:
        """Draws a line through the points, with an arrowhead at the last one."""
        path = " ".join(f"{x},{y}" for x, y in points)
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{INK}" stroke-width="1.4" marker-end="url(#tip)"{dashes}/>'
        )

    def line(self, x1: int, y1: int, x2: int, y2: int) -> None:
        """Draws a faint dashed line."""
        self._parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{FAINT}" stroke-dasharray="2 3"/>')

    def svg(self) -> str:
        return "\n".join([self._head, *self._parts, "</svg>"]) + "\n"

    def _rect(self, x: int, y: int, width: int, height: int, tone: str, round_by: int) -> None:
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{round_by}" fill="{TONES[tone]}"'
            f' stroke="{INK}" stroke-width="1.1"/>'
        )
