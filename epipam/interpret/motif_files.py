"""Motifs in MEME format: reading collections, plain or gzip, and writing our own.

The format: https://meme-suite.org/meme/doc/meme-format.html (minimal MEME, version 4). What a
whole MEME result holds beside it is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from epipam.errors import MotifError
from epipam.genome.encoding import BASES
from epipam.genome.text_lines import read_lines

# What the format says of a motif that does not say how many sites it comes from.
DEFAULT_SITES = 20.0
# Published matrices are rounded, some to two digits.
_TOLERANCE = 0.02
_FIRST_LINES = 2
_JASPAR = "it is JASPAR's format; `jaspar2meme -bundle` of the MEME suite converts it"
_HOMER = "it is HOMER's format; read_homer and write_meme of R's universalmotif convert it"
_OTHER_FORMATS = {
    r"(AC|ID|NA|VV|XX)\b": "it is TRANSFAC's format; `transfac2meme` of the MEME suite converts it",
    r"<": "it is XML or HTML; give the result that MEME writes as text, meme.txt",
    r"(Gene|TF|Motif|Pos)\t": "it is a table, as CIS-BP has; `uniprobe2meme` and others convert it",
}
_KEY_VALUE = re.compile(r"(\w+)\s*=\s*(\S+)")


class Motif(NamedTuple):
    """One motif.

    Attributes
    ----------
    identifier, name
        The name may be empty; the identifier has no blanks.
    probabilities
        float64 (width, 4): of A, C, G, T at each position; rows sum to one.
    sites
        How many sites it comes from.
    """

    identifier: str
    name: str
    probabilities: np.ndarray
    sites: float = DEFAULT_SITES

    def __str__(self) -> str:
        return f"{self.identifier} {self.name}".rstrip()


class MotifCollection(NamedTuple):
    """The motifs of a file, and the frequencies of A, C, G, T it names, float64 (4,), if any."""

    motifs: list[Motif]
    background: np.ndarray | None


def read_meme(path: str | Path) -> MotifCollection:
    """Read a file of DNA motifs in MEME format, plain or gzip; it may be a pipe.

    Raises
    ------
    MotifError
        For a file that is no such thing, naming the line.
    """
    path = Path(path)
    found = _Reader(path).read()
    if not found.motifs:
        raise MotifError(f"{path}: holds no motif")
    return found


def meme_text(motifs: Sequence[Motif], background: np.ndarray) -> str:
    """Return a file of motifs in minimal MEME format.

    Parameters
    ----------
    background
        float (4,): frequencies of A, C, G, T.
    """
    frequencies = " ".join(f"{b} {f:.6f}" for b, f in zip(BASES, background, strict=True))
    lines = [
        "MEME version 4", "", f"ALPHABET= {BASES}", "", "strands: + -", "",
        "Background letter frequencies", frequencies,
    ]  # fmt: skip
    for motif in motifs:
        width, alphabet = motif.probabilities.shape
        lines += [
            "",
            f"MOTIF {motif}",
            f"letter-probability matrix: alength= {alphabet} w= {width} "
            f"nsites= {motif.sites:.15g} E= 0",
            *(" ".join(f"{value:.6f}" for value in row) for row in motif.probabilities),
        ]
    return "\n".join(lines) + "\n"


class _Reader:
    """Goes through the lines of a file once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        self._first: list[str] = []
        self._lines = self._numbered()
        self._ahead = ""

    def read(self) -> MotifCollection:
        motifs: list[Motif] = []
        background = None
        header: list[str] | None = None
        is_meme = False
        while line := self._next():
            if line.startswith("MEME version"):
                is_meme = True
            elif line.startswith("ALPHABET"):
                self._check_alphabet(line)
            elif line.startswith("Background letter frequencies"):
                background = self._background()
            elif re.match(r"MOTIF\b", line):
                self._require_matrix(header)
                header = line.split()[1:3]
                if not header:
                    raise self._wrong("a motif without a name")
            elif line.startswith("letter-probability matrix"):
                if header is None:
                    raise self._wrong("a matrix without a MOTIF line before it")
                motifs.append(self._motif(header, line))
                header = None
        self._require_matrix(header)
        if not is_meme:
            raise MotifError(f"{self.path}: is no MEME file: {_what_it_is(self._first)}")
        return MotifCollection(motifs, background)

    def _motif(self, header: list[str], line: str) -> Motif:
        given = dict(_KEY_VALUE.findall(line))
        if self._number(given.get("alength", "4"), "alength") != len(BASES):
            raise self._wrong(f"alength is {given['alength']}: not a motif of DNA")
        width = self._number(given["w"], "w") if "w" in given else np.inf
        sites = self._number(given.get("nsites", str(DEFAULT_SITES)), "nsites")
        rows: list[list[float]] = []
        while len(rows) < width:
            fields = self._next().split()
            if not fields or not _is_number(fields[0]):
                self._ahead = " ".join(fields)
                break
            rows.append(self._row(fields))
        if not rows or len(rows) < width < np.inf:
            says = f" and w= {given['w']}" if "w" in given else ""
            raise self._wrong(f"{header[0]} has {len(rows)} rows{says}")
        probabilities = np.array(rows)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return Motif(header[0], " ".join(header[1:]), probabilities, sites)

    def _next(self) -> str:
        """Return the next line that is not blank; nothing at the end."""
        line, self._ahead = self._ahead or next(self._lines, ""), ""
        return line

    def _row(self, fields: list[str]) -> list[float]:
        row = [self._number(field, "a probability") for field in fields]
        if len(row) != len(BASES):
            raise self._wrong(f"a row of {len(row)} numbers; one for each of A, C, G, T is needed")
        if min(row) < 0 or abs(sum(row) - 1) > _TOLERANCE:
            raise self._wrong(f"probabilities {' '.join(fields)} do not sum to 1")
        return row

    def _background(self) -> np.ndarray:
        fields: list[str] = []
        while len(fields) < 2 * len(BASES):
            line = self._next()
            if not line:
                raise self._wrong("background frequencies that end early")
            fields += line.split()
        if "".join(fields[::2]).upper() != BASES:
            raise self._wrong(f"background frequencies of {' '.join(fields[::2])}, not A C G T")
        return np.array(self._row(fields[1::2]))

    def _check_alphabet(self, line: str) -> None:
        plain = re.match(r"ALPHABET\s*=\s*(\S*)", line)
        if plain and plain[1].upper() != BASES:
            raise self._wrong(f"the alphabet is {plain[1]}, not {BASES}: not motifs of DNA")

    def _require_matrix(self, header: list[str] | None) -> None:
        if header is not None:
            raise self._wrong(f"{header[0]} ends without a letter-probability matrix")

    def _number(self, text: str, what: str) -> float:
        if not _is_number(text):
            raise self._wrong(f"{what} is {text!r}, which is no number")
        return float(text)

    def _wrong(self, what: str) -> MotifError:
        return MotifError(f"{self.path}:{self.number}: {what}")

    def _numbered(self) -> Iterator[str]:
        """Yield the lines that are not blank, stripped, keeping count of all."""
        for number, line in read_lines(self.path, "a MEME file", MotifError):
            self.number = number
            if text := line.strip():
                if len(self._first) < _FIRST_LINES:
                    self._first.append(text)
                yield text


def _what_it_is(first: list[str]) -> str:
    """Say what a file without a line MEME version is, from its first lines, and the way out."""
    start, following = [*first, "", ""][:2]
    if not start.startswith(">"):
        for pattern, what in _OTHER_FORMATS.items():
            if re.match(pattern, start):
                return what
        return "it has no line MEME version 4"
    if re.match(r"[ACGT]\s*\[", following):
        return _JASPAR
    if not all(map(_is_number, following.split())):
        return "it is a FASTA of sequences; motifs are matrices"
    return _HOMER if start.count("\t") > 1 and len(following.split()) == len(BASES) else _JASPAR


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
