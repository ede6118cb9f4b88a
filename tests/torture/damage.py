"""Files that rot, files of any bytes, and hostile names."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pysam

from epipam.errors import EpipamError
from torture.children import Lost, require_plain, run
from torture.commands import BUNDLED, Inputs

# So many files are read in one child.
TOGETHER = 40


def rot(inputs: Inputs, folder: Path, draw: Random) -> str:
    """Damage in a file of a store, a model folder or an index: the same result, or an error."""
    kind = draw.choice(["store", "model", "index"])
    read = {"store": _read_store, "model": _read_model, "index": _read_genome}[kind]
    place = _copy_of(inputs, kind, folder)
    names = _may_rot(kind, place)
    wholes = {name: (place / name).read_bytes() for name in names}
    seed = draw.getrandbits(64)

    def try_all() -> None:
        draw = Random(seed)
        expected = read(place)
        for _ in range(TOGETHER if kind != "model" else 8):
            name = draw.choice(names)
            harm = draw.choice([_flip, _flip, _cut, _zero, _swap])
            damaged = harm(wholes[name], draw)
            (place / name).write_bytes(damaged)
            _clear_later_files(kind, place)
            try:
                found = read(place)
            except EpipamError as error:
                _require_one_line(error)
            except Exception as error:
                raise Lost(f"{name} {harm.__name__}: {type(error).__name__}: {error}") from error
            else:
                if found != expected:
                    kept = (
                        Path(tempfile.gettempdir())
                        / f"epipam-torture-{seed}-{name.replace('/', '_')}"
                    )
                    kept.write_bytes(damaged)
                    raise Lost(f"{kind}: {name}{harm.__name__}: another result, kept as {kept}")
            (place / name).write_bytes(wholes[name])

    _require_fine(run(try_all, folder))
    return kind


def fuzz(inputs: Inputs, folder: Path, draw: Random) -> str:
    """Any bytes, and damaged files, in every reader: read, or refused in words."""
    readers = _readers()
    kind = draw.choice(sorted(readers))
    read, example, name = readers[kind]
    seed = draw.getrandbits(64)
    whole = example(inputs)
    place = folder / name

    def try_all() -> None:
        draw = Random(seed)
        for _ in range(TOGETHER):
            data = _any_bytes(whole, draw)
            place.write_bytes(data)
            try:
                read(place, inputs)
            except EpipamError as error:
                _require_one_line(error)
            except Exception as error:
                kept = _kept(seed, name, data)
                text = f"{type(error).__name__}: {str(error)[:200]}, kept as {kept}"
                raise Lost(f"{kind}: {text}") from error

    _require_fine(run(try_all, folder))
    return kind


NAMES = (
    "a b.tsv", "a\nb.tsv", "-rf.tsv", "$(touch pwned).tsv", "`touch pwned`.tsv",
    "a;touch pwned.tsv",
    "<script>alert(1)</script>.tsv", "%s%n.tsv", "{0}.tsv", "\u00e4\u6f22\U0001f9ec.tsv",
    "a'b\".tsv", "a\\b.tsv", "x" * 251 + ".tsv", "x" * 230 + ".tsv", "..tsv", "*.tsv",
    "a#b?c.tsv",
    "\udcff\udcfe.tsv", "a\tb.tsv", "C:nul.tsv", "~root.tsv", "s3:x.tsv",
    "a::b.tsv", "\u202egpj.tsv",
)  # fmt: skip
CONTIGS = (
    "../x", "..", "a/b", "zarr.json", "%2e%2e", "c|d", "<b>", "$(touch pwned)", "x" * 300,
    "\u00e4",
    "__proto__", ".hidden", "a;b", "a'b", 'a"b', "a\\b", "a:1-2", "=1+1", "NA", "nan", "1e5", "-1",
    "*",
)  # fmt: skip


def names(inputs: Inputs, folder: Path, draw: Random) -> str:
    """Outputs and contigs of hostile names: done or refused, and nothing written elsewhere."""
    work = folder / "in" / "work"
    work.mkdir(parents=True)
    if draw.random() < 0.5:
        name = draw.choice(NAMES)
        arguments = [*inputs.score, "-o", f"./{name}"]
        outcome = run(arguments, work)
        require_plain(outcome)
        if outcome.code == 0 and not (work / name).is_file():
            raise Lost(f"exit 0 without the file {name!r}")
        if outcome.code == 0 and len((work / name).read_bytes().splitlines()) < 24:
            raise Lost(f"{name!r} is not whole")
        _require_only(work, {name} if outcome.code == 0 else set())
        return "file"
    name = draw.choice(CONTIGS)
    shutil.copy(inputs.genome, work / "genome.fa")
    _rename_contig(work / "genome.fa", inputs.contigs[0], name)
    pairs = inputs.pairs.read_text().splitlines(keepends=True)
    rows = [row.replace(inputs.contigs[0] + "\t", name + "\t") for row in pairs]
    (work / "pairs.tsv").write_text("".join(rows))
    build = ["build-store", "genome.fa", "pairs.tsv", *inputs.build[3:], "-o", "s.zarr"]
    outcome = run(build, work)
    require_plain(outcome)
    if outcome.code == 0:
        require_plain(verified := run(["verify", "s.zarr"], work))
        if verified.code:
            raise Lost(f"contig {name!r}: built, and not verified: {verified.err[-200:]}")
    (work / "out").mkdir()
    scored = run(["score", str(inputs.model), "genome.fa", "pairs.tsv", "-o", "o.bedpe"], work)
    require_plain(scored)
    _require_only(work, {"genome.fa", "pairs.tsv", "s.zarr", "out", "genome.fa.fai", "o.bedpe"})
    return "contig"


def _require_only(work: Path, allowed: set[str]) -> None:
    outside = {path.name for path in work.parent.iterdir()} - {"work"}
    inside = {os.fsdecode(name) for name in os.listdir(work)} - allowed
    if outside or inside:
        raise Lost(f"also written: {sorted(map(repr, outside | inside))}")


def _rename_contig(path: Path, old: str, new: str) -> None:
    text = path.read_text().replace(f">{old}\n", f">{new}\n")
    path.write_text(text)


# What is read, and how


def _read_store(place: Path) -> str:
    from epipam.store import Store

    digest = hashlib.sha256()
    store = Store(place)
    for contig in store.contigs:
        digest.update(contig.encode())
        for column in store.read(contig, 0, store.n_rows(contig)):
            digest.update(np.ascontiguousarray(column).tobytes())
        digest.update(store.pairs(contig).to_csv().encode())
    return digest.hexdigest()


def _read_model(place: Path) -> str:
    import torch

    from epipam.models import load_model

    network = load_model(place).eval()
    generator = torch.Generator().manual_seed(1)
    windows = [
        torch.randint(0, 256, (2, length // 2), dtype=torch.uint8, generator=generator)
        for length in (network.config.enhancer_length, network.config.promoter_length)
    ]
    with torch.no_grad():
        return repr(network(*windows).tolist())


def _read_genome(place: Path) -> str:
    from epipam.genome.fasta import Genome

    digest = hashlib.sha256()
    for name in ("genome.fa", "genome.fa.gz"):
        genome = Genome(place / name)
        for contig in sorted(genome.contigs):
            digest.update(f"{contig} {genome.contigs[contig]}".encode())
            digest.update(genome.fetch(contig, 100, genome.contigs[contig]).encode())
    return digest.hexdigest()


def _copy_of(inputs: Inputs, kind: str, folder: Path) -> Path:
    place = folder / kind
    if kind == "index":
        place.mkdir()
        shutil.copy(inputs.genome, place)
        pysam.faidx(str(place / "genome.fa"))
        pysam.tabix_compress(str(place / "genome.fa"), str(place / "genome.fa.gz"))
        pysam.faidx(str(place / "genome.fa.gz"))
    else:
        shutil.copytree(inputs.store if kind == "store" else inputs.model, place)
    return place


def _may_rot(kind: str, place: Path) -> list[str]:
    if kind == "index":  # a FASTA itself has no digest
        return ["genome.fa.fai", "genome.fa.gz.fai", "genome.fa.gz.gzi"]
    if kind == "model":
        return ["config.json", "model.safetensors"]
    return [p.relative_to(place).as_posix() for p in sorted(place.rglob("*")) if p.is_file()]


def _clear_later_files(kind: str, place: Path) -> None:
    if kind == "index":
        for path in place.glob("*.epipam*"):
            path.unlink()


def _readers() -> dict[
    str, tuple[Callable[[Path, Inputs], object], Callable[[Inputs], bytes], str]
]:
    from epipam.genome.fasta import Genome
    from epipam.interpret.motif_files import read_meme
    from epipam.interpret.variant_files import VariantReader
    from epipam.models.folder import read_config
    from epipam.pairs.genes import GeneFeatures
    from epipam.pairs.region_files import read_regions
    from epipam.pairs.table import read_pairs

    def read_genome(path: Path, _: Inputs) -> None:
        Path(f"{path}.fai").unlink(missing_ok=True)
        genome = Genome(path)
        for contig, length in genome.contigs.items():
            genome.fetch(contig, 0, min(length, 50))

    def read_index(path: Path, inputs: Inputs) -> None:
        shutil.copy(inputs.genome, path.with_suffix(""))
        genome = Genome(path.with_suffix(""))
        for contig, length in genome.contigs.items():
            genome.fetch(contig, 0, min(length, 50))

    def read_folder(path: Path, _: Inputs) -> None:
        read_config(path.parent)

    meme = (
        b"MEME version 4\n\nALPHABET= ACGT\n\nMOTIF x y\nletter-probability matrix: alength= 4 w= 2"
    )
    meme += b" nsites= 7 E= 0\n0.1 0.2 0.3 0.4\n1 0 0 0\n"
    gtf = b'chr1\tx\tgene\t1000\t2000\t.\t+\t.\tgene_id "g"; gene_name "n";\n' * 3
    scores = b"chr1\t1\t50\tchr1\t90\t120\tp\t0.5\t.\t.\n" * 3
    return {
        "pairs": (lambda p, _: read_pairs(p), lambda i: i.pairs.read_bytes()[:2000], "pairs.tsv"),
        "scores": (lambda p, _: read_pairs(p), lambda _: scores, "scores.bedpe"),
        "regions": (lambda p, _: read_regions(p), lambda i: i.enhancers.read_bytes(), "r.bed"),
        "genes": (lambda p, _: read_regions(p, GeneFeatures()), lambda _: gtf, "genes.gtf"),
        "fasta": (read_genome, lambda _: b">chr1 x\nACGTN\nACGTA\nAC\n>chr2\nACGTACGT\n", "g.fa"),
        "fai": (read_index, lambda i: Path(f"{i.genome}.fai").read_bytes(), "genome.fa.fai"),
        "vcf": (lambda p, _: list(VariantReader(p)), lambda i: i.variants.read_bytes(), "v.vcf"),
        "meme": (lambda p, _: read_meme(p), lambda _: meme, "m.meme"),
        "config": (read_folder, lambda _: (BUNDLED / "config.json").read_bytes(), "config.json"),
    }


# Harm


def _flip(data: bytes, draw: Random) -> bytes:
    harmed = bytearray(data)
    if harmed:
        harmed[draw.randrange(len(harmed))] ^= 1 << draw.randrange(8)
    return bytes(harmed)


def _cut(data: bytes, draw: Random) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def _zero(data: bytes, draw: Random) -> bytes:
    start = draw.randrange(len(data) + 1)
    stop = min(len(data), start + draw.choice([1, 16, 512, len(data)]))
    return data[:start] + bytes(stop - start) + data[stop:]


def _swap(data: bytes, draw: Random) -> bytes:
    size = min(draw.choice([1, 8, 64]), len(data) // 2)
    if size == 0:
        return data
    one, other = sorted(draw.sample(range(len(data) - size + 1), 2))
    if other < one + size:
        return data
    first, second = data[one : one + size], data[other : other + size]
    return data[:one] + second + data[one + size : other] + first + data[other + size :]


PIECES = (
    b"", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe9", b"\t", b"\n", b"\r", b"\r\n", b" ", b"-1",
    b"9" * 400, b"1e308", b"nan", b"1_0", b"0x10", b"'", b'"', b"[" * 3000,
    b"{", b"null", b"#", b">", b"\x1f\x8b\x08\0", b"PK\x03\x04", b"BZh9", b"BCF\x02\x02",
    b"MOTIF", b"chr1", b"\xd9\xa1",
    b"99999999999999999999", b"-", b".", b",", b"A" * 100_000, b"\x1b[2J", b"%s", b"=", b"track\n",
)  # fmt: skip


def _any_bytes(whole: bytes, draw: Random) -> bytes:
    """Return bytes: some at random, or a file with a few things wrong."""
    if draw.random() < 0.15:
        return draw.randbytes(draw.choice([0, 1, 18, 400]))
    data = whole
    for _ in range(draw.choice([1, 1, 2, 5])):
        if draw.random() < 0.4:
            data = draw.choice([_flip, _cut, _zero, _swap])(data, draw)
        else:
            at = draw.randrange(len(data) + 1)
            gone = draw.choice([0, 0, 1, 4])
            data = data[:at] + draw.choice(PIECES) + data[at + gone :]
    return data


def _kept(seed: int, name: str, data: bytes) -> Path:
    """Keep what something was lost by, where it can be looked at afterwards."""
    path = Path(tempfile.gettempdir()) / f"epipam-torture-{seed}-{name.replace('/', '_')}"
    path.write_bytes(data)
    return path


def _require_one_line(error: EpipamError) -> None:
    text = str(error)
    if not text.strip():
        raise Lost("an error without a word")
    if len(text) > 20_000 or "\x1b" in text:
        raise Lost(f"an error that is no line: {text[:200]!r}")


def _require_fine(outcome) -> None:
    if outcome.code == 99:
        raise Lost(outcome.err.strip()[-500:])
    if outcome.code:
        raise Lost(f"ended with {outcome.code}: {outcome.err[-400:]}")
