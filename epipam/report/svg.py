"""A matplotlib figure as SVG that stands inside an HTML page.

What matplotlib writes is a document of its own: its identifiers meet those of the next figure, its
style sheet reaches the whole page, its fonts are the drawing machine's. Here the identifiers carry
the figure's name, text is text in the page's font, and colours are the page's, light or dark. The
same figure gives the same bytes.
"""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from epipam.report.curves import COLOURS, GRID_COLOUR

# Colour of the figure to colour of the page, with what stands where the page defines none.
PAGE_COLOURS = {
    "#000000": "currentColor",
    "#ffffff": "var(--paper, #ffffff)",
    GRID_COLOUR: f"var(--line, {GRID_COLOUR})",
    **{
        colour.lower(): f"var(--series-{number}, {colour.lower()})"
        for number, colour in enumerate(COLOURS, 1)
    },
}

_NAMESPACE = re.compile(r"^\{[^}]*\}")
_LINK = re.compile(r"^#(.+)$|url\(#([^)]+)\)")
_FONT = re.compile(r"(?<![-\w])font: (?:(?P<weight>bold) )?(?P<size>[\d.]+px) [^;]*")
_FONT_FAMILY = re.compile(r"(?<![-\w])font-family: [^;]*(?:; )?")
_COLOUR = re.compile("|".join(map(re.escape, PAGE_COLOURS)))
# Inherited by every shape, in place of matplotlib's rule for `*`.
_JOINS = "stroke-linejoin: round; stroke-linecap: butt"


def inline_svg(figure: Figure, name: str, description: str) -> Markup:
    """Return a figure as an `<svg>` element that fills the width it is given.

    Parameters
    ----------
    figure
        What to draw. Text from a file should be drawn with `parse_math=False`.
    name
        Of the figure, unique on its page; every identifier begins with it.
    description
        What a reader who does not see the figure is told.
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    root = ElementTree.fromstring(buffer.getvalue())
    for element in root.iter():
        element.tag = _NAMESPACE.sub("", element.tag)
        element.attrib = {_NAMESPACE.sub("", key): value for key, value in element.attrib.items()}
    _drop(root, {"metadata", "style"})
    linked = {
        found[1] or found[2]
        for element in root.iter()
        for value in element.attrib.values()
        for found in _LINK.finditer(value)
    }
    for element in root.iter():
        element.tail = None  # line breaks
        element.text = element.text if element.tag in ("text", "tspan") else None
        element.attrib = {
            key: _attribute(key, value, name)
            for key, value in element.attrib.items()
            if key != "id" or value in linked
        }
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": description,
        "style": _JOINS,
    }
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _drop(element: ElementTree.Element, tags: set[str]) -> None:
    for child in list(element):
        if child.tag in tags:
            element.remove(child)
        else:
            _drop(child, tags)


def _attribute(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    if key == "style":
        value = _FONT.sub(_size_and_weight, _FONT_FAMILY.sub("", value))
        value = _COLOUR.sub(lambda found: PAGE_COLOURS[found[0]], value)
    return value.replace("url(#", f"url(#{name}-")


def _size_and_weight(font: re.Match[str]) -> str:
    weight = f"font-weight: {font['weight']}; " if font["weight"] else ""
    return f"{weight}font-size: {font['size']}"
