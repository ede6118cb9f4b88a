"""Variants agree with scoring FASTA files that carry them, on the demo and on the real megabase."""

import gzip

import numpy as np
import pandas as pd
import pysam
import pytest

from epipam.interpret.variants import score_variants
from epipam.pairs.candidates import candidates
from epipam.scoring.score import load_engine, score_file

LENGTHS = {"enhancer": 3_000, "promoter": 2_000}
TOLERANCE = 1e-5
MOST_PAIRS = 6


@pytest.fixture(scope="module")
def engine(pytestconfig):
    return load_engine(pytestconfig.rootpath / "kipoi_model" / "EPIPAM", "cpu")


@pytest.fixture(scope="module")
def demo(pytestconfig):
    return pytestconfig.rootpath / "store" / "demo"


def n_shared(one, other):
    """Return how many letters two texts begin with alike."""
    return next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )


def lifted_centre(region, length, pos, ref, alt):
    """Return where the centre of a region's window lies on the genome with the allele."""
    start, end = region
    half = -(-abs(end - start - length) // 2)
    centre = (start + half if end - start > length else start - half) + length // 2
    tail = n_shared(ref[::-1], alt[::-1])
    ref, alt = ref[: len(ref) - tail], alt[: len(alt) - tail]
    head = n_shared(ref, alt)
    first, last = pos - 1 + head, pos - 1 + len(ref)
    if first >= centre:
        return centre
    if last <= centre:
        return centre + len(alt) - len(ref)
    return first + min(centre - first, len(alt) - head)


def score_mutated(engine, letters, rows, folder):
    """Write the contig with an allele as a FASTA, the pairs where they lie on it, and score."""
    chrom, pos, ref, alt = rows.iloc[0][["chrom", "pos", "ref", "alt"]]
    assert letters[pos - 1 : pos - 1 + len(ref)] == ref
    mutated = letters[: pos - 1] + alt + letters[pos - 1 + len(ref) :]
    (folder / "mutated.fa").write_text(f">{chrom}\n{mutated}\n")
    lines = []
    for row in rows.itertuples():
        fields = []
        for anchor, length in LENGTHS.items():
            region = (getattr(row, f"{anchor}_start"), getattr(row, f"{anchor}_end"))
            centre = lifted_centre(region, length, pos, ref, alt)
            fields += [chrom, centre - 1, centre + 1]
        lines.append("\t".join(map(str, fields)) + "\n")
    (folder / "lifted.bedpe").write_text("".join(lines))
    out = folder / "scores.tsv"
    score_file(engine, folder / "mutated.fa", folder / "lifted.bedpe", out, overwrite=True)
    (folder / "mutated.fa.fai").unlink()
    return pd.read_csv(out, sep="\t")


def check_alleles(engine, letters, alleles, folder):
    rng = np.random.default_rng(0)
    for _, rows in alleles:
        chosen = rows.iloc[np.sort(rng.permutation(len(rows))[:MOST_PAIRS])]
        expected = score_mutated(engine, letters, chosen, folder)
        np.testing.assert_allclose(chosen["alt_logit"], expected["logit"], atol=TOLERANCE, rtol=0)
        np.testing.assert_allclose(
            chosen["alt_probability"], expected["probability"], atol=TOLERANCE, rtol=0
        )


def check_references(engine, genome, pairs, table, folder):
    score_file(engine, genome, pairs, folder / "reference.tsv")
    scores = pd.read_csv(folder / "reference.tsv", sep="\t")["logit"].to_numpy()
    np.testing.assert_allclose(
        table["ref_logit"], scores[table["pair"] - 1], atol=TOLERANCE, rtol=0
    )
    difference = table["alt_logit"] - table["ref_logit"]
    np.testing.assert_allclose(table["delta_logit"], difference, atol=1e-6, rtol=0)


def by_allele(table):
    return table.groupby(["chrom", "pos", "ref", "alt"], sort=False)


def made_up_records(letters, starts):
    """Return SNVs, MNVs, insertions and deletions in and about windows, edges and centres too."""
    rng = np.random.default_rng(5)
    records = []
    for start, length in starts:
        places = [start - 1, start, start + length // 2 - 1, start + length // 2]
        places += [start + length - 1, *(start + rng.integers(0, length, 4)).tolist()]
        for i, place in enumerate(places):
            n_ref, n_alt = [(1, 1), (3, 3), (1, 6), (9, 1), (5, 2)][(i + start) % 5]
            ref = letters[place : place + n_ref]
            alt = "".join(rng.choice(list("ACGT"), n_alt))
            alt = ref[0] + alt[1:] if n_alt != n_ref else alt
            if alt != ref:
                records.append((place + 1, ref, alt))
    return sorted(records)


def test_the_demo_agrees_with_mutated_fasta_files(engine, demo, tmp_path):
    with pysam.FastaFile(str(demo / "genome.fa.gz")) as fasta:
        letters = fasta.fetch("chr1").upper()
    (tmp_path / "genome.fa").write_text(f">chr1\n{letters}\n")
    lines = (demo / "candidates.bedpe").read_text().splitlines(keepends=True)
    pairs = tmp_path / "pairs.bedpe"
    pairs.write_text("".join(line for line in lines if line.startswith("chr1\t")))
    first = lines[0].split("\t")
    starts = [
        (lifted_centre((int(first[i]), int(first[i + 1])), length, 10**9, "A", "C") - length // 2,
         length)
        for i, length in ((1, 3_000), (4, 2_000))
    ]  # fmt: skip
    records = made_up_records(letters, starts)
    vcf = tmp_path / "made_up.vcf"
    vcf.write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        + "".join(f"chr1\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.\n" for pos, ref, alt in records)
    )
    result = score_variants(engine, tmp_path / "genome.fa", pairs, vcf, tmp_path / "out.tsv")
    table = pd.read_csv(result.path, sep="\t", na_values=["."])
    assert len(records) >= 15
    assert result.scored == len(by_allele(table)) >= 13
    assert result.scored + result.outside == len(records)
    check_references(engine, tmp_path / "genome.fa", pairs, table, tmp_path)
    check_alleles(engine, letters, by_allele(table), tmp_path)
    assert table["delta_logit"].abs().max() > 1e-3


@pytest.fixture(scope="module")
def real(engine, shared_data, tmp_path_factory):
    """Return the folder, the result and the table of all real variants and candidates."""
    folder = tmp_path_factory.mktemp("real")
    for kind in ("enhancers", "promoters"):
        with gzip.open(shared_data / f"regions/HUVEC_{kind}.bed.gz", "rt") as handle:
            rows = [line.split("\t") for line in handle]
        kept = [r for r in rows if r[0] == "chr20" and int(r[1]) >= 1e6 and int(r[2]) <= 2e6]
        (folder / f"{kind}.bed").write_text("".join("\t".join(row) for row in kept))
    pairs = folder / "candidates.bedpe"
    made = candidates(folder / "enhancers.bed", folder / "promoters.bed", pairs)
    assert made.pairs == 216
    result = score_variants(
        engine,
        shared_data / "genome/hg19_chr20_2Mb.fa.gz",
        pairs,
        shared_data / "genome/hg19_chr20_2Mb.vcf.gz",
        folder / "out.tsv",
    )
    return folder, result, pd.read_csv(result.path, sep="\t", na_values=["."])


@pytest.mark.slow
def test_all_real_variants_are_accounted_for(engine, real, shared_data, real_sequence):
    folder, result, table = real
    assert result.records == 28_998
    assert result.alleles == result.scored + result.outside + sum(result.skipped.values())
    assert result.mismatches == []  # the README of the data: every REF agrees
    assert (result.rows, result.pairs) == (len(table), 216)
    # Hits of single bases, counted without epipam: positions in windows, pair by pair.
    frame = pd.read_csv(folder / "candidates.bedpe", sep="\t")
    with gzip.open(shared_data / "genome/hg19_chr20_2Mb.vcf.gz", "rt") as handle:
        fields = [line.split("\t")[:5] for line in handle if not line.startswith("#")]
    positions = np.array(
        [int(f[1]) for f in fields for alt in f[4].split(",") if len(f[3]) == len(alt) == 1]
    )
    expected = 0
    for row in frame.itertuples(index=False):
        inside = np.zeros(len(positions), dtype=bool)
        for region, length in ((row[1:3], 3_000), (row[4:6], 2_000)):
            centre = lifted_centre(region, length, 10**9, "A", "C")
            start = centre - length // 2
            inside |= (positions > start) & (positions <= start + length)
        expected += int(inside.sum())
    single = (table["ref"].str.len() == 1) & (table["alt"].str.len() == 1)
    assert int(single.sum()) == expected
    check_references(
        engine, shared_data / "genome/hg19_chr20_2Mb.fa.gz", folder / "candidates.bedpe", table,
        folder,
    )  # fmt: skip


@pytest.mark.slow
def test_fifty_real_variants_agree_with_mutated_fasta_files(engine, real, real_sequence, tmp_path):
    _, _, table = real
    groups = list(by_allele(table))
    indel = np.array([len(key[2]) != len(key[3]) for key, _ in groups])
    rng = np.random.default_rng(2026)
    chosen = [
        *rng.choice(np.flatnonzero(~indel), 30, replace=False),
        *rng.choice(np.flatnonzero(indel), 20, replace=False),
    ]
    letters = real_sequence.upper()
    check_alleles(engine, letters, [groups[i] for i in chosen], tmp_path)
