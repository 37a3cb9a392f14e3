"""A figure as a picture of the page: SVG of the page's own colours and letters, light or dark, and PNG as a file."""

import io
import re

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

# Letters stay letters: the page's own, which a reader can search and copy.
matplotlib.rcParams["svg.fonttype"] = "none"

INK, PALE, GRID, WANTED = "#222222", "#8a8f98", "#dddddd", "#6a3d9a"
# Okabe and Ito's palette without its yellow, which is too pale on white: told apart with any colour vision.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#555555")
# What the page calls them, so that each has a value for light and one for dark.
_NAMED = {INK: "--ink", "#000000": "--ink", PALE: "--soft", GRID: "--line", WANTED: "--wanted"}
_NAMED |= {colour: f"--arm-{i}" for i, colour in enumerate(PALETTE)}
_COLOUR = re.compile("|".join(_NAMED), re.IGNORECASE)
_ATTRIBUTES = re.compile(r' (?:width|height)="[^"]*pt"| (?:version|xmlns(?::xlink)?)="[^"]*"')


def css_colour(text: str) -> str:
    """A text with the colours in it as the page's variables."""
    return _COLOUR.sub(lambda found: f"var({_NAMED[found[0].lower()]})", text)


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure (inches) apart from pyplot's global state, so that reports may be written from any thread."""
    figure, (axes,) = canvases(width, height)
    return figure, axes


def canvases(width: float, height: float, count: int = 1, across: int = 1) -> tuple[Figure, list[Axes]]:
    """The same with `count` panels, `across` of them side by side."""
    figure = Figure(figsize=(width, height), dpi=144, layout="constrained", facecolor="white")
    panels = [figure.add_subplot(-(-count // across), across, place) for place in range(1, count + 1)]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=9)
    return figure, panels


def png_of(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file."""
    _plain(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def svg_of(figure: Figure, name: str) -> str:
    """The figure as an SVG element for a page; `name`, of letters, digits and -, sets its ids apart from others'.

    It is as wide as its place, asks for nothing, and every text in it is escaped.
    """
    _plain(figure)
    buffer = io.StringIO()
    none = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=none)
    text = buffer.getvalue()
    opening, rest = text[text.index("<svg") :].split(">", 1)
    opening = _ATTRIBUTES.sub("", opening) + ' role="presentation">'
    rest = re.sub(r"<(metadata|style).*?</\1>", "", rest, flags=re.DOTALL)

    def of_the_page(tag: re.Match[str]) -> str:
        own = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{name}-", tag[0])
        return css_colour(own)

    # Within tags only: a name may be written like a colour.
    return opening + re.sub(r"<[^>]+>", of_the_page, rest)


def _plain(figure: Figure) -> None:
    """A $ is money or part of a name here, never the start of a formula."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)
