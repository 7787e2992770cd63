"""Small SVG pictures: boxes, bars, arrows and text, with the colors and styles of the timelines that clients show."""

from affilia_views.svg_style import style_element
from affilia_views.svg_text import xml_text
from affilia_views.timeline_svg import bar_path

TONES = {"plain": "plain", "blue": "s0", "green": "s1", "amber": "s2", "red": "s5", "grey": "s7"}
"""Classes of boxes by the name of their color."""
BARS = {"blue": "c0", "green": "c1", "amber": "c2", "lost": "lost"}
"""Classes of bars, which have the colors of modules, or are days that are no longer enrolled."""
LINE = 17
"""Distance between lines of text, in pixels."""


class Drawing:
    """Collects shapes; `svg` returns them as text. Coordinates are pixels from the upper left corner."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="affilia-drawing" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" role="img" aria-label="{xml_text(title)}">\n'
            f"<title>{xml_text(title)}</title>\n{style_element()}\n"
            '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
            ' orient="auto-start-reverse"><path class="tip" d="M0 0 L10 5 L0 10 z"/></marker></defs>\n'
            f'<rect class="frame" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="10"/>'
        )
        self._parts: list[str] = []

    def box(self, x: int, y: int, width: int, height: int, text: str, tone: str = "plain") -> None:
        """Draws a box. Newlines separate the lines of its text, and the first line is bold."""
        self._parts.append(
            f'<rect class="box {TONES[tone]}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'
        )
        lines = text.split("\n")
        top = y + height / 2 - (len(lines) - 1) * LINE / 2 + 4.5
        for n, line in enumerate(lines):
            self.text(x + width / 2, top + n * LINE, line, anchor="middle", bold=n == 0)

    def bar(self, x: int, y: int, width: int, text: str, color: str, *, is_open: bool = False) -> None:
        """Draws a bar that stands for days on a timeline, below its text. An open one ends in an arrow."""
        self._parts.append(f'<path class="{BARS[color]}" d="{bar_path(x, x + width, y + 4, continues=is_open)}"/>')
        self.text(x, y, text, size="small")

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False, size: str = "") -> None:
        """Draws a line of text. `size` is empty, `small`, or `faint` for a small one in a lighter color."""
        classes = " ".join(filter(None, ("strong" if bold else "", "small faint" if size == "faint" else size)))
        named = f' class="{classes}"' if classes else ""
        ends = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(f'<text{named} x="{x:g}" y="{y:g}"{ends}>{xml_text(text)}</text>')

    def arrow(self, *points: tuple[int, int], dashed: bool = False) -> None:
        """Draws a line through the points, with an arrowhead at the last one."""
        path = " ".join(f"{x},{y}" for x, y in points)
        dashes = " dashes" if dashed else ""
        self._parts.append(f'<polyline class="line{dashes}" points="{path}" marker-end="url(#tip)"/>')

    def line(self, x1: int, y1: int, x2: int, y2: int) -> None:
        """Draws a faint line."""
        self._parts.append(f'<line class="grid" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')

    def svg(self) -> str:
        return "\n".join([self._head, *self._parts, "</svg>"]) + "\n"
