"""What a page shows, read from its HTML by the standard library alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import NamedTuple

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Shown(NamedTuple):
    """A cell: its text without small print, the number behind it, the small print."""

    text: str
    value: float | None
    note: str


@dataclass
class Page:
    """What was found: tables by identifier and then row, a list of (column, cell) each."""

    tables: dict[str, list[dict[str, Shown]]] = field(default_factory=dict)
    identifiers: Counter[str] = field(default_factory=Counter)
    references: list[str] = field(default_factory=list)
    tags: Counter[str] = field(default_factory=Counter)
    text: str = ""
    scripts: list[str] = field(default_factory=list)


def read_page(html: str) -> Page:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.open: list[str] = []
        self.table: list[dict[str, Shown]] | None = None
        self.columns: list[str] = []
        self.cells: list[Shown] = []
        self.words: list[str] = []
        self.small: list[str] = []
        self.value: float | None = None

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.page.tags[tag] += 1
        if "id" in found:
            self.page.identifiers[found["id"]] += 1
        self.page.references += [
            found[key] for key in ("href", "src", "xlink:href") if key in found
        ]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.table, self.columns = [], []
            self.page.tables[found["id"]] = self.table
        elif tag == "tr":
            self.cells = []
        elif tag in ("td", "th"):
            self.words, self.small, self.value = [], [], None
        elif tag == "data":
            self.value = float(found["value"])

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()
        if self.table is None:
            return
        if tag in ("td", "th"):
            self.cells.append(
                Shown("".join(self.words).strip(), self.value, "".join(self.small).strip())
            )
        elif tag == "tr" and not self.columns:
            self.columns = [cell.text for cell in self.cells]
        elif tag == "tr":
            self.table.append(dict(zip(self.columns, self.cells, strict=True)))
        elif tag == "table":
            self.table = None

    def handle_data(self, data):
        if "script" in self.open:
            self.page.scripts.append(data)
        elif "style" not in self.open:
            self.page.text += data
        (self.small if "small" in self.open else self.words).append(data)

    def close(self):
        super().close()
        assert self.open == [], f"not closed: {self.open}"
