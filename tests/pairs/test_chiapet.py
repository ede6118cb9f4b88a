"""`chiapet` from file to file: spellings, limits, what is said of the peaks."""

import pytest

from epipam.errors import PairTableError, RequestError
from epipam.pairs.chiapet import chiapet
from epipam.pairs.table import read_pairs

PEAKS = "".join(f"chr1\t{s}\t{s + 100}\tp\t{n}\n" for n, s in enumerate((5000, 9000, 30000, 90000)))
LOOPS = "chr1\t4900\t5200\tchr1\t8900\t9200\n1\t5000\t5001\t1\t30000\t30001\n"


@pytest.fixture
def make(tmp_path):
    """Return `make(loops, peaks, **options)`: the result, and the table that was written."""

    def make(loops=LOOPS, peaks=PEAKS, **options):
        (tmp_path / "loops.bedpe").write_text(loops)
        (tmp_path / "peaks.bed").write_text(peaks)
        out = tmp_path / "out.tsv"
        files = (tmp_path / "loops.bedpe", tmp_path / "peaks.bed", out)
        made = chiapet(*files, overwrite=True, **options)
        return made, read_pairs(out).frame

    return make


def test_two_spellings_in_one_file_are_one_chromosome(make):
    for peaks in (PEAKS, PEAKS.replace("chr1", "1")):
        made, frame = make(peaks=peaks)
        assert (made.positives, made.negatives) == (2, 8)
        assert set(frame["enhancer_chrom"]) == {"chr1"}
        assert any("read 1 as chr1" in note for note in made.notes)


def test_positives_are_limited_by_their_distance(make):
    made, frame = make(max_distance=4_000)
    assert made.positives == 1
    assert made.loops_left_out == {"farther than asked for": 1}
    assert make(min_distance=4_001)[0].loops_left_out == {"nearer than asked for": 1}
    with pytest.raises(RequestError, match="limits of the distance"):
        make(max_distance=10)
    assert frame["label"].sum() == 1


def test_a_genome_gives_its_names_and_its_ends(make, tmp_path):
    sizes = tmp_path / "sizes"
    sizes.write_text("1\t30200\n")
    with pytest.raises(RequestError, match=r"peaks.bed:4: chromEnd: 90100 lies outside 1 "):
        make(genome=sizes)
    made, frame = make(peaks=PEAKS.rpartition("chr1")[0], genome=sizes)
    assert set(frame["promoter_chrom"]) == {"1"}
    # The window about the last peak ends behind the chromosome.
    assert made.loops_left_out == {"a window lies outside its chromosome": 1}
    assert frame["promoter_end"].max() <= 30_200


def test_of_a_list_with_labels_only_the_positives_are_loops(make):
    columns = [
        "enhancer_chrom",
        "enhancer_start",
        "enhancer_end",
        "promoter_chrom",
        "promoter_start",
    ]
    header = "\t".join([*columns, "promoter_end", "label"])
    rows = [line + f"\t{label}" for line, label in zip(LOOPS.splitlines(), (0, 1), strict=True)]
    made, frame = make(loops="\n".join([header, *rows]) + "\n")
    assert made.positives == 1
    assert made.loops_left_out == {"not of label 1": 1}
    assert frame["promoter_start"][0] == 29_550
    with pytest.raises(RequestError, match="no pair of label 1"):
        make(loops="\n".join([header, rows[0]]) + "\n")


def test_loops_that_end_before_they_begin_are_refused_or_counted(make):
    loops = LOOPS + "chr1\t5200\t5000\tchr1\t9000\t9100\n"
    with pytest.raises(PairTableError, match=r"loops.bedpe:3: enhancer_start: start 5200 lies aft"):
        make(loops=loops)
    assert make(loops=loops, bad_pairs="skip")[0].loops_left_out == {"start after end": 1}


@pytest.mark.parametrize(
    ("peaks", "said"),
    [
        (PEAKS, "read as BED5, peaks compared by score"),
        (PEAKS.replace("\tp", "\tp\t1000"), "all peaks with one score"),
        ("chr1\t5000\t5100\nchr1\t9000\t9100\n", "read as BED3, without a signal"),
    ],
)
def test_what_the_strongest_peak_is_found_by_is_said(make, peaks, said):
    assert any(said in note for note in make(peaks=peaks)[0].notes)
