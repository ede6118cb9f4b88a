"""Scores: one row per input row, in order, equal to a full forward pass over the FASTA."""

import gzip
import math

import numpy as np
import pandas as pd
import pysam
import pytest
import torch

from epipam.errors import EpipamError, PairTableError, RequestError
from epipam.genome.contigs import Aliases
from epipam.models import EpipamConfig, create_model, load_model, save_model
from epipam.runtime.devices import choose_device
from epipam.runtime.notes import listening
from epipam.scoring import score as scoring
from epipam.scoring.choice import Choice, Stretch
from epipam.scoring.score import load_engine, score_file

ENHANCER, PROMOTER = 1_300, 1_251
CONTIGS = {"chr1": 9_000, "chr2": 5_001}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a genome, a model and candidates."""
    folder = tmp_path_factory.mktemp("scoring")
    rng = np.random.default_rng(0)
    with (folder / "genome.fa").open("w") as handle:
        for name, length in CONTIGS.items():
            letters = "".join(rng.choice(list("ACGTacgtN"), length))
            handle.write(f">{name}\n{letters}\n")
    torch.manual_seed(0)
    config = EpipamConfig(enhancer_length=ENHANCER, promoter_length=PROMOTER)
    save_model(create_model("epipam", config), folder / "model", {"about": "random weights"})
    rows = []
    for i in range(60):
        chrom = str(rng.choice(list(CONTIGS)))
        starts = rng.integers(0, CONTIGS[chrom] - 400, 2)
        lengths = rng.integers(0, 400, 2)
        anchors = [(chrom, int(s), int(s + n)) for s, n in zip(starts, lengths, strict=True)]
        rows.append([*anchors[0], *anchors[1], f"pair{i}", "7", "+", "-", f"extra{i}"])
    text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    (folder / "candidates.bedpe").write_text(text)
    return folder


@pytest.fixture(scope="module")
def engine(folder):
    return load_engine(folder / "model", "cpu", batch_size=7)


def window(fasta, chrom, start, end, length):
    """Cut a window in plain Python, and one-hot encode it base by base."""
    half = math.ceil(abs(end - start - length) / 2)
    first = start + half if end - start > length else start - half
    contig = fasta.fetch(chrom)
    onehot = np.zeros((4, length), dtype=np.float32)
    for i in range(length):
        position = first + i
        if 0 <= position < len(contig):
            base = "ACGT".find(contig[position].upper())
            if base >= 0:
                onehot[base, i] = 1
    return onehot


@pytest.fixture(scope="module")
def expected(folder):
    """Return the probability of each candidate by a forward pass on windows cut by hand."""
    network = load_model(folder / "model")
    values = []
    with (
        pysam.FastaFile(str(folder / "genome.fa")) as fasta,
        (folder / "candidates.bedpe").open() as handle,
        torch.no_grad(),
    ):
        for line in handle:
            f = line.split("\t")
            windows = (
                window(fasta, f[0], int(f[1]), int(f[2]), ENHANCER),
                window(fasta, f[3], int(f[4]), int(f[5]), PROMOTER),
            )
            logit = network(*(torch.from_numpy(w)[None] for w in windows))
            values.append(torch.sigmoid(logit).item())
    return np.array(values)


def score(engine, folder, out, pairs="candidates.bedpe", **options):
    return score_file(engine, folder / "genome.fa", folder / pairs, out, **options)


def read_bedpe(path):
    opener = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rt") as handle:
        return [line.rstrip("\n").split("\t") for line in handle]


@pytest.mark.parametrize("ending", [".bedpe", ".bedpe.gz"])
def test_bedpe_keeps_order_and_columns_and_has_the_probability_in_column_8(
    engine, folder, tmp_path, expected, ending
):
    result = score(engine, folder, tmp_path / f"o{ending}")
    rows = read_bedpe(result.path)
    given = read_bedpe(folder / "candidates.bedpe")
    assert [r[:7] + r[8:] for r in rows] == [g[:7] + g[8:] for g in given]
    np.testing.assert_allclose([float(r[7]) for r in rows], expected, atol=1e-6)


def test_gz_is_bgzip(engine, folder, tmp_path):
    result = score(engine, folder, tmp_path / "o.tsv.gz")
    assert result.path.read_bytes()[12:16] == b"BC\x02\x00"


@pytest.mark.parametrize("ending", [".tsv", ".tsv.gz", ".parquet"])
def test_tables_keep_order_and_further_columns(engine, folder, tmp_path, expected, ending):
    out = score(engine, folder, tmp_path / f"o{ending}").path
    frame = pd.read_parquet(out) if ending == ".parquet" else pd.read_csv(out, sep="\t")
    np.testing.assert_allclose(frame["probability"], expected, atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-frame["logit"])), expected, atol=1e-6)
    assert list(frame["column_11"]) == [f"extra{i}" for i in range(60)]
    assert frame["enhancer_start"].dtype == np.int64


@pytest.mark.parametrize("chunk_rows", [1, 7, 60, 1000])
def test_scores_do_not_depend_on_how_the_file_is_cut(
    engine, folder, tmp_path, expected, monkeypatch, chunk_rows
):
    monkeypatch.setattr(scoring, "CHUNK_ROWS", chunk_rows)
    out = score(engine, folder, tmp_path / "o.tsv").path
    np.testing.assert_allclose(pd.read_csv(out, sep="\t")["probability"], expected, atol=1e-6)


def test_parquet_streams_pieces_with_and_without_scores(engine, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK_ROWS", 1)
    (folder / "mixed.bedpe").write_text("chr1\t1\t2\tchr1\t1\t2\nchr9\t1\t2\tchr9\t1\t2\n")
    out = score(engine, folder, tmp_path / "o.parquet", "mixed.bedpe", bad_pairs="skip").path
    assert pd.read_parquet(out)["probability"].isna().tolist() == [False, True]


def test_a_named_table_becomes_bedpe_with_a_header_and_its_own_columns(engine, folder, tmp_path):
    (folder / "named.csv").write_text(
        "label,promoter_chrom,promoter_start,promoter_end,enhancer_chrom,enhancer_start,"
        "enhancer_end,enhancer_name,tissue\n1,chr1,10,20,chr1,500,900,E1,liver\n"
    )
    out = score(engine, folder, tmp_path / "o.bedpe", "named.csv").path
    header, row = read_bedpe(out)
    assert header[0] == "#chrom1"
    assert dict(zip(header, row, strict=True)) | {"score": ""} == {
        "#chrom1": "chr1", "start1": "500", "end1": "900",
        "chrom2": "chr1", "start2": "10", "end2": "20",
        "name": "E1::", "score": "", "strand1": ".", "strand2": ".",
        "enhancer_name": "E1", "label": "1", "tissue": "liver",
    }  # fmt: skip


def test_bad_pairs_stop_before_any_work_and_leave_nothing(engine, folder, tmp_path):
    (folder / "bad.bedpe").write_text("chr1\t1\t2\tchr1\t1\t2\nchr1\t1\t2\tchr1\t1\t99999\n")
    with pytest.raises(PairTableError, match=r"bad\.bedpe:2: promoter_end: 99999 lies outside"):
        score(engine, folder, tmp_path / "o.bedpe", "bad.bedpe")
    assert list(tmp_path.iterdir()) == []


def test_skipped_pairs_keep_their_row_and_are_counted(engine, folder, tmp_path):
    (folder / "bad.bedpe").write_text("chr1\t1\t2\tchr1\t1\t2\nchr1\t1\t2\tchr1\t1\t99999\n")
    result = score(engine, folder, tmp_path / "o.bedpe", "bad.bedpe", bad_pairs="skip")
    rows = read_bedpe(result.path)
    assert float(rows[0][7]) > 0
    assert rows[1][7] == "."
    assert result.skipped == {"coordinates outside the contig": 1}


def test_no_usable_pair_is_an_error_and_leaves_nothing(engine, folder, tmp_path):
    (folder / "other.bedpe").write_text("chr9\t1\t2\tchr9\t1\t2\n")
    for bad_pairs in ("fail", "skip"):
        with pytest.raises(PairTableError):
            score(engine, folder, tmp_path / "o.bedpe", "other.bedpe", bad_pairs=bad_pairs)
    assert list(tmp_path.iterdir()) == []


def test_trans_pairs_are_scored_only_where_asked(engine, folder, tmp_path):
    (folder / "trans.bedpe").write_text("chr1\t100\t200\tchr2\t100\t200\n")
    with pytest.raises(PairTableError, match="different contigs"):
        score(engine, folder, tmp_path / "o.bedpe", "trans.bedpe")
    result = score(engine, folder, tmp_path / "o.bedpe", "trans.bedpe", trans="keep")
    assert 0 < float(read_bedpe(result.path)[0][7]) < 1


def test_chromosomes_named_without_chr_are_read_and_said(engine, folder, tmp_path, expected):
    text = (folder / "candidates.bedpe").read_text().replace("chr", "")
    (folder / "bare.bedpe").write_text(text)
    result = score(engine, folder, tmp_path / "o.tsv", "bare.bedpe")
    assert result.renamed == {"1": "chr1", "2": "chr2"}
    frame = pd.read_csv(result.path, sep="\t")
    np.testing.assert_allclose(frame["probability"], expected, atol=1e-6)


@pytest.mark.parametrize("ending", [".tsv", ".interact"])
def test_names_of_other_databases_are_contigs_by_a_table_of_aliases(
    engine, folder, tmp_path, expected, ending
):
    text = (folder / "candidates.bedpe").read_text().replace("chr", "NC_00000")
    (folder / "ncbi.bedpe").write_text(text)
    aliases = Aliases([("NC_000001", "chr1"), ("NC_000002", "chr2")])
    with pytest.raises(RequestError, match="NC_000001"):
        score(engine, folder, tmp_path / f"o{ending}", "ncbi.bedpe")
    result = score(engine, folder, tmp_path / f"o{ending}", "ncbi.bedpe", aliases=aliases)
    assert result.renamed == {"NC_000001": "chr1", "NC_000002": "chr2"}
    assert result.rows == len(expected)
    if ending == ".tsv":
        frame = pd.read_csv(result.path, sep="\t")
        np.testing.assert_allclose(frame["probability"], expected, atol=1e-6)
    part = score(
        engine, folder, tmp_path / f"p{ending}", "ncbi.bedpe", aliases=aliases, contigs=["1"]
    )
    assert 0 < part.rows < result.rows


def test_the_share_of_n_is_that_of_the_distinct_windows_that_were_scored(tmp_path, engine, folder):
    letters = "ACGTN" * 4_000 + "N" * 8_000
    (tmp_path / "genome.fa").write_text(f">chr1\n{letters}\n")
    pair = "chr1\t5000\t5100\tchr1\t9000\t9100\n"
    (tmp_path / "pairs.bedpe").write_text(
        2 * pair + pair.replace("5000\t5100", "24000\t24100") + pair.replace("9000\t9", "25000\t25")
    )
    result = score_file(
        engine,
        tmp_path / "genome.fa",
        tmp_path / "pairs.bedpe",
        tmp_path / "o.tsv",
        bad_pairs="skip",
    )
    assert result.skipped == {"enhancer window all N": 1, "promoter window all N": 1}
    # Every fifth letter, one at a time between bases.
    assert result.share_of_n == pytest.approx(0.2, abs=0.001)


def test_genes_where_a_bedpe_has_its_enhancers_are_noted(engine, folder, tmp_path):
    rows = [line.split("\t") for line in (folder / "candidates.bedpe").read_text().splitlines()[:6]]
    genes = ("MYC", "GATA1", "TP53", "HBB", "SOX2", "NANOG")
    told: list[str] = []
    for first in (True, False):
        text = ""
        for number, (row, gene) in enumerate(zip(rows, genes, strict=True)):
            names = (gene, f"peak{number}") if first else (f"peak{number}", gene)
            text += "\t".join([*row[:6], "::".join(names)]) + "\n"
        (tmp_path / "pairs.bedpe").write_text(text)
        with listening(told.append):
            score_file(
                engine,
                folder / "genome.fa",
                tmp_path / "pairs.bedpe",
                tmp_path / "o.tsv",
                overwrite=True,
            )
        odd = [line for line in told if "the enhancers bear names of genes" in line]
        assert bool(odd) == first
        told.clear()


def test_genes_a_region_and_a_distance_choose_the_pairs_that_are_scored(engine, tmp_path):
    random = np.random.default_rng(2)
    (tmp_path / "genome.fa").write_text(f">chr1\n{''.join(random.choice(list('ACGT'), 20_000))}\n")
    rows = [
        (2_000, 9_000, "MYC"), (4_000, 9_000, "myc"), (8_900, 9_000, "MYC"), (2_000, 5_000, "TP53"),
    ]  # fmt: skip
    (tmp_path / "pairs.bedpe").write_text(
        "".join(
            f"chr1\t{e}\t{e + 100}\tchr1\t{p}\t{p + 100}\te{number}::{gene}\n"
            for number, (e, p, gene) in enumerate(rows)
        )
    )

    def scored(*genes, region=None, min_distance=None):
        stretch = None if region is None else Stretch.parse(region)
        result = score_file(
            engine,
            tmp_path / "genome.fa",
            tmp_path / "pairs.bedpe",
            tmp_path / "o.tsv",
            choice=Choice(genes, stretch, min_distance),
            overwrite=True,
        )
        return pd.read_csv(result.path, sep="\t", comment="#")["enhancer_name"].tolist()

    assert scored("Myc") == ["e0", "e1", "e2"]
    assert scored("MYC", "TP53", min_distance=3_000) == ["e0", "e1", "e3"]
    assert scored(region="1:4,100-4,200") == ["e1"]  # its last base
    with pytest.raises(PairTableError, match="no pair is left"):
        scored(region="chr1:4101-4200")
    with pytest.raises(PairTableError, match="no promoter is called GATA1: genes go by"):
        scored("MYC", "GATA1")
    with pytest.raises(RequestError, match="has no contig chr7"):
        scored(region="chr7:1-2")


@pytest.mark.parametrize("text", ["chr1", "chr1:5-4", "chr1:0-4", "chr1:,-4", ":1-2", "c:1-2-3x"])
def test_what_is_no_region_is_refused(text):
    with pytest.raises(RequestError, match="is no region"):
        Stretch.parse(text)


def test_an_existing_file_is_kept_unless_told(engine, folder, tmp_path):
    (tmp_path / "o.tsv").write_text("mine")
    with pytest.raises(RequestError, match="exists already"):
        score(engine, folder, tmp_path / "o.tsv")
    assert (tmp_path / "o.tsv").read_text() == "mine"
    score(engine, folder, tmp_path / "o.tsv", overwrite=True)


def test_an_unknown_ending_lists_the_known_ones(engine, folder, tmp_path):
    with pytest.raises(RequestError, match=r"\.bedpe, \.bedpe\.gz, \.tsv"):
        score(engine, folder, tmp_path / "o.xlsx")


def test_a_failure_in_mid_file_leaves_nothing(engine, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK_ROWS", 20)

    def fail(rows):
        raise OSError("disk full")

    with pytest.raises(EpipamError, match="disk full"):
        score(engine, folder, tmp_path / "o.parquet", on_rows=fail)
    assert list(tmp_path.iterdir()) == []


def test_each_distinct_window_is_read_once(folder):
    frame = pd.DataFrame(
        {
            "enhancer_chrom": ["chr1"] * 3,
            "enhancer_start": [10, 10, 50], "enhancer_end": [20, 20, 90],
            "promoter_chrom": ["chr1"] * 3, "promoter_start": [5] * 3, "promoter_end": [6] * 3,
        }
    )  # fmt: skip
    from epipam.genome.fasta import Genome

    windows = scoring.read_windows(
        frame, Genome(folder / "genome.fa"), {"chr1": "chr1"}, ENHANCER, PROMOTER
    )
    assert windows.enhancer.shape == (2, ENHANCER // 2)
    assert windows.promoter.shape == (1, (PROMOTER + 1) // 2)
    assert windows.enhancer_row.tolist() == [0, 0, 1]


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(RequestError, match="--device"):
        choose_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(RequestError, match="--device cuda"):
            choose_device("cuda")
