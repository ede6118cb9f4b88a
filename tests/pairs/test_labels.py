"""Labels from loops, against a plain loop."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from epipam.cli import main
from epipam.errors import RequestError
from epipam.pairs.labels import choose_negatives, label
from epipam.pairs.table import COLUMNS, distance, read_pairs

region = st.tuples(st.integers(0, 60), st.integers(1, 12)).map(lambda r: (r[0], r[0] + r[1]))
chrom = st.sampled_from(["chr1", "1", "chr2"])
pairs = st.lists(st.tuples(chrom, region, region), min_size=1, max_size=10)


def write(path, rows):
    path.write_text("".join(f"{c}\t{a}\t{b}\t{c}\t{d}\t{e}\n" for c, (a, b), (d, e) in rows))
    return path


@settings(max_examples=25)
@given(pairs, pairs, st.integers(0, 5), st.integers(1, 6))
def test_positives_are_those_of_a_double_loop(tmp_path_factory, candidates, loops, slop, least):
    def meets(one, end):
        first, last = max(0, end[0] - slop), end[1] + slop
        shared = min(one[1], last) - max(one[0], first)
        return shared >= min(least, one[1] - one[0], last - first)

    def joins(pair, loop):
        (chrom, one, other), (on, left, right) = pair, loop
        same = chrom.removeprefix("chr") == on.removeprefix("chr")
        straight = meets(one, left) and meets(other, right)
        return same and (straight or (meets(one, right) and meets(other, left)))

    folder = tmp_path_factory.mktemp("label")
    files = [write(folder / n, r) for n, r in (("c.bedpe", candidates), ("l.bedpe", loops))]
    expected = [int(any(joins(pair, loop) for loop in loops)) for pair in candidates]
    out = folder / "out.tsv"
    options = {"slop": slop, "min_overlap": least}
    if not any(expected):
        with pytest.raises(RequestError, match="--slop widens"):
            label(*files, out, **options)
        assert not out.exists()
        return
    made = label(*files, out, **options)
    frame = read_pairs(out).frame
    assert frame["label"].tolist() == expected
    assert frame["enhancer_start"].tolist() == [one[0] for _, one, _ in candidates]
    assert (made.positives, made.negatives) == (sum(expected), len(expected) - sum(expected))
    assert sum(made.negatives_by_rule.values()) == made.negatives
    assert made.loops_used == sum(any(joins(p, loop) for p in candidates) for loop in loops)


def list_of(distances):
    rows = [("1", 0, 10, "", "1", int(d), int(d) + 10, "", -1) for d in distances]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_matched_negatives_are_as_many_as_positives_in_each_bin():
    generator = np.random.default_rng(0)
    frame = list_of(generator.integers(0, 100_000, 3_000))
    positive = np.arange(3_000) < 50
    chosen = choose_negatives(frame, positive, "matched", 4, np.random.default_rng(1))
    assert chosen.sum() == 200
    assert not (chosen & positive).any()
    edges = np.quantile(distance(frame)[positive], np.linspace(0, 1, 6))
    counts = [np.histogram(distance(frame)[rows], edges)[0].tolist() for rows in (positive, chosen)]
    assert [4 * n for n in counts[0]] == counts[1]


def test_negatives_of_the_same_distance_are_within_five_per_cent_of_a_positive():
    generator = np.random.default_rng(0)
    frame = list_of(generator.integers(1_000, 100_000, 3_000))
    positive = np.arange(3_000) < 50
    chosen = choose_negatives(frame, positive, "same-distance", 3, np.random.default_rng(1))
    far = distance(frame)
    for negative in far[chosen]:
        assert np.abs(negative / far[positive] - 1).min() <= 0.05
    assert 100 < chosen.sum() <= 150


CANDIDATES = [
    ("chr1", (100, 200), (900, 1000)),  # joined
    ("1", (910, 990), (110, 190)),  # joined, the other way round
    ("chr1", (100, 200), (3000, 3100)),  # one end
    ("chr1", (5000, 5100), (3000, 3100)),  # no end
    ("chr1", (100, 200), (9_000_000, 9_000_100)),  # far
]


def test_the_command_counts_by_rule_and_leaves_far_candidates_out(tmp_path):
    files = [
        str(write(tmp_path / "c.bedpe", CANDIDATES)),
        str(write(tmp_path / "l.bedpe", [("1", (50, 300), (800, 1_100)), ("1", (1, 2), (3, 4))])),
    ]
    out = tmp_path / "out.tsv"
    command = ["label", *files, "-o", str(out), "--max-distance", "1000000"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{out}: 2 positive and 2 negative pairs",
        "  of 5 candidates; 1 of 2 loops join one",
        "  positive: 2 whose regions meet the two ends of a loop",
        "  negative: 1, neither region meets a loop's end",
        "  negative: 1, one region meets a loop's end",
        "  candidates left out: 1 farther than asked for",
    ]
    frame = read_pairs(out).frame
    assert frame["label"].tolist() == [1, 1, 0, 0]
    assert set(frame["enhancer_chrom"]) == {"chr1"}
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 2
    assert "exists already" in again.stderr


def test_loops_with_labels_count_where_they_are_positive(tmp_path):
    header = "\t".join(c for c in COLUMNS if not c.endswith("name")) + "\n"
    row = "chr1\t{}\t{}\tchr1\t900\t1000\t{}\n"
    loops = tmp_path / "loops.tsv"
    loops.write_text(header + row.format(100, 200, 1) + row.format(3000, 3100, 0))
    rows = [("chr1", (100, 200), (900, 1000)), ("chr1", (3000, 3100), (900, 1000))]
    candidates = write(tmp_path / "c.bedpe", rows)
    made = label(candidates, loops, tmp_path / "out.tsv")
    assert (made.positives, made.negatives) == (1, 1)
    assert made.loops_left_out == {"not of label 1": 1}
