"""The colors and styles of all drawings: timelines, and the pictures of the documentation.

Drawings only have classes. A file carries the styles itself (`style_element`); a page that contains drawings links
STYLESHEET, so it needs neither inline styles nor `unsafe-inline` in its Content-Security-Policy.
"""

LIGHT = {
    "panel": "#ffffff",
    "band": "#f4f5f7",
    "ink": "#1f2933",
    "faint": "#5b6672",
    "grid": "#d5dae0",
    "today": "#b3261e",
    "lost": "#b3261e",
    "all": "#52606d",
    "c0": "#2f6fb5",
    "c1": "#2b7d3c",
    "c2": "#9c6200",
    "c3": "#7b4fa3",
    "c4": "#0e757c",
    "c5": "#b03060",
    "c6": "#7a5c3e",
    "c7": "#4a5bbf",
    "s0": "#d6e6f7",
    "s1": "#d8efd9",
    "s2": "#fbe7c0",
    "s5": "#f6d3cf",
    "s7": "#e8eaed",
    "plain": "#ffffff",
}
DARK = {
    "panel": "#14181d",
    "band": "#1c2229",
    "ink": "#e6eaee",
    "faint": "#a5b0bb",
    "grid": "#3a444e",
    "today": "#ff9a90",
    "lost": "#ff9a90",
    "all": "#9fb0c0",
    "c0": "#6aa9e9",
    "c1": "#6cc07a",
    "c2": "#e0a63c",
    "c3": "#b793e0",
    "c4": "#55c2c8",
    "c5": "#ef86a8",
    "c6": "#c9a27d",
    "c7": "#97a5f2",
    "s0": "#1d3a56",
    "s1": "#1e4227",
    "s2": "#4d3a10",
    "s5": "#56241f",
    "s7": "#303841",
    "plain": "#222931",
}
NUM_COLORS = 8
"""Colors of modules, `c0` to `c7`. Additional modules reuse them; every row also shows the module's name."""

RULES = """\
.affilia-drawing{font-family:Helvetica,Arial,'Liberation Sans',sans-serif;font-size:13px}
.affilia-drawing{max-width:100%;height:auto}
.affilia-drawing text{fill:var(--ad-ink)}
.affilia-drawing .panel{fill:var(--ad-panel)}
.affilia-drawing .band{fill:var(--ad-band)}
.affilia-drawing .strong{font-weight:bold}
.affilia-drawing .heading{font-weight:bold;paint-order:stroke;stroke:var(--ad-panel);stroke-width:4px}
.affilia-drawing .small{font-size:12px}
.affilia-drawing .faint{fill:var(--ad-faint)}
.affilia-drawing .grid{stroke:var(--ad-grid);stroke-width:1}
.affilia-drawing .tick{stroke:var(--ad-faint);stroke-width:1}
.affilia-drawing .line{fill:none;stroke:var(--ad-ink);stroke-width:1.4}
.affilia-drawing .dashes{stroke-dasharray:5 4}
.affilia-drawing .tip{fill:var(--ad-ink)}
.affilia-drawing .box{stroke:var(--ad-ink);stroke-width:1.1}
.affilia-drawing .frame{fill:var(--ad-panel);stroke:var(--ad-faint)}
.affilia-drawing .lost{fill:none;stroke:var(--ad-lost);stroke-width:1.5;stroke-dasharray:4 3}
.affilia-drawing .gained{fill:var(--ad-ink)}
.affilia-drawing .today{stroke:var(--ad-today);stroke-width:1.5}
.affilia-drawing text.today{fill:var(--ad-today);stroke:none}
.affilia-drawing a text{text-decoration:underline}
.affilia-drawing a .heading{stroke-width:0}
"""
FILLS = "".join(
    f".affilia-drawing .{name}{{fill:var(--ad-{name})}}\n"
    for name in LIGHT
    if (name[0] in "cs" and name[1:].isdigit()) or name in ("all", "plain")
)


def _variables(colors: dict[str, str]) -> str:
    return "".join(f"--ad-{name}:{color};" for name, color in colors.items())


STYLESHEET = (
    f":root{{{_variables(LIGHT)}}}\n@media(prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}\n{RULES}{FILLS}"
)
"""The styles of drawings in a page. A page can set the variables `--ad-…` itself, for example to switch schemes."""


def style_element() -> str:
    """Returns the styles for a drawing in a file of its own."""
    return f"<style>\n{STYLESHEET}</style>"
