"""The site that `bin/docs` builds: without a warning, whole, and leading only where it should."""

from __future__ import annotations

import importlib
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import epipam

REPOSITORY = Path(__file__).parents[1]
MKDOCS = REPOSITORY / ".venv-docs/bin/mkdocs"
CONFIG = REPOSITORY / "docs/mkdocs/mkdocs.yml"
API = REPOSITORY / "docs/api.md"


class Links(HTMLParser):
    """Where a page's elements lead, what it loads, and what can be led to in it."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id"):
            self.ids.add(str(values["id"]))
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        if tag in ("script", "img", "iframe") and values.get("src"):
            self.loads.append(str(values["src"]))
        if tag == "link" and values.get("href") and values.get("rel") != "canonical":
            self.loads.append(str(values["href"]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `bin/docs` does, elsewhere."""
    if not MKDOCS.exists():
        pytest.skip("what builds the site is not installed: bin/docs installs it into .venv-docs")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [MKDOCS, "build", "--strict", "--config-file", CONFIG, "--site-dir", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    found = {}
    for page in sorted(site.rglob("*.html")):
        found[page] = Links()
        found[page].feed(page.read_text(encoding="utf-8"))
    return found


def test_every_page_of_the_guide_and_the_store_format_is_in_it(site: Path) -> None:
    guide = {path.stem for path in (REPOSITORY / "docs").glob("*.md")} - {"index"}
    for name in (*guide, "repository/store", "repository/CHANGELOG"):
        assert (site / name / "index.html").is_file(), name
    assert not (site / "mkdocs").exists()


def test_every_link_within_it_leads_somewhere(site: Path, pages: dict[Path, Links]) -> None:
    n_links = 0
    for page, found in pages.items():
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme or page.name == "404.html":  # whose links begin at the server's root
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{page.relative_to(site)}: {link}"
            if parts.fragment and target in pages:
                known = pages[target].ids
                assert unquote(parts.fragment) in known, f"{page.relative_to(site)}: {link}"
            n_links += 1
    assert n_links > 500


def test_it_loads_nothing_from_elsewhere(site: Path, pages: dict[Path, Links]) -> None:
    for page, found in pages.items():
        elsewhere = [place for place in found.loads if urlsplit(place).netloc]
        assert not elsewhere, f"{page.relative_to(site)}: {elsewhere}"


def test_the_reference_documents_the_front_door(pages: dict[Path, Links], site: Path) -> None:
    page = site / "api/index.html"
    text = page.read_text(encoding="utf-8")
    for name in set(epipam.__all__) - {"__version__"}:
        assert f"epipam.{name}" in pages[page].ids
        summary = (getattr(epipam, name).__doc__ or "").partition("\n")[0].partition("`")[0].strip()
        assert summary in text, name


def test_what_the_reference_names_is_there_and_the_whole_front_door_is_named() -> None:
    named = re.findall(r"^::: (\S+)$", API.read_text(encoding="utf-8"), re.M)
    assert {f"epipam.{name}" for name in epipam.__all__} - {"epipam.__version__"} <= set(named)
    for name in named:
        module, _, attribute = name.rpartition(".")
        if name != "epipam.errors":
            assert hasattr(importlib.import_module(module), attribute), name
