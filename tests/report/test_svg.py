"""Figures inside a page: names of their own, the page's colours and fonts, text as text."""

from __future__ import annotations

import re

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from epipam.report.svg import inline_svg

HOSTILE = '<script>alert(\'$x$\')</script> & "more" -- id="x" url(#a)'


def _without_text(svg):
    return re.sub(r"<text.*?</text>", "", svg)


@pytest.fixture
def figure():
    return _figure()


def _figure():
    figure = Figure(figsize=(4, 3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 2], marker="o", color="#0072B2", clip_on=True)
    axes.set_xticks([0, 1], [HOSTILE, "chr1"], parse_math=False)
    axes.grid(color="#ebebeb")
    return figure


def test_identifiers_carry_the_name_and_every_reference_leads_to_one(figure):
    svg = _without_text(inline_svg(figure, "roc", "a line"))
    identifiers = re.findall(r' id="([^"]+)"', svg)
    assert identifiers
    assert len(set(identifiers)) == len(identifiers)
    assert all(one.startswith("roc-") for one in identifiers)
    linked = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg)
    assert {a or b for a, b in linked} == set(identifiers)


def test_two_figures_share_no_identifier(figure):
    identifiers = [
        set(re.findall(r' id="([^"]+)"', _without_text(inline_svg(figure, name, ""))))
        for name in ("a", "b")
    ]
    assert not identifiers[0] & identifiers[1]


def test_text_is_escaped_and_left_as_it_is(figure):
    svg = inline_svg(figure, "roc", 'a "line" <b>')
    assert "<script>" not in svg
    assert (
        '&lt;script&gt;alert(\'$x$\')&lt;/script&gt; &amp; "more" -- id="x" url(#a)</text>' in svg
    )
    assert 'aria-label="a &quot;line&quot; &lt;b&gt;"' in svg


def test_colours_and_fonts_are_the_pages(figure):
    svg = inline_svg(figure, "roc", "")
    assert "stroke: var(--series-1, #0072b2)" in svg
    assert "stroke: currentColor" in svg
    assert "var(--line, #ebebeb)" in svg
    assert "#000000" not in svg
    assert "font-family" not in svg
    assert "DejaVu" not in svg
    assert "<style" not in svg
    assert re.search(r"font-size: [\d.]+px", svg)


def test_the_same_figure_gives_the_same_bytes_and_changes_no_setting():
    settings = dict(matplotlib.rcParams)
    assert inline_svg(_figure(), "roc", "") == inline_svg(_figure(), "roc", "")
    assert dict(matplotlib.rcParams) == settings


def test_nothing_of_the_document_around_it_is_left(figure):
    svg = inline_svg(figure, "roc", "")
    assert svg.startswith("<svg viewBox=")
    assert "xmlns" not in svg
    assert "metadata" not in svg
    assert "http" not in svg
