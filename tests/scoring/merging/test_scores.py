"""Scores of parts: together they are what one run writes, in each format and any order of pairs."""

from __future__ import annotations

import gzip
import itertools
import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epipam.errors import RequestError
from epipam.scoring import score as scoring
from epipam.scoring.merging import scores as subject
from epipam.scoring.merging.scores import merge_scores
from epipam.scoring.score import score_file
from epipam.scoring.settings import OutputOptions

CONTIGS = ("chr1", "chr2", "chr10", "c")
LENGTH = 400


class ChecksumEngine:
    """Scores by windows: whatever differs in a window gives another logit."""

    enhancer_length, promoter_length = 12, 10

    def logits(self, windows):
        pairs = zip(windows.enhancer_row, windows.promoter_row, strict=True)
        return np.array(
            [
                zlib.crc32(windows.enhancer[e].tobytes() + windows.promoter[p].tobytes()) / 2**30
                - 2
                for e, p in pairs
            ]
        )


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    draw = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text(
        "".join(f">{name}\n{''.join(draw.choice(list('ACGT'), LENGTH))}\n" for name in CONTIGS)
    )
    return path


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Return `pairs(seed, kind)`: unsorted pairs on all contigs, some named without `chr`."""
    folder = tmp_path_factory.mktemp("pairs")

    def pairs(seed, kind="bedpe", n_rows=50):
        draw = np.random.default_rng(seed)
        path = folder / f"{seed}.{kind}"
        with path.open("w") as handle:
            if kind == "tsv":
                names = [
                    f"{a}_{c}" for a in ("enhancer", "promoter") for c in ("chrom", "start", "end")
                ]
                handle.write("\t".join([*names, "label", "note"]) + "\n")
            for i in range(n_rows):
                chrom = CONTIGS[i % 4] if i < 4 else str(draw.choice([*CONTIGS, "1", "10"]))
                e, p = draw.integers(0, LENGTH - 20, 2).tolist()
                row = [chrom, e, e + 20, chrom, p, p + 15]
                row += (
                    [i % 2, f"note {i}"] if kind == "tsv" else [f"e{i}::gene{i % 5}", ".", "+", "-"]
                )
                handle.write("\t".join(map(str, row)) + "\n")
        return path

    return pairs


@pytest.fixture
def score(genome, tmp_path):
    """Return `score(pairs, name, contigs, **options)`, which scores a part, or the whole."""

    def score(pairs, name, contigs=None, **options):
        out = tmp_path / name
        score_file(ChecksumEngine(), genome, pairs, out, contigs=contigs, **options)
        return out

    return score


def content(path: Path):
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_dict("list")
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


GROUPS = [["chr10"], ["chr1", "c"], ["chr2"]]


@pytest.mark.parametrize("kind", ["bedpe", "tsv"])
@pytest.mark.parametrize("ending", [".bedpe", ".tsv.gz", ".parquet", ".interact", ".longrange.gz"])
def test_the_whole_is_that_of_one_run_in_any_format(kind, ending, score, pairs, tmp_path):
    table = pairs(3, kind)
    parts = [score(table, f"part{i}.parquet", contigs) for i, contigs in enumerate(GROUPS)]
    out = tmp_path / f"scores{ending}"
    result = merge_scores(parts, table, out)
    merged = content(out)
    out.unlink()
    assert merged == content(score(table, out.name))
    assert (result.rows, result.missing) == (50, {})


@pytest.mark.parametrize(("ending", "whole"), [(".bedpe.gz", ".bedpe"), (".tsv", ".tsv.gz")])
def test_parts_as_text_make_the_same_text(ending, whole, score, pairs, tmp_path):
    table = pairs(4)
    parts = [score(table, f"part{i}{ending}", contigs) for i, contigs in enumerate(GROUPS)]
    merge_scores(parts, table, tmp_path / f"merged{whole}")
    assert content(tmp_path / f"merged{whole}") == content(score(table, f"scores{whole}"))


@settings(max_examples=15)
@given(st.integers(5, 9), st.permutations(range(4)), st.sets(st.integers(1, 3)), st.integers(1, 60))
def test_any_cut_of_the_contigs_into_parts_gives_the_whole(
    tmp_path_factory, genome, pairs, seed, order, cuts, chunk
):
    table, folder = pairs(seed), tmp_path_factory.mktemp("merged")
    ends = [0, *sorted(cuts), 4]
    groups = [[CONTIGS[i] for i in order[a:b]] for a, b in itertools.pairwise(ends)]
    parts = [folder / f"{i}.parquet" for i in range(len(groups))]
    for part, contigs in zip(parts, groups, strict=True):
        score_file(ChecksumEngine(), genome, table, part, contigs=contigs)
    score_file(ChecksumEngine(), genome, table, folder / "whole.bedpe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "CHUNK_ROWS", chunk)
        merge_scores(parts, table, folder / "merged.bedpe")
    assert content(folder / "merged.bedpe") == content(folder / "whole.bedpe")


def test_what_is_selected_and_summed_up_is_that_of_one_run(score, pairs, tmp_path):
    table = pairs(3)
    parts = [score(table, f"part{i}.parquet", contigs) for i, contigs in enumerate(GROUPS)]
    found = {}
    for name in ("one", "merged"):
        output = OutputOptions(top=1, min_score=0.3, genes=tmp_path / f"{name}.genes.tsv")
        out = tmp_path / f"{name}.bedpe"
        if name == "one":
            score(table, out.name, output=output)
        else:
            assert merge_scores(parts, table, out, output=output).written < 50
        found[name] = (content(out), content(output.genes))
    assert found["one"] == found["merged"]


def test_pairs_that_no_part_holds_are_told_or_left_without_a_score(score, pairs, tmp_path):
    table = pairs(3)
    chrom = table.read_text().split("\n")
    table = tmp_path / "more.bedpe"
    table.write_text("\n".join([*chrom[:9], "chrUn\t1\t9\tchrUn\t1\t9", *chrom[9:]]))
    parts = [
        score(table, f"part{i}.parquet", contigs, bad_pairs="skip")
        for i, contigs in enumerate(GROUPS)
    ]
    with pytest.raises(RequestError, match=r"more.bedpe:10: no part holds the pairs on chrUn: add"):
        merge_scores(parts, table, tmp_path / "merged.bedpe")
    assert not (tmp_path / "merged.bedpe").exists()

    result = merge_scores(parts, table, tmp_path / "merged.bedpe", bad_pairs="skip")
    assert result.missing == {"chrUn": 1}
    whole = score(table, "whole.bedpe", bad_pairs="skip")
    assert content(tmp_path / "merged.bedpe") == content(whole)


def test_a_part_given_twice_or_of_other_pairs_is_refused(score, pairs, tmp_path):
    table = pairs(3)
    parts = [score(table, f"part{i}.parquet", contigs) for i, contigs in enumerate(GROUPS)]
    out = tmp_path / "merged.bedpe"
    with pytest.raises(RequestError, match=r"part1.parquet and .*again.parquet: both hold chr1"):
        merge_scores([*parts, score(table, "again.parquet", ["chr1"])], table, out)
    other = score(pairs(4), "other.parquet", GROUPS[2])
    with pytest.raises(RequestError, match=r"other.parquet: its row \d+ is not the pair of "):
        merge_scores([*parts[:2], other], table, out)
    best = score(table, "best.parquet", GROUPS[2], output=OutputOptions(min_score=0.6))
    with pytest.raises(RequestError, match=r"best.parquet: its row \d+ is not .*without --top"):
        merge_scores([*parts[:2], best], table, out)
    fewer = tmp_path / "fewer.bedpe"
    fewer.write_text(
        "".join(
            line for line in table.read_text().splitlines(True) if not line.startswith("chr2\t")
        )
    )
    with pytest.raises(RequestError, match=r"part2.parquet: its row 1, on chr2, is no pair of "):
        merge_scores(parts, fewer, out)
    assert not out.exists()


def test_what_a_part_lacks_is_told_before_any_work(score, pairs, tmp_path):
    table = pairs(3)
    part = score(table, "part.bedpe", CONTIGS)
    with pytest.raises(RequestError, match=r"part.bedpe: a BEDPE holds no logits, which .*o.tsv"):
        merge_scores([part], table, tmp_path / "o.tsv")
    with pytest.raises(RequestError, match=r"no column probability: it is not from epipam score"):
        merge_scores([pairs(5, "tsv")], table, tmp_path / "o.tsv")
    with pytest.raises(RequestError, match=r"o.inter.bb: write .interact instead|bedToBigBed"):
        merge_scores([part], table, tmp_path / "o.inter.bb")


def test_a_part_keeps_rows_without_a_score(genome, score, tmp_path):
    table = tmp_path / "pairs.bedpe"
    table.write_text("chr1\t1\t9\tchr1\t1\t9\nchr2\t1\t9\tchr2\t1\t9999\nchr1\t2\t9\tchr1\t1\t9\n")
    with pytest.raises(RequestError, match="no usable pair"):
        score(table, "part.tsv", ["chr2"], bad_pairs="skip")
    part = score(table, "part.tsv", ["chr2", "chr1"], bad_pairs="skip")
    merge_scores([part], table, tmp_path / "merged.bedpe")
    scores = [line.split("\t")[7] for line in (tmp_path / "merged.bedpe").read_text().splitlines()]
    assert scores[1] == "."
    assert "." not in (scores[0], scores[2])
    assert scoring.CHUNK_ROWS == subject.CHUNK_ROWS


def test_parts_may_spell_contigs_otherwise_than_the_table(score, pairs, tmp_path):
    table = pairs(3)
    parts = [score(table, f"part{i}.bedpe", contigs) for i, contigs in enumerate(GROUPS)]
    for part in parts:
        part.write_text(re.sub(r"(^|\t)chr", r"\1", part.read_text(), flags=re.M))
    merge_scores(parts, table, tmp_path / "merged.bedpe")
    assert content(tmp_path / "merged.bedpe") == content(score(table, "scores.bedpe"))
