"""Score files: every row whole, every further column kept, whatever the input holds."""

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pysam
import pytest

from epipam.errors import PairTableError, RequestError
from epipam.pairs.table import COLUMNS, iter_pairs
from epipam.scoring.settings import ALL_PAIRS, OutputOptions
from epipam.scoring.writers import check_output, open_writer

ROW = "chr1,1,2,E,chr1,3,4,P,1"
TABLE_ENDINGS = [".tsv", ".tsv.gz", ".parquet"]
TEXT_ENDINGS = [".bedpe", ".tsv"]


@pytest.fixture
def write_scores(tmp_path):
    """Return `write_scores(content, ending, ...)`: the scores of a pair file."""

    def write(content, ending, chunk_rows=100, options=ALL_PAIRS, scores=None, overwrite=False):
        path, out = tmp_path / "pairs", tmp_path / f"scores{ending}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        first = 0
        with open_writer(out, overwrite=overwrite, options=options) as write_table:
            for table in iter_pairs(path, chunk_rows=chunk_rows, keep_fields=True):
                rows = slice(first, first := first + len(table))
                of_piece = np.full(len(table), 0.5) if scores is None else scores[rows]
                write_table(table, of_piece, np.log(of_piece / (1 - of_piece)))
        return out

    return write


def named(*further, rows):
    header = ",".join([*COLUMNS, *further])
    return "\n".join([header, *(f"{ROW},{row}" if row else ROW for row in rows)]) + "\n"


def read_table(path):
    if path.suffix == ".parquet":
        return pq.read_table(path, page_checksum_verification=True).to_pandas().fillna("")
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def lines_of(path):
    return path.read_bytes().decode().removesuffix("\n").split("\n")


def test_of_two_runs_to_one_output_the_second_is_refused(tmp_path):
    out, path = tmp_path / "scores.tsv", tmp_path / "pairs"
    path.write_text(named("x", rows=["a"]))
    (table,) = iter_pairs(path, keep_fields=True)
    with open_writer(out, overwrite=False) as slow:
        slow(table, np.array([0.25]), np.array([-1.0]))
        with (
            pytest.raises(RequestError, match=r"scores\.tsv: another process is writing it"),
            open_writer(out, overwrite=False),
        ):
            pytest.fail("both write")
        slow(table, np.array([0.25]), np.array([-1.0]))
    assert read_table(out)["probability"].tolist() == ["0.25", "0.25"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pairs", "scores.tsv"]


@pytest.mark.parametrize("ending", TEXT_ENDINGS)
def test_only_line_feeds_end_rows(write_scores, ending):
    values = ["a\u2028b", "a\x85b", "a\x1cb", 'a"b']
    header, *rows = lines_of(write_scores(named("x", rows=values), ending))
    assert header.split("\t")[-1] == "x"
    assert [row.split("\t")[-1] for row in rows] == values


@pytest.mark.parametrize("ending", TABLE_ENDINGS)
def test_columns_of_one_name_are_all_kept(write_scores, ending):
    names = ["x", "x", "x", "x_2", "probability", "logit", "input_logit", ""]
    out = write_scores(named(*names, rows=["a,b,c,d,e,f,g,h"]), ending)
    frame = read_table(out)
    assert list(frame.columns) == [
        *COLUMNS, "probability", "logit", "x", "x_3", "x_4", "x_2",
        "input_probability", "input_logit", "input_logit_2", "column_17",
    ]  # fmt: skip
    assert "".join(frame.iloc[0, 11:]) == "abcdefgh"


def test_bedpe_made_of_a_table_names_each_column_once(write_scores):
    header, row = lines_of(
        write_scores(named("score", "name", "x", "x", rows=["a,b,c,d"]), ".bedpe")
    )
    assert header.split("\t")[-4:] == ["input_score", "input_name", "x", "x_2"]
    assert row.split("\t")[-4:] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("ending", TABLE_ENDINGS)
@pytest.mark.parametrize("rows", [["a,b", "", "c", ",d"], ["", "a,b"]])
def test_columns_do_not_depend_on_the_piece(write_scores, ending, rows):
    out = write_scores(named("x", "y", rows=rows), ending, chunk_rows=1)
    frame = read_table(out)
    assert list(frame.columns)[-2:] == ["x", "y"]
    padded = [[*row.split(","), "", ""][:2] for row in rows]
    assert frame[["x", "y"]].to_numpy().tolist() == padded


@pytest.mark.parametrize("ending", TABLE_ENDINGS)
def test_the_widest_of_the_first_rows_makes_the_columns_where_nothing_names_them(
    write_scores, ending
):
    plain = "chr1\t1\t2\tchr1\t3\t4"
    content = f"{plain}\n{plain}\ta\tb\n{plain}\tc\n{plain}\td\te\t\t\n"
    frame = read_table(write_scores(content, ending, chunk_rows=2))
    assert frame["column_7"].tolist() == ["", "a", "c", "d"]
    assert frame["column_8"].tolist() == ["", "b", "", "e"]


@pytest.mark.parametrize("ending", [*TABLE_ENDINGS, ".bedpe"])
def test_a_later_row_with_more_columns_is_refused_by_its_line(write_scores, tmp_path, ending):
    content = named("x", rows=["a", "b", "c,d"])
    with pytest.raises(PairTableError) as caught:
        write_scores(content, ending, chunk_rows=2)
    assert str(caught.value) == (
        f"{tmp_path / 'pairs'}:4: row: 11 columns, but the rows before it have 10"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["pairs"]


def test_bedpe_that_stays_bedpe_keeps_rows_of_any_length(write_scores):
    plain = "chr1\t1\t2\tchr1\t3\t4"
    content = f"{plain}\tn\t9\n{plain}\n{plain}\tn\t9\t+\t-\tmore\n"
    assert lines_of(write_scores(content, ".bedpe", chunk_rows=1)) == [
        f"{plain}\tn\t0.5", f"{plain}\t.\t0.5", f"{plain}\tn\t0.5\t+\t-\tmore",
    ]  # fmt: skip


@pytest.mark.parametrize("ending", [*TEXT_ENDINGS, ".parquet"])
def test_a_tab_in_a_field_is_a_blank_in_text_and_kept_in_parquet(write_scores, ending):
    out = write_scores(named("x", rows=["plain", '"a\tb"']), ending)
    if ending == ".parquet":
        assert read_table(out)["x"].tolist() == ["plain", "a\tb"]
    else:
        header, *rows = [line.split("\t") for line in lines_of(out)]
        assert [len(row) for row in rows] == [len(header)] * 2
        assert rows[1][-1] == "a b"


@pytest.mark.parametrize("ending", TEXT_ENDINGS)
def test_bytes_that_are_not_utf8_survive_in_text(write_scores, ending):
    content = named("x", rows=["caf@", "é"]).encode().replace(b"@", b"\xe9")
    _, *rows = write_scores(content, ending).read_bytes().splitlines()
    assert [row.split(b"\t")[-1] for row in rows] == [b"caf\xe9", b"\xc3\xa9"]


def test_bytes_that_are_not_utf8_are_latin_1_in_parquet(write_scores):
    content = named("x@", rows=["caf@", "é"]).replace(",E,", ",E@,")
    out = write_scores(content.encode().replace(b"@", b"\xe9"), ".parquet")
    assert read_table(out)["xé"].tolist() == ["café", "é"]
    assert read_table(out)["enhancer_name"].tolist() == ["Eé", "Eé"]


def test_a_folder_is_no_output(tmp_path):
    out = tmp_path / "scores.tsv"
    out.mkdir()
    with pytest.raises(RequestError, match=r"scores\.tsv: is a folder"):
        check_output(out, overwrite=True)


@pytest.mark.parametrize("below", ["scores.tsv", "deep/er/scores.tsv"])
def test_a_path_below_a_file_is_no_output(tmp_path, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="file is a file, not a folder"):
        check_output(tmp_path / "file" / below, overwrite=True)


PLACES = [("chr2", 5, "chr2", 90), ("chr1", 70, "chr1", 9), ("chr1", 8, "chr2", 1),
          ("chr1", 8, "chr1", 50), ("chr10", 1, "chr10", 2)]  # fmt: skip
SORTED = [3, 2, 1, 4, 0]


def bedpe_of(places, name="E{}::P"):
    return "".join(
        f"{c}\t{s}\t{s + 4}\t{d}\t{t}\t{t + 4}\t{name.format(i)}\n"
        for i, (c, s, d, t) in enumerate(places)
    )


@pytest.mark.parametrize("ending", [".bedpe", ".bedpe.gz", ".tsv", ".tsv.gz"])
def test_sorted_rows_are_in_the_order_of_tabix_and_pairix(write_scores, ending):
    plain = write_scores(bedpe_of(PLACES), ending, chunk_rows=2)
    rows = read_rows(plain)
    options = OutputOptions(sort=True)
    by_position = read_rows(write_scores(bedpe_of(PLACES), ending, 2, options, overwrite=True))
    header = 1 if ending.startswith(".tsv") else 0
    assert by_position == rows[:header] + [rows[header:][i] for i in SORTED]


@pytest.mark.parametrize("ending", [".bedpe.gz", ".tsv.gz"])
@pytest.mark.parametrize("named", [False, True])
def test_an_index_appears_beside_the_table_and_goes_with_it(write_scores, tmp_path, ending, named):
    text = bedpe_of(PLACES)
    if named:
        text = "#chrom1\tstart1\tend1\tchrom2\tstart2\tend2\tname\n" + text
    out = write_scores(text, ending, 2, options=OutputOptions(index=True))
    with pysam.TabixFile(str(out)) as rows:
        assert rows.contigs == ["chr1", "chr10", "chr2"]
        assert [row.split("\t")[1] for row in rows.fetch("chr1", 10, 71)] == ["8", "8", "70"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pairs", out.name, f"{out.name}.tbi"]
    write_scores(text, ending, 2, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pairs", out.name]


def test_the_index_gets_its_name_after_the_scores_and_an_old_one_goes_before(
    write_scores, tmp_path, monkeypatch
):
    options = OutputOptions(index=True)
    out = write_scores(bedpe_of(PLACES), ".bedpe.gz", 2, options=options)
    there, replace = [], os.replace

    def renamed(partial, path):
        there.append((Path(path).name, sorted(p.name for p in tmp_path.glob("scores*"))))
        replace(partial, path)

    monkeypatch.setattr(os, "replace", renamed)
    write_scores(bedpe_of(PLACES), ".bedpe.gz", 2, options=options, overwrite=True)
    assert there == [(out.name, [out.name]), (f"{out.name}.tbi", [out.name])]


def test_long_contigs_are_indexed_too(write_scores):
    out = write_scores(
        bedpe_of([("chr1", 2**29 + 7, "chr1", 5)]), ".bedpe.gz", options=OutputOptions(index=True)
    )
    with pysam.TabixFile(str(out), index=f"{out}.csi") as rows:
        assert len(list(rows.fetch("chr1", 2**29 + 8, 2**29 + 9))) == 1


@pytest.mark.parametrize("ending", [".tsv", ".bedpe", ".parquet"])
def test_few_pairs_are_written_where_few_are_asked_for(write_scores, ending):
    scores = np.array([0.9, 0.1, np.nan, 0.5, 0.8])
    text = named("x", rows=list("abcde"))
    for options, expected in [
        (OutputOptions(min_score=0.5), "ade"),
        (OutputOptions(top=2), "ae"),
        (OutputOptions(min_score=0.85, top=2), "a"),
        (OutputOptions(min_score=0.95), ""),
    ]:
        out = write_scores(text, ending, 2, options=options, scores=scores, overwrite=True)
        if ending == ".bedpe":
            header, *rows = read_rows(out)
            assert header[-1] == "x"
            assert "".join(row[-1] for row in rows) == expected
        else:
            assert "".join(read_table(out)["x"]) == expected


def test_the_summary_of_genes_is_written_beside_the_scores(write_scores, tmp_path):
    options = OutputOptions(genes=tmp_path / "genes.tsv", genes_top=1)
    write_scores(bedpe_of(PLACES), ".parquet", 2, options=options, scores=np.linspace(0.1, 0.9, 5))
    frame = pd.read_csv(tmp_path / "genes.tsv", sep="\t")
    assert frame[["gene", "enhancer_name", "pairs"]].to_numpy().tolist() == [["P", "E4", 5]]


@pytest.mark.parametrize(
    ("name", "options", "what"),
    [
        ("x.bedpe", OutputOptions(index=True), "--index needs bgzip"),
        ("x.parquet", OutputOptions(sort=True), "--sort is for text"),
        ("x.tsv", OutputOptions(genes=Path("genes.txt")), "ending must be one of"),
        ("x.tsv", OutputOptions(genes=Path("x.tsv")), "two names"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, monkeypatch, name, options, what):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=what):
        check_output(Path(name), overwrite=False, options=options)


def test_nothing_is_left_of_a_sorted_file_that_fails(write_scores, tmp_path):
    content = named("x", rows=["a", "b", "c,d"])
    with pytest.raises(PairTableError):
        write_scores(content, ".tsv.gz", 2, options=OutputOptions(index=True))
    assert [p.name for p in tmp_path.iterdir()] == ["pairs"]


def read_rows(path):
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt") as handle:
        return [line.rstrip("\n").split("\t") for line in handle]


@pytest.mark.parametrize("ending", [".bedpe.gz", ".tsv.gz", ".interact.gz", ".longrange.gz"])
def test_an_index_of_no_rows_is_an_index(write_scores, ending):
    out = write_scores(bedpe_of(PLACES), ending, 2, OutputOptions(index=True, min_score=0.9))
    with pysam.TabixFile(str(out)) as rows:
        assert rows.contigs == []
