"""Pages: Jinja2 templates filled in, written as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from epipam.runtime.files import write_text

SCRIPT, STYLE = "page.js", "page.css"


def write_page(path: str | Path, template: str, **values: Any) -> Path:
    """Fill in a template of `epipam/report/templates` and write it, whole.

    What is filled in is escaped; a value that the template asks for and that is not there is an
    error. The page forbids its reader's browser to load anything, and to run any script but its
    own.

    Returns
    -------
    pathlib.Path
        `path`.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("epipam.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    script, style = (_source(environment, name) for name in (SCRIPT, STYLE))
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    page = environment.get_template(template).render(
        script=script, style=style, script_digest=f"sha256-{digest}", **values
    )
    write_text(path, page)
    return Path(path)


def _source(environment: jinja2.Environment, name: str) -> Markup:
    """Return a file that goes into the page as it is."""
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])
