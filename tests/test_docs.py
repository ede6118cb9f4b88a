"""The README and the guide: every command in them runs, every link leads somewhere.

What a page may hold:

- ```` ```bash ````: commands, run together as one script;
- ```` ```console ````: lines that begin with `$ ` are commands, run one by one; of what they print,
  the lines below must be there, in this order, though not alone; `...` stands for anything;
- ```` ```python ````: run in one session for the page, as the cells of a notebook; the lines of a
  ```` ```text ```` block right below must be in what it prints, its last value included;
- `<!-- exit N -->` on the line above a block: its last command exits with N instead of 0;
- `<!-- not run: why -->` on the line above a block: it does not run here.

The blocks of a page run in order, in one folder that has `store/` and `kipoi_model/` in it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from page_session import PageSession
from warm_commands import COMMANDS

REPOSITORY = Path(__file__).parents[1]
README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs").glob("*.md"))]
RUN = ("bash", "console", "python")
LANGUAGES = (*RUN, "text", "mermaid", "yaml", "groovy")
MOST_NOT_RUN = 9
SECONDS = 300

_FENCE = re.compile(r"^```(.*)$")
_MARKER = re.compile(r"^<!-- (?:not run: (?P<why>\S.*)|exit (?P<exit>[1-9]\d*)) -->$")
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_MACHINE_PATH = re.compile(r"(?<![\w.~}])/(?:work|home|root|tmp|Users|mnt|opt|var)\b")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: where it begins, its language, its lines, its marker."""

    page: Path
    line: int
    language: str
    lines: tuple[str, ...]
    exit_code: int = 0
    not_run: str | None = None

    def __str__(self) -> str:
        text = "\n".join(self.lines)
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}\n{text}\n"


def read_blocks(page: Path) -> Iterator[Block]:
    above, fence = "", None
    inside: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        match = _FENCE.match(line)
        if fence is None and match:
            marker = _MARKER.match(above)
            exit_code = int(marker["exit"] or 0) if marker else 0
            fence = Block(page, number, match[1], (), exit_code, marker["why"] if marker else None)
            inside = []
        elif fence is not None and line == "```":
            yield Block(**{**fence.__dict__, "lines": tuple(inside)})
            fence = None
        elif fence is not None:
            inside.append(line)
        above = line
    assert fence is None, f"{page}: a block is not closed"


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Yield what a block runs, and the lines that each command must print."""
    if block.language == "bash":
        yield "\n".join(block.lines), []
        return
    command = ""
    shown: list[str] = []
    for line in block.lines:
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:], []
        else:
            assert command, f"no command before the first line of {block}"
            shown.append(line)
    yield command, shown


def missing(shown: list[str], printed: str) -> str | None:
    """Return the first line shown that is not printed below those before it."""
    lines = iter(printed.splitlines())
    for line in shown:
        pattern = re.compile(".*".join(map(re.escape, line.rstrip().split("..."))))
        if not any(pattern.fullmatch(candidate.rstrip()) for candidate in lines):
            return line
    return None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the pages take it: the repository's top, with what their commands read."""
    folder = tmp_path / "epipam"
    index = shutil.ignore_patterns("*.fai", "*.gzi")
    shutil.copytree(REPOSITORY / "store" / "demo", folder / "store" / "demo", ignore=index)
    shutil.copytree(REPOSITORY / "kipoi_model", folder / "kipoi_model")
    return folder


@pytest.fixture
def path(page: Path, request: pytest.FixtureRequest) -> str:
    """Where commands are found: the README's start as they do for its reader, others at once."""
    if page == README:
        return f"{COMMANDS}{os.pathsep}{os.environ['PATH']}"
    return request.getfixturevalue("warm_path")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_runs_and_prints_what_the_page_shows(
    page: Path, folder: Path, path: str, matplotlib_folder: Path
) -> None:
    environment = {
        **os.environ,
        "PATH": path,
        "HOME": str(folder.parent),
        "XDG_CACHE_HOME": str(folder.parent / "cache"),
        "MPLCONFIGDIR": str(matplotlib_folder),
        "PYTHONWARNINGS": "ignore",
        "CUDA_VISIBLE_DEVICES": "",
    }
    blocks = list(read_blocks(page))
    with closing(PageSession(folder, environment, SECONDS)) as session:
        for block, below in zip(blocks, [*blocks[1:], None], strict=False):
            if block.language == "python" and block.not_run is None:
                printed = session.run("\n".join(block.lines))
                shown = below.lines if below and below.language == "text" else ()
                line = missing(list(shown), printed)
                assert line is None, f"not printed: {line!r}, by {block}\n{printed}"
            elif block.language in RUN and block.not_run is None:
                run_commands(block, folder, environment)


def run_commands(block: Block, folder: Path, environment: dict[str, str]) -> None:
    """Run a block of commands; each must exit as it should and print what is shown."""
    steps = list(commands(block))
    for number, (command, shown) in enumerate(steps, 1):
        done = subprocess.run(
            ["bash", "-eu", "-c", command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        expected = block.exit_code if number == len(steps) else 0
        said = f"\n$ {command}\n{done.stdout}"
        assert done.returncode == expected, f"exit {done.returncode} in {block}{said}"
        line = missing(shown, done.stdout)
        assert line is None, f"not printed: {line!r}, in {block}{said}"


def test_blocks_that_do_not_run_are_few_and_say_why() -> None:
    blocks = [b for page in PAGES for b in read_blocks(page) if b.language in RUN]
    not_run = [block for block in blocks if block.not_run is not None]
    assert len(not_run) <= MOST_NOT_RUN, "\n".join(map(str, not_run))
    assert len(not_run) < (len(blocks) - len(not_run)) / 3


def test_a_marker_stands_right_above_a_block() -> None:
    for page in PAGES:
        lines = page.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if line.lstrip().startswith("<!--"):
                assert _MARKER.match(line), f"{page}:{number + 1}: {line}"
                assert _FENCE.match(lines[number + 1]), f"{page}:{number + 1}: {line}"


def test_no_command_hides_in_another_kind_of_block() -> None:
    for page in PAGES:
        for block in read_blocks(page):
            assert block.language in LANGUAGES, str(block)
            if block.language not in RUN:
                assert not any(line.startswith(("$ ", "epipam ", "kipoi ")) for line in block.lines)


def test_text_is_what_the_block_above_prints() -> None:
    for page in PAGES:
        blocks = list(read_blocks(page))
        for above, block in zip([None, *blocks], blocks, strict=False):
            if block.language == "text":
                assert above is not None, str(block)
                assert above.language == "python", str(block)
                assert above.not_run is None, str(block)


@pytest.mark.parametrize(
    "page", [*PAGES, REPOSITORY / "store/demo/README.md"], ids=lambda page: page.parent.name
)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(_prose(page)):
        if re.match(r"[a-z]+:", link):
            assert link.startswith("https://"), link
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page}: {link}"
        assert target.is_relative_to(REPOSITORY), f"{page}: {link}"
        if anchor:
            assert anchor in _anchors(target), f"{page}: {link}"


def test_every_page_is_reached_from_the_readme_and_listed_in_the_site() -> None:
    readme = set(_LINK.findall((REPOSITORY / "README.md").read_text(encoding="utf-8")))
    site = (REPOSITORY / "docs/mkdocs/mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES[1:]:
        assert page.stem == "index" or f"docs/{page.name}" in readme
        assert re.search(rf"[ ]{re.escape(page.name)}$", site, re.M), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_page_names_a_path_of_some_machine(page: Path) -> None:
    found = _MACHINE_PATH.findall(page.read_text(encoding="utf-8"))
    assert not found, f"{page}: {found}"


def _prose(page: Path) -> str:
    """Return a page without its blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub and mkdocs give a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
