"""What a list of pairs is and what its splits leak, against plain loops and the paper's figures."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from epipam.cli import main
from epipam.evaluation.audit import SplitAudit, audit, audit_split, enhancer_overlap, mean_audit
from epipam.evaluation.baselines import frequency_scores
from epipam.loading.splits import Leakage, random_split
from epipam.pairs.table import COLUMNS, read_pairs

regions = st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 300), st.integers(0, 60))
pairs = st.lists(st.tuples(regions, st.integers(0, 2), st.sampled_from([-1, 0, 1])), max_size=25)


def table(rows: list[tuple[tuple[str, int, int], int, int]]) -> pd.DataFrame:
    """Return pairs of an enhancer, given as contig, start, length, and one of three promoters."""
    found = [
        (chrom, start, start + length, ".", chrom, 1_000 * number, 1_000 * number + 5, ".", label)
        for (chrom, start, length), number, label in rows
    ]
    frame = pd.DataFrame(found, columns=list(COLUMNS))
    return frame.astype({name: np.int64 for name in COLUMNS if name.endswith(("start", "end"))})


def widened(start: int, end: int, length: int) -> tuple[int, int]:
    if end - start >= length:
        return start, end
    left = start - -(-(length - (end - start)) // 2)
    return left, left + length


@settings(max_examples=30)
@given(pairs, st.integers(1, 80))
def test_overlaps_are_those_of_a_double_loop(
    rows: list[tuple[tuple[str, int, int], int, int]], length: int
) -> None:
    frame = table(rows)
    positives = frame[frame["label"] == 1]
    promoters = positives[["promoter_chrom", "promoter_start"]].apply(tuple, axis=1).tolist()
    windows = [
        widened(start, end, length)
        for start, end in zip(positives["enhancer_start"], positives["enhancer_end"], strict=True)
    ]
    overlapping = set()
    for i, j in itertools.permutations(range(len(positives)), 2):
        (start, end), (other_start, other_end) = windows[i], windows[j]
        if promoters[i] == promoters[j] and start < other_end and other_start < end:
            overlapping.add(i)
    found = enhancer_overlap(frame, length)
    assert found == (len(overlapping), len(positives))


@pytest.mark.parametrize(
    ("cells", "positives", "negatives", "percent"),
    [("GM12878", 2_113, 42_200, 79), ("K562", 1_977, 39_500, 71), ("NHEK", 1_291, 25_600, 81)],
)
def test_real_lists_have_the_counts_of_table_1_and_the_shares_of_figure_5(
    shared_data: Path, cells: str, positives: int, negatives: int, percent: int
) -> None:
    path = shared_data / f"pairs/targetfinder_{cells}.tsv.gz"
    found = audit(read_pairs(path).frame)
    assert (found.positives, found.negatives, found.unlabelled) == (positives, negatives, 0)
    assert round(100 * found.overlap.share) == percent
    by_chromosome, at_random = found.splits["chromosomes"], found.splits["random"]
    assert by_chromosome.leakage == (positives + negatives, 0, 0, 0)
    # Nothing that was seen is met again, so nothing can be told.
    assert by_chromosome.frequency_auroc == 0.5
    assert at_random.leakage.promoter > 0.9
    assert at_random.frequency_auroc is not None
    assert at_random.frequency_auroc > 0.85


def test_the_random_split_is_judged_as_scikit_learn_judges_it() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (("chr1", int(start), 10), int(promoter), int(label))
        for start, promoter, label in zip(
            rng.integers(0, 40, 400), rng.integers(0, 3, 400), rng.integers(0, 2, 400), strict=True
        )
    ]
    frame = table(rows)
    split = random_split(len(frame), 3)
    train, test = frame.iloc[split.train], frame.iloc[split.test]
    scores = frequency_scores(test, train)
    assert scores is not None
    found = audit(frame, seed=3).splits
    assert set(found) == {"random"}  # of one chromosome there are no folds
    assert found["random"].leakage.n_test == len(test)
    assert found["random"].frequency_auroc == pytest.approx(
        roc_auc_score(test["label"], scores), abs=1e-6
    )


def test_unlabelled_and_trans_pairs_are_counted_and_have_no_distance() -> None:
    frame = table([(("chr1", 10, 4), 1, 1), (("chr1", 10, 4), 2, -1), (("chr2", 0, 8), 0, 0)])
    frame.loc[2, "promoter_chrom"] = "chr1"
    found = audit(frame)
    assert (found.positives, found.negatives, found.unlabelled) == (1, 1, 1)
    assert found.enhancer.distinct == 2
    assert found.enhancer.length == (4, 5, 6, 7, 8)
    assert found.distance == {"positive": (990.5,) * 5}
    assert found.splits == {}


def test_the_command_prints_each_list(tmp_path: Path) -> None:
    rows = [((f"chr{1 + i % 9}", 100 * i, 50), i % 3, i % 2) for i in range(60)]
    for name in ("one.tsv", "two.tsv"):
        table(rows).to_csv(tmp_path / name, sep="\t", index=False)
    done = CliRunner().invoke(main, ["audit", str(tmp_path / "one.tsv"), str(tmp_path / "two.tsv")])
    assert done.exit_code == 0, done.output
    assert done.output.count("30 positive and 30 negative pairs") == 2
    assert done.output.count("chromosomes split: 60 test pairs") == 2


def test_a_split_is_judged_by_the_windows_that_a_model_reads() -> None:
    train = table([(("chr1", 100, 10), 0, 1), (("chr1", 500, 10), 1, 0)])
    test = table([(("chr1", 130, 10), 7, 1), (("chr1", 900, 10), 8, 0), (("chr1", 520, 10), 9, -1)])
    near = audit_split(train, test, 10, 10)
    assert near.leakage == (3, 0, 0, 0)
    assert near.frequency_auroc == 0.5
    wide = audit_split(train, test, 100, 10)
    assert wide.leakage.enhancer == pytest.approx(2 / 3)
    assert "of 3 test pairs, the enhancer of 67%, the promoter of 0%" in wide.sentence()


def test_what_several_test_parts_leak_together_is_weighted_by_their_pairs() -> None:
    one = SplitAudit(Leakage(10, 0.5, 1.0, 0.5), 0.9)
    other = SplitAudit(Leakage(30, 0.1, 0.2, 0.1), 0.5)
    both = mean_audit([one, other, SplitAudit(Leakage(0, 0, 0, 0), None)])
    assert both.leakage == pytest.approx((40, 0.2, 0.4, 0.2))
    assert both.frequency_auroc == pytest.approx(0.6)
    assert mean_audit([]) == SplitAudit(Leakage(0, 0, 0, 0), None)


def test_repeats_contradictions_and_far_pairs_are_counted_and_said(tmp_path: Path) -> None:
    rows = [
        ("chr1", 10, 20, "chr1", 3_000_000, 3_000_100, 1),
        ("1", 10, 20, "chr1", 3_000_000, 3_000_100, 1),
        ("chr1", 30, 40, "chr1", 900, 950, 1),
        ("1", 30, 40, "1", 900, 950, 0),
    ]
    path = tmp_path / "pairs.tsv"
    columns = [name for name in COLUMNS if not name.endswith("name")]
    pd.DataFrame(rows, columns=columns).to_csv(path, sep="\t", index=False)
    done = CliRunner().invoke(main, ["audit", str(path)])
    assert done.exit_code == 0, done.output
    assert "repeated: 1 rows" in done.stdout
    assert "contradictory: 1 pairs have both labels, in 2 rows" in done.stdout
    assert "far apart: 2 positive pairs by more than 2,000,000 bp, up to 3,000,035" in done.stdout
    skipped = CliRunner().invoke(main, ["audit", str(path), "--bad-pairs", "skip"])
    assert "2 positive and 0 negative" in skipped.stdout
    assert "rows left out: 2 pair with both labels" in skipped.stdout


def test_regions_that_end_before_they_begin_are_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.bedpe"
    path.write_text("chr1\t20\t10\tchr1\t50\t60\nchr1\t10\t20\tchr1\t50\t60\n")
    done = CliRunner().invoke(main, ["audit", str(path)])
    assert done.exit_code == 2
    assert f"{path}:1: enhancer_start: start 20 lies after end 10" in done.stderr
    kept = CliRunner().invoke(main, ["audit", str(path), "--bad-pairs", "skip"])
    assert "rows left out: 1 start after end" in kept.stdout
