"""The page of `epipam evaluate` in a browser: it loads, says nothing on the console, shows numbers.

Skipped where no Chromium is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from page_reader import read_page

from epipam.cli import main

REPOSITORY = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 120
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever a page asks the network for fails, and says so on the console.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--dump-dom",
)


@pytest.fixture(scope="session")
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    return found


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> Path:
    """What `epipam evaluate` writes for the bundled model on the bundled pairs."""
    folder = tmp_path_factory.mktemp("evaluate")
    demo = REPOSITORY / "store" / "demo"
    shutil.copy(demo / "genome.fa.gz", folder)
    for command in (
        ["build-store", folder / "genome.fa.gz", demo / "pairs.tsv", "-o", folder / "pairs.zarr"],
        [
            *("evaluate", REPOSITORY / "kipoi_model" / "EPIPAM", folder / "pairs.zarr"),
            *("-o", folder / "out", "--chromosomes", "chr1,chr2,chr3", "--bootstrap", "50"),
        ],
    ):
        result = CliRunner().invoke(main, [str(word) for word in command])
        assert result.exit_code == 0, result.output
    return folder / "out"


def _open(browser: str, page: Path, profile: Path) -> tuple[str, list[str]]:
    """Return the document after loading, and what the console was told."""
    done = subprocess.run(
        [browser, *OPTIONS, f"--user-data-dir={profile}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return done.stdout, re.findall(r".*:CONSOLE.*", done.stderr)


def test_it_loads_in_silence_and_shows_the_numbers_of_metrics_json(browser, output, tmp_path):
    document, console = _open(browser, output / "report.html", tmp_path / "profile")
    assert console == []
    page = read_page(document)
    metrics = json.loads((output / "metrics.json").read_text())
    test, data = metrics["test"], metrics["data"]
    rows = page.tables["scorers"]
    shown = {(row["Scorer"].text, row["Negatives"].text): row for row in rows}
    for scorer in ("model", "distance", "frequency"):
        numbers = test["scorers"][scorer]["all"]
        for metric in ("AUROC", "AUPRC"):
            assert shown[scorer, "all"][metric].value == numbers[metric.lower()]
            assert shown[scorer, "all"][metric].text == f"{numbers[metric.lower()]:.3f}"
    contigs = {row["Chromosome"].text: row for row in page.tables["by-chromosome"]}
    assert {name: row["model AUROC"].value for name, row in contigs.items()} == {
        name: row["model"]["auroc"] for name, row in test["contigs"].items()
    }
    controls = {row["Control"].text: row["AUROC"].value for row in page.tables["control-rows"]}
    swapped = test["controls"]["permuted_partners"]["permuted_auroc"]
    assert controls["promoters swapped"] == swapped
    pairs = {row["What"].text: row["Number"].value for row in page.tables["data-pairs"]}
    assert pairs["negative pairs"] == data["negatives"]
    assert metrics["provenance"]["command"] in page.text
    assert all(verdict in page.text for verdict in test["verdicts"])
    assert page.tags["svg"] == page.tags["figure"] == 6


def test_a_click_on_a_header_sorts_and_a_second_one_turns_the_order(browser, output, tmp_path):
    html = (output / "report.html").read_text()
    clicks = """
    const button = [...document.querySelectorAll("#by-chromosome th button")]
      .find((one) => one.textContent === "distance AUROC");
    button.click();
    """
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    assert policy.search(html)
    expected = [row["distance AUROC"].value for row in read_page(html).tables["by-chromosome"]]
    for times, descending in ((1, False), (2, True)):
        changed = tmp_path / f"clicked_{times}.html"
        script = f"<script>{{{clicks}}}</script>" * times
        changed.write_text(policy.sub("", html).replace("</body>", f"{script}</body>"))
        document, console = _open(browser, changed, tmp_path / f"profile_{times}")
        assert console == []
        found = [row["distance AUROC"].value for row in read_page(document).tables["by-chromosome"]]
        assert found == sorted(expected, reverse=descending)


def test_the_policy_of_the_page_keeps_other_scripts_and_images_out(browser, output, tmp_path):
    html = (output / "report.html").read_text()
    inserted = '<script>document.title = "taken"</script><img src="https://example.org/a.png">'
    changed = tmp_path / "changed.html"
    changed.write_text(html.replace("</body>", f"{inserted}</body>"))
    document, console = _open(browser, changed, tmp_path / "profile")
    assert "<title>taken" not in document
    assert len([line for line in console if "Content Security Policy" in line]) == 2
