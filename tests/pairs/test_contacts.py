"""Contacts from loops and peaks, and their negatives, against plain loops and a published list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from epipam.cli import main
from epipam.errors import RequestError
from epipam.pairs.contacts import (
    CONTACT_COLUMNS,
    DISTANCE_TOLERANCE,
    PEAK_COLUMNS,
    contacts_between_peaks,
    labelled_pairs,
    loops_from_pairs,
    matched_negatives,
    moved_negatives,
    overlaps_contact,
    peaks_from_regions,
)
from epipam.pairs.region_files import read_regions
from epipam.pairs.table import COLUMNS, read_pairs

intervals = st.tuples(st.integers(0, 400), st.integers(0, 60)).map(lambda i: (i[0], i[0] + i[1]))
chroms = st.sampled_from(["1", "2"])
loops_lists = st.lists(st.tuples(chroms, intervals, intervals), max_size=12)
peak_lists = st.lists(st.tuples(chroms, intervals, st.integers(0, 3)), max_size=12)


def loops_of(rows: list[tuple[str, tuple[int, int], tuple[int, int]]]) -> pd.DataFrame:
    ordered = [(chrom, *min(a, b), *max(a, b)) for chrom, a, b in rows]
    return _typed(pd.DataFrame(ordered, columns=list(CONTACT_COLUMNS)))


def peaks_of(rows: list[tuple[str, tuple[int, int], int]]) -> pd.DataFrame:
    table = [
        (f"chr{chrom}", start, max(end, start + 1), signal) for chrom, (start, end), signal in rows
    ]
    return _typed(pd.DataFrame(table, columns=list(PEAK_COLUMNS)))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({name: object if name == "chrom" else np.int64 for name in frame.columns})


def window(start: int, end: int, length: int) -> tuple[int, int]:
    """docs/architecture.md, `Windows`."""
    excess = end - start - length
    first = start + -(-excess // 2) if excess > 0 else start - -(excess // 2)
    return first, first + length


@settings(max_examples=30)
@given(loops_lists, peak_lists)
def test_contacts_are_those_of_a_loop_over_loops_and_peaks(
    loop_rows: list[tuple[str, tuple[int, int], tuple[int, int]]],
    peak_rows: list[tuple[str, tuple[int, int], int]],
) -> None:
    loops, peaks = loops_of(loop_rows), peaks_of(peak_rows)
    if not {chrom for chrom, *_ in loop_rows} & {chrom for chrom, *_ in peak_rows}:
        with pytest.raises(RequestError, match="share no chromosome"):
            contacts_between_peaks(loops, peaks, 50)
        return

    def best(chrom: str, start: int, end: int) -> tuple[int, int] | None:
        met = [
            (-signal, peak_start, peak_end)
            for peak_chrom, peak_start, peak_end, signal in peaks.itertuples(index=False)
            if peak_chrom == f"chr{chrom}" and peak_start < max(end, start + 1) and start < peak_end
        ]
        # Equally strong peaks that begin together: the first in the file.
        met.sort(key=lambda peak: peak[:2])
        return met[0][1:] if met else None

    expected: list[tuple[str, int, int, int, int]] = []
    for chrom, left_start, left_end, right_start, right_end in loops.itertuples(index=False):
        left, right = best(chrom, left_start, left_end), best(chrom, right_start, right_end)
        if left is None or right is None:
            continue
        windows = sorted([window(*left, 50), window(*right, 50)])
        row = (chrom, *windows[0], *windows[1])
        if left != right and windows[0][0] >= 0 and row not in expected:
            expected.append(row)
    found = contacts_between_peaks(loops, peaks, 50)
    if len({(row[0], row[1]) for row in peak_rows}) == len(peak_rows):  # peaks told apart by place
        assert [tuple(row) for row in found.table.itertuples(index=False)] == expected
    assert len(found.table) + sum(found.left_out.values()) == len(loops)


@settings(max_examples=30)
@given(loops_lists, loops_lists)
def test_overlaps_are_those_of_a_double_loop(
    pair_rows: list[tuple[str, tuple[int, int], tuple[int, int]]],
    contact_rows: list[tuple[str, tuple[int, int], tuple[int, int]]],
) -> None:
    def meet(a: tuple[int, int], b: tuple[int, int]) -> bool:
        # A region of no width is the base at its start.
        return a[0] < max(b[1], b[0] + 1) and b[0] < max(a[1], a[0] + 1)

    expected = [
        any(
            chrom == other and ((meet(a, c) and meet(b, d)) or (meet(a, d) and meet(b, c)))
            for other, c, d in contact_rows
        )
        for chrom, a, b in pair_rows
    ]
    found = overlaps_contact(loops_of(pair_rows), loops_of(contact_rows))
    assert found.tolist() == expected


def test_moved_negatives_are_those_of_the_published_list(shared_data: Path) -> None:
    frame = read_pairs(shared_data / "pairs/chiapet_HeLaS3_pol2.csv.gz").frame
    positives = loops_from_pairs(frame[frame["label"] == 1]).table
    published = loops_from_pairs(frame[frame["label"] == 0]).table
    found = moved_negatives(positives)
    # 43 of the published negatives overlap a positive pair; all others are these, in this order.
    in_contact = overlaps_contact(published, positives)
    assert found.left_out == {"overlaps a positive pair": 43}
    assert in_contact.sum() == 43
    assert found.table.equals(published[~in_contact].reset_index(drop=True))


@pytest.fixture(scope="module")
def real(shared_data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the K562 loops and CTCF peaks."""
    loops = read_pairs(shared_data / "loops/GSE63525_K562_HiCCUPS_looplist.txt.gz").frame
    peaks = pd.read_csv(
        shared_data / "peaks/K562_CTCF.narrowPeak.gz",
        sep="\t",
        header=None,
        usecols=[0, 1, 2, 6],
        names=list(PEAK_COLUMNS),
    )
    return loops_from_pairs(loops).table, peaks


def test_matched_negatives_keep_peaks_and_distance_and_meet_no_loop(
    real: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    loops, peaks = real
    positives = contacts_between_peaks(loops, peaks).table
    found = matched_negatives(positives, loops, peaks, seed=1)
    assert len(positives) > 4_000
    assert len(found.table) + sum(found.left_out.values()) == 4 * len(positives)
    assert not found.table.duplicated().any()
    assert not overlaps_contact(found.table, loops).any()
    centres = {
        (str(chrom).removeprefix("chr"), window(start, end, 1_000)[0])
        for chrom, start, end in peaks[["chrom", "start", "end"]].itertuples(index=False)
    }
    anchors = [
        (row.chrom, start)
        for row in found.table.itertuples()
        for start in (row.left_start, row.right_start)
    ]
    assert set(anchors) <= centres
    distances = [
        np.sort((t["right_start"] - t["left_start"]).to_numpy()) for t in (positives, found.table)
    ]
    ratio = np.quantile(distances[1], [0.1, 0.5, 0.9]) / np.quantile(distances[0], [0.1, 0.5, 0.9])
    assert np.abs(ratio - 1).max() < DISTANCE_TOLERANCE


def test_matched_negatives_depend_on_the_seed_alone(
    real: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    loops, peaks = real
    positives = contacts_between_peaks(loops, peaks).table.head(50)
    drawn = [matched_negatives(positives, loops, peaks, seed=s).table for s in (1, 1, 2)]
    assert drawn[0].equals(drawn[1])
    assert not drawn[0].equals(drawn[2])


def test_anchors_are_put_in_order_and_loops_between_chromosomes_are_left_out() -> None:
    frame = pd.DataFrame(
        [
            ("chr1", 500, 600, "b", "chr1", 100, 200, "a", 1),
            ("chr1", 1, 2, ".", "chr2", 3, 4, ".", 1),
        ],
        columns=list(COLUMNS),
    )
    found = loops_from_pairs(frame)
    assert found.table.to_numpy().tolist() == [["chr1", 100, 200, 500, 600]]
    assert found.left_out == {"between two chromosomes": 1}


def test_labelled_pairs_are_a_canonical_table(tmp_path: Path) -> None:
    positives = loops_of([("1", (100, 200), (500, 600))])
    negatives = moved_negatives(positives, move=50).table
    path = tmp_path / "pairs.tsv"
    labelled_pairs(positives, negatives).to_csv(path, sep="\t", index=False)
    frame = read_pairs(path).frame
    assert frame["label"].tolist() == [1] + [0] * len(negatives)
    assert frame["enhancer_start"].tolist() == [100, 150, 50, 100, 50][: len(frame)]


@pytest.mark.parametrize("negatives", ["moved", "matched"])
def test_the_command_runs_on_the_real_loops(
    shared_data: Path, tmp_path: Path, negatives: str
) -> None:
    files = ("loops/GSE63525_K562_HiCCUPS_looplist.txt.gz", "peaks/K562_CTCF.narrowPeak.gz")
    out = tmp_path / "pairs.tsv"
    command = ["chiapet", *(str(shared_data / name) for name in files), "-o", str(out)]
    done = CliRunner().invoke(main, [*command, "--negatives", negatives])
    assert done.exit_code == 0, done.output
    assert "4,099 positive and 16,396 negative pairs" in done.output
    assert read_pairs(out).frame["label"].value_counts().to_dict() == {1: 4_099, 0: 16_396}
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 2
    assert "exists already" in again.output


def test_the_strongest_peak_is_read_from_its_signal(tmp_path: Path) -> None:
    peaks = tmp_path / "peaks.narrowPeak"
    rows = [(110, 130, 1.5), (150, 170, 7.25), (510, 530, 3)]
    peaks.write_text(
        "".join(f"chr1\t{start}\t{end}\t.\t0\t.\t{s}\t-1\t-1\t5\n" for start, end, s in rows)
    )
    table = peaks_from_regions(read_regions(peaks))
    assert table["signal"].tolist() == [1.5, 7.25, 3]
    found = contacts_between_peaks(loops_of([("1", (100, 200), (500, 600))]), table, 20)
    assert found.table.to_numpy().tolist() == [["1", 150, 170, 510, 530]]
