"""A hook of mkdocs: files of the repository that the guide links to are part of the site.

The pages of the guide link to files outside of `docs/` as they lie in the repository, so that the
links work there. In the site such a file lies under `repository/`: Markdown as a page, whose own
links are followed in turn, anything else as it is.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).parents[2]
DOCS = "docs"
PLACE = "repository"

_LINK = re.compile(r"(?<=\]\()(?!https?:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")
_FENCE = re.compile(r"^(```+).*?^\1$", re.M | re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that pages link to, and those that these link to."""
    waiting = [file for file in files.documentation_pages()]
    while waiting:
        page = waiting.pop()
        for path in _linked(page.content_string, _source(page.src_uri)):
            uri = _site_uri(path)
            if files.get_file_from_path(uri) is None and (REPOSITORY / path).is_file():
                added = File.generated(
                    config,
                    uri,
                    abs_src_path=str(REPOSITORY / path),
                    inclusion=InclusionLevel.NOT_IN_NAV,
                )
                files.append(added)
                if added.is_documentation_page():
                    waiting.append(added)
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Turn links into the repository into links within the site."""
    source = _source(page.file.src_uri)

    def within_site(match: re.Match[str]) -> str:
        uri = _site_uri(_target(source, match["path"]))
        return posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or ".") + (
            match["anchor"] or ""
        )

    return "".join(
        text if is_block else _LINK.sub(within_site, text) for text, is_block in _parts(markdown)
    )


def _linked(markdown: str, source: str) -> Iterator[str]:
    """Yield where the links of a page lead, as paths within the repository."""
    for text, is_block in _parts(markdown):
        if not is_block:
            yield from (_target(source, match["path"]) for match in _LINK.finditer(text))


def _parts(markdown: str) -> Iterator[tuple[str, bool]]:
    """Yield the text of a page in pieces, and whether each is a fenced block."""
    end = 0
    for block in _FENCE.finditer(markdown):
        yield markdown[end : block.start()], False
        yield block[0], True
        end = block.end()
    yield markdown[end:], False


def _source(uri: str) -> str:
    """Return the path within the repository of what lies at `uri` in the site's sources."""
    inside, _, path = uri.partition("/")
    return path if inside == PLACE else posixpath.join(DOCS, uri)


def _site_uri(path: str) -> str:
    """Return where in the site's sources a path of the repository lies."""
    inside, _, rest = path.partition("/")
    return rest if inside == DOCS else posixpath.join(PLACE, path)


def _target(source: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
