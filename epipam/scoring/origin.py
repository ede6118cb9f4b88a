"""What made a file of scores: a comment in text, a track's description, metadata in Parquet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from epipam.models.folder import WEIGHTS_FILE, read_config, trained_on_simulated
from epipam.pairs.formats.registry import OWN_COMMENT
from epipam.pairs.table import digest
from epipam.runtime.text_files import Reading, open_lines
from epipam.version import __version__

_UNKNOWN = "unknown"
_TRAINED_ON = {True: "simulated sequence", False: "real sequence", None: _UNKNOWN}

_MADE_BY = re.compile(
    rf"# {OWN_COMMENT}\S+, model (?P<model>.*?) "
    r"\(sha256 (?P<sha256>\w*)(?:, trained on (?P<trained_on>(?:simulated|real) sequence))?\), "
    r"genome (?P<genome>.*?)(?:; command: (?P<command>.*))?"
)
_LINE_BREAKS = re.compile(r"[\t\r\n]+")


@dataclass(frozen=True)
class Origin:
    """What made a file of scores.

    Attributes
    ----------
    model
        The model's name.
    sha256
        The SHA-256 of its weights.
    simulated
        Whether it was trained on simulated sequence; None where nothing says so or otherwise.
    genome
        The FASTA's name.
    command
        The command that was given, empty where there was none.
    """

    model: str
    sha256: str
    simulated: bool | None
    genome: str
    command: str = ""

    def made_by(self) -> str:
        """Return version, model and genome in a few words."""
        trained = "" if self.simulated is None else f", trained on {_TRAINED_ON[self.simulated]}"
        return (
            f"{OWN_COMMENT}{__version__}, model {self.model} (sha256 {self.sha256}{trained}), "
            f"genome {self.genome}"
        )

    def comment(self) -> str:
        """Return one line without tabs that says all, to be put behind `# `."""
        command = f"; command: {self.command}" if self.command else ""
        return _LINE_BREAKS.sub(" ", self.made_by() + command)

    def title(self, name: str) -> str:
        """Return a track's title: its name, and whether scores are of a simulated grammar."""
        return f"{name} (simulated)" if self.simulated else name

    def metadata(self) -> dict[str, str]:
        """Return what a Parquet file's schema says."""
        return {
            "epipam_version": __version__,
            "epipam_model": self.model,
            "epipam_model_sha256": self.sha256,
            "epipam_trained_on": _TRAINED_ON[self.simulated],
            "epipam_genome": self.genome,
            "epipam_command": self.command,
        }


def origin_of(model: Path, genome: Path, command: str = "") -> Origin:
    """Return what makes the scores of a model folder on a genome."""
    provenance = read_config(model).get("provenance") or {}
    return Origin(
        model=model.resolve().name,
        sha256=digest(model / WEIGHTS_FILE),
        simulated=trained_on_simulated(provenance),
        genome=genome.name,
        command=command,
    )


def read_origin(scores: Path) -> Origin | None:
    """Return what made a table of scores by its own words; None where it does not say so."""
    if scores.suffix == ".parquet":
        return _parquet_origin(scores)
    with open_lines(scores, Reading("a table of scores")) as lines:
        _, first = next(lines, (0, ""))
    match = _MADE_BY.fullmatch(first)
    if match is None:
        return None
    said = match.groupdict(default="")
    return Origin(
        said["model"],
        said["sha256"],
        _simulated(said["trained_on"]),
        said["genome"],
        said["command"],
    )


def _simulated(trained_on: str) -> bool | None:
    return next((known for known, text in _TRAINED_ON.items() if text == trained_on), None)


def _parquet_origin(scores: Path) -> Origin | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(scores).metadata or {}
    except (pa.ArrowException, OSError):
        return None  # who reads the rows says what is wrong
    said = {key.decode(): value.decode("utf-8", "replace") for key, value in metadata.items()}
    if "epipam_model" not in said:
        return None
    return Origin(
        said["epipam_model"],
        said.get("epipam_model_sha256", ""),
        _simulated(said.get("epipam_trained_on", "")),
        said.get("epipam_genome", ""),
        said.get("epipam_command", ""),
    )
