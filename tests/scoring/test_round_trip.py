"""What epipam writes it reads, with the same meaning: scored again, the numbers are the same."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epipam.models.folder import trained_on_simulated
from epipam.pairs.table import iter_pairs
from epipam.scoring.origin import Origin, origin_of, read_origin
from epipam.scoring.writers import ENDINGS, open_writer

BUNDLED = Path(__file__).parents[2] / "kipoi_model" / "EPIPAM"
ORIGIN = Origin("M", "ab12", True, "hg19.fa", "epipam score M hg19.fa pairs -o a\tb")
# UCSC's converter makes bigInteract of what .interact holds; bgzip is told apart by content.
WRITTEN = [e for e in ENDINGS if not e.endswith((".inter.bb", ".gz"))] + [".bedpe.gz"]
TEXTS = [ending for ending in WRITTEN if ending != ".parquet"]
COLUMNS = ["enhancer_chrom", "enhancer_start", "enhancer_end", "enhancer_name"]
COLUMNS += ["promoter_chrom", "promoter_start", "promoter_end", "promoter_name", "label"]


def logit_of(row: tuple) -> float:
    """Return a number that depends on both anchors, and on which of them is the enhancer."""
    text = "|".join(map(str, row)).encode()
    return struct.unpack("<H", hashlib.sha256(text).digest()[:2])[0] / 8192 - 4


def scored_again(pairs: Path, out: Path) -> list[tuple]:
    """Score a file with the fake above; return its anchors and numbers in their order."""
    found = []
    with open_writer(out, overwrite=True, origin=ORIGIN) as write:
        for table in iter_pairs(pairs, chunk_rows=3, keep_fields=True):
            anchors = table.frame[[c for c in COLUMNS[:-1] if not c.endswith("name")]]
            rows = list(anchors.itertuples(index=False, name=None))
            logits = np.array([logit_of(row) for row in rows])
            found += list(zip(rows, logits.tolist(), strict=True))
            write(table, 1 / (1 + np.exp(-logits)), logits)
    return found


regions = st.tuples(
    st.sampled_from(["chr1", "chr2"]),
    st.integers(0, 9),
    st.integers(1, 5),
    st.sampled_from(["", "a", "b"]),
).map(lambda r: (r[0], r[1], r[1] + r[2], r[3]))
pair_lists = st.lists(
    st.tuples(regions, regions, st.sampled_from([1, 0, -1])), min_size=1, max_size=9
)


@pytest.mark.parametrize("ending", WRITTEN)
@pytest.mark.parametrize("given_as", ["tsv", "bedpe"])
@given(pairs=pair_lists)
@settings(max_examples=6)
def test_what_is_written_is_read_and_scored_to_the_same_numbers(
    tmp_path_factory, ending, given_as, pairs
):
    folder = tmp_path_factory.mktemp("trip")
    first = folder / f"pairs.{given_as}"
    if given_as == "tsv":
        rows = [[*e, *p, label] for e, p, label in pairs]
        pd.DataFrame(rows, columns=COLUMNS).to_csv(first, sep="\t", index=False)
    else:
        lines = [[*e[:3], *p[:3], f"{e[3]}::{p[3]}"] for e, p, _ in pairs]
        first.write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
    out, again, third = (folder / f"{name}{ending}" for name in ("out", "again", "third"))
    given_rows = scored_again(first, out)
    read_back = scored_again(out, again)
    assert sorted(read_back) == sorted(given_rows)
    is_track = not ending.removesuffix(".gz").endswith((".tsv", ".csv", ".parquet")) and (
        ending.removesuffix(".gz") != ".bedpe"
    )
    if not is_track:
        assert read_back == given_rows
    assert scored_again(again, third) == read_back
    if ending in TEXTS and not ending.endswith((".gz", ".tsv", ".csv", ".longrange")):
        assert rows_of(again) == rows_of(out)


def rows_of(path: Path) -> list[list[str]]:
    """Return the fields of each row, without an interact record's name, which may lose a `::`."""
    lines = path.read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith(("#", "track"))]
    return [row[:3] + row[4:] if path.suffix == ".interact" else row for row in rows]


@pytest.mark.parametrize("ending", [".tsv", ".csv", ".bedpe", ".parquet", ".tsv.gz"])
def test_labels_and_names_come_back(tmp_path, ending):
    first = tmp_path / "pairs.tsv"
    rows = [["chr1", 1, 2, "E", "chr1", 5, 6, "P", 1], ["chr1", 1, 2, "", "chr1", 7, 8, "Q", 0]]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(first, sep="\t", index=False)
    out = tmp_path / f"out{ending}"
    scored_again(first, out)
    (table,) = iter_pairs(out)
    assert table.frame[COLUMNS].to_numpy().tolist() == rows


@pytest.mark.parametrize("ending", [".igv.bedpe", ".tsv", ".interact", ".longrange", ".parquet"])
def test_the_bundled_model_gives_its_probabilities_again(tmp_path, shared_data, ending):
    from epipam.models.logits import probabilities
    from epipam.scoring.score import load_engine, score_file

    first = tmp_path / "pairs.bedpe"
    first.write_text(
        "chr20\t1250000\t1250600\tchr20\t1200000\t1200500\te1::GENEA\n"
        "chr20\t1300000\t1300500\tchr20\t1350000\t1350600\te2::GENEB\n"
    )
    genome = shared_data / "genome" / "hg19_chr20_2Mb.fa.gz"
    engine = load_engine(BUNDLED, "cpu")
    out, again = tmp_path / f"scores{ending}", tmp_path / "again.tsv"
    score_file(engine, genome, first, out)
    score_file(engine, genome, out, again, to_probability=probabilities)
    frame = pd.read_csv(again, sep="\t", comment="#")
    assert frame["probability"].round(4).tolist() == [0.2599, 0.7249]
    assert frame["enhancer_start"].tolist() == [1250000, 1300000]


# What made it.


@pytest.fixture
def scores(tmp_path):
    """Return `scores(ending)`: a file of two pairs, one of them without a score."""

    def write(ending: str) -> Path:
        pairs = tmp_path / "pairs.bedpe"
        pairs.write_text("chr1\t1\t2\tchr1\t5\t6\tE::P\t.\t7\nchr1\t1\t2\tchr1\t8\t9\t.\t.\t8\n")
        out = tmp_path / f"out{ending}"
        with open_writer(out, overwrite=True, origin=ORIGIN) as write_table:
            for table in iter_pairs(pairs, keep_fields=True):
                write_table(table, np.array([0.5, np.nan]), np.array([0.0, np.nan]))
        return out

    return write


@pytest.mark.parametrize("ending", [e for e in TEXTS if not e.endswith(".gz")])
def test_text_says_what_made_it_in_a_comment(scores, ending):
    comments = [line for line in scores(ending).read_text().splitlines() if line.startswith("# ")]
    made = comments[0]
    for said in ("M", "ab12", "trained on simulated sequence", "hg19.fa", "-o a b"):
        assert said in made


def test_a_track_says_what_made_it_in_its_title_and_description(scores):
    track = scores(".interact").read_text().splitlines()[0]
    assert track.startswith('track type=interact name="out (simulated)" description="')
    assert "model M (sha256 ab12, trained on simulated sequence), genome hg19.fa" in track


def test_parquet_says_what_made_it_in_its_schema(scores):
    path = scores(".parquet")
    said = {k.decode(): v.decode() for k, v in pq.read_schema(path).metadata.items()}
    assert said["epipam_model"] == "M"
    assert said["epipam_trained_on"] == "simulated sequence"
    assert read_origin(path) == ORIGIN


@pytest.mark.parametrize("ending", [".tsv", ".bedpe.gz", ".csv"])
def test_what_made_a_table_is_read_back(scores, ending):
    found = read_origin(scores(ending))
    assert found is not None
    assert (found.model, found.sha256, found.simulated) == ("M", "ab12", True)
    assert found.command == ORIGIN.command.replace("\t", " ")


def test_the_bundled_model_is_said_to_be_trained_on_simulated_sequence(tmp_path):
    origin = origin_of(BUNDLED, Path("hg19.fa"))
    assert origin.simulated
    assert origin.model == "EPIPAM"
    assert trained_on_simulated({"about": "trained on the pairs of K562"}) is None
    assert trained_on_simulated({"simulated": True}) is True
    assert trained_on_simulated({"simulated": False, "about": "simulated"}) is False


@pytest.mark.parametrize(
    ("simulated", "said"),
    [(True, "simulated sequence"), (False, "real sequence"), (None, "unknown")],
)
def test_what_a_model_was_trained_on_is_never_guessed(simulated, said):
    origin = Origin("M", "ab12", simulated, "hg19.fa")
    assert origin.metadata()["epipam_trained_on"] == said
    assert ("real" in origin.comment()) == (simulated is False)
    assert ("simulated" in origin.comment()) == (simulated is True)


@pytest.mark.parametrize("simulated", [True, False, None])
def test_what_a_model_was_trained_on_is_read_back_from_text(tmp_path, simulated):
    origin = Origin("M", "ab12", simulated, "hg19.fa")
    (tmp_path / "out.tsv").write_text(f"# {origin.comment()}\n")
    assert read_origin(tmp_path / "out.tsv") == origin


# Types and missing values.


@pytest.mark.parametrize(("ending", "sep"), [(".tsv", "\t"), (".csv", ",")])
def test_what_is_missing_is_empty_so_that_numbers_are_numbers(scores, ending, sep):
    text = scores(ending).read_text()
    assert "." not in {field for line in text.splitlines() for field in line.split(sep)}
    frame = pd.read_csv(scores(ending), sep=sep, comment="#")
    assert frame["probability"].dtype == frame["logit"].dtype == np.float64
    assert frame["probability"].isna().tolist() == [False, True]
    assert frame["enhancer_name"].tolist()[0] == "E"
    assert frame["promoter_name"].isna().tolist() == [False, True]


def test_parquet_has_types_and_nulls(tmp_path):
    from epipam.scoring.formats import FurtherColumns

    pairs = tmp_path / "pairs.tsv"
    names = [*COLUMNS, "distance", "count", "kind", "code", "none"]
    rows = [
        ["chr1", 1, 2, "E", "chr1", 5, 6, ".", 1, "4.5", "3", "x", "007", "."],
        ["chr1", 1, 2, ".", "chr1", 5, 6, "P", 0, "NA", ".", "", "1", "."],
    ]
    pairs.write_text("\n".join("\t".join(map(str, row)) for row in [names, *rows]) + "\n")
    columns = FurtherColumns(".parquet")
    for table in iter_pairs(pairs, keep_fields=True):
        columns.learn_types(table)
    with open_writer(tmp_path / "out.parquet", overwrite=False, columns=columns) as write:
        for table in iter_pairs(pairs, keep_fields=True):
            write(table, np.array([0.5, np.nan]), np.array([0.0, np.nan]))
    found = pq.read_table(tmp_path / "out.parquet")
    types = {name: str(found.schema.field(name).type) for name in names[9:]}
    assert types == {
        "distance": "double", "count": "int64", "kind": "string", "code": "string",
        "none": "string",
    }  # fmt: skip
    assert found["distance"].to_pylist() == [4.5, None]
    assert found["count"].to_pylist() == [3, None]
    assert found["kind"].to_pylist() == ["x", None]
    assert found["enhancer_name"].to_pylist() == ["E", None]
    assert found["probability"].to_pylist() == [0.5, None]
