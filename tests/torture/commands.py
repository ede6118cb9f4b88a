"""The commands that are hurt, on inputs small enough that each takes about a second."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pysam

from torture.children import Lost, run

REPOSITORY = Path(__file__).resolve().parents[2]
BUNDLED = REPOSITORY / "kipoi_model" / "EPIPAM"
OUTPUT = "out"


@dataclass
class Command:
    """A command that writes into the folder `out` of the folder that it runs in.

    Attributes
    ----------
    arguments
        Those of `epipam`.
    whole
        The file or folder that is whole or absent under this name.
    seconds
        What it takes when nobody disturbs it.
    expected
        Digest of each file that it writes; None where that differs from run to run.
    """

    name: str
    arguments: list[str]
    whole: str
    seconds: float = 0.0
    expected: dict[str, str | None] = field(default_factory=dict)


class Inputs:
    """A folder of inputs, and the commands that read them.

    Parameters
    ----------
    folder
        An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.genome, self.pairs = folder / "sim/genome.fa", folder / "sim/pairs.tsv"
        simulate = ["--contigs", "4", "--contig-length", "100000", "--positives", "12"]
        self._must(["simulate", "-o", "sim", *simulate])
        rows = [line.split("\t") for line in self.pairs.read_text().splitlines()[1:]]
        self.enhancers, self.promoters = folder / "enhancers.bed", folder / "promoters.bed"
        for path, first in ((self.enhancers, 0), (self.promoters, 4)):
            lines = {"\t".join(row[first : first + 4]) for row in rows}
            path.write_text("\n".join(sorted(lines)) + "\n")
        self.variants = folder / "variants.vcf"
        self.variants.write_text(_vcf(self.genome, [(r[0], int(r[1]) + 90) for r in rows[:8]]))
        self.contigs = sorted({row[0] for row in rows})
        self.model = folder / "model"
        shutil.copytree(BUNDLED, self.model)
        windows = ["--enhancer-length", "400", "--promoter-length", "300", "--augment", "1"]
        self.build = ["build-store", str(self.genome), str(self.pairs), *windows]
        self.store = folder / "store"
        self._must([*self.build, "-o", "store"])
        self.score = ["score", str(self.model), str(self.genome), str(self.pairs)]
        halves = [",".join(self.contigs[:2]), ",".join(self.contigs[2:])]
        for number, half in enumerate(halves):
            self._must([*self.score, "-o", f"part{number}.parquet", "--contigs", half])
        self.parts = [folder / f"part{number}.parquet" for number in range(2)]
        self.commands = {command.name: command for command in self._commands(simulate)}

    def measure(self, name: str) -> Command:
        """Return a command, after two undisturbed runs in which it was learnt what it writes."""
        command = self.commands[name]
        if not command.expected:
            found = []
            for number in range(2):
                folder = self.folder / f"undisturbed-{name}-{number}"
                folder.mkdir()
                outcome = run(command.arguments, folder)
                if outcome.code:
                    raise RuntimeError(f"{name} fails undisturbed: {outcome.err}")
                found.append(digests(folder))
                command.seconds = outcome.seconds
            first, second = found
            command.expected = {k: v if second.get(k) == v else None for k, v in first.items()}
        return command

    def _commands(self, simulate: list[str]) -> list[Command]:
        genome, pairs, model = str(self.genome), str(self.pairs), str(self.model)
        train = ["--model", "simcnn", "--test", self.contigs[0], "--validation", self.contigs[1]]
        train += ["--epochs", "2", "--batch-size", "4", "--accelerator", "cpu"]
        candidates = [str(self.enhancers), str(self.promoters), "--genome", genome]
        variants = ["variants", model, genome, pairs, str(self.variants)]
        merge = ["merge", *map(str, self.parts), "--pairs", pairs]
        return [
            Command("build-store", [*self.build, "-o", "out/s.zarr"], "out/s.zarr"),
            Command("score", [*self.score, "-o", "out/s.bedpe.gz", "--index"], "out/s.bedpe.gz"),
            Command("candidates", ["candidates", *candidates, "-o", "out/c.bedpe"], "out/c.bedpe"),
            Command("variants", [*variants, "-o", "out/v.tsv.gz"], "out/v.tsv.gz"),
            Command("merge", [*merge, "-o", "out/m.bedpe"], "out/m.bedpe"),
            Command("simulate", ["simulate", *simulate, "-o", "out/sim"], "out/sim"),
            Command("train", ["train", str(self.store), *train, "-o", "out/run"], "out/run/model"),
            Command("kipoi export", ["kipoi", "export", model, "-o", "out/M"], "out/M"),
        ]

    def _must(self, arguments: list[str]) -> None:
        outcome = run(arguments, self.folder)
        if outcome.code:
            raise RuntimeError(f"{arguments[0]} fails: {outcome.err}")


def digests(folder: Path) -> dict[str, str | None]:
    """Return the SHA-256 of each file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def hidden(folder: Path) -> list[str]:
    """Return what is hidden in a folder or below: partial files, locks."""
    return [p.relative_to(folder).as_posix() for p in folder.rglob(".*") if p.name != ".gitignore"]


def require_whole(command: Command, folder: Path, *, complete: bool) -> None:
    """Raise a Lost where an output is not what an undisturbed run writes.

    Parameters
    ----------
    complete
        Whether all must be there; else the output may be absent, and nothing in between.
    """
    found = digests(folder)
    inside = {
        k: v
        for k, v in command.expected.items()
        if k == command.whole or k.startswith(command.whole + "/")
    }
    expected = command.expected if complete else inside
    if not complete and not (folder / command.whole).exists():
        return
    if missing := [name for name in expected if name not in found]:
        raise Lost(f"{command.name}: lacks {', '.join(missing[:5])}")
    if other := [n for n, digest in expected.items() if digest not in (None, found[n])]:
        raise Lost(f"{command.name}: differs from an undisturbed run: {', '.join(other[:5])}")


def require_tidy(command: Command, folder: Path) -> None:
    """Raise a Lost where something hidden was left."""
    expected = {name for name in command.expected if any(p[0] == "." for p in name.split("/"))}
    if left := [name for name in hidden(folder) if name not in expected]:
        raise Lost(f"{command.name}: hidden files are left: {', '.join(left[:5])}")


def _vcf(genome: Path, sites: list[tuple[str, int]]) -> str:
    lines = ["##fileformat=VCFv4.2"]
    with pysam.FastaFile(str(genome)) as fasta:
        lines += [f"##contig=<ID={name}>" for name in fasta.references]
        lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
        for chrom, position in sorted(sites):
            base = fasta.fetch(chrom, position, position + 1)
            alt = "A" if base != "A" else "C"
            lines.append("\t".join([chrom, str(position + 1), ".", base, alt, ".", ".", "."]))
    return "\n".join(lines) + "\n"
