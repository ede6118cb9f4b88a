"""Score files: every row whole, every further column kept, whatever the input holds."""

import functools

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from epipam import pairs
from epipam.errors import PairTableError, RequestError
from epipam.pair_formats import open_text
from epipam.pairs import COLUMNS, iter_pairs
from epipam.score_writers import check_output, open_writer

ROW = "chr1,1,2,E,chr1,3,4,P,1"
TABLE_ENDINGS = [".tsv", ".tsv.gz", ".parquet"]
TEXT_ENDINGS = [".bedpe", ".tsv"]


@pytest.fixture
def write_scores(tmp_path, monkeypatch):
    """Return `write_scores(content, ending, chunk_rows)`: the scores of a pair file."""
    keep_bytes = functools.partial(open_text, keep_bytes=True)
    monkeypatch.setattr(pairs, "open_text", lambda path, **_: keep_bytes(path))

    def write(content, ending, chunk_rows=100):
        path, out = tmp_path / "pairs", tmp_path / f"scores{ending}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with open_writer(out, overwrite=False) as write_table:
            for table in iter_pairs(path, chunk_rows=chunk_rows, keep_fields=True):
                write_table(table, np.full(len(table), 0.5), np.zeros(len(table)))
        return out

    return write


def named(*further, rows):
    header = ",".join([*COLUMNS, *further])
    return "\n".join([header, *(f"{ROW},{row}" if row else ROW for row in rows)]) + "\n"


def read_table(path):
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pandas()
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def lines_of(path):
    return path.read_bytes().decode().removesuffix("\n").split("\n")


def test_two_runs_to_one_output_do_not_mix(tmp_path):
    out, path = tmp_path / "scores.tsv", tmp_path / "pairs"
    path.write_text(named("x", rows=["a"]))
    (table,) = iter_pairs(path, keep_fields=True)
    with open_writer(out, overwrite=False) as slow:
        slow(table, np.array([0.25]), np.array([-1.0]))
        with open_writer(out, overwrite=False) as quick:
            quick(table, np.array([0.75]), np.array([1.0]))
        assert read_table(out)["probability"].tolist() == ["0.75"]
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
    names = ["x", "x", "x", "x_2", "probability", "logit", "label", "input_label", ""]
    out = write_scores(named(*names, rows=["a,b,c,d,e,f,g,h,i"]), ending)
    frame = read_table(out)
    assert list(frame.columns) == [
        *COLUMNS, "probability", "logit", "x", "x_3", "x_4", "x_2",
        "input_probability", "input_logit", "input_label", "input_label_2", "column_18",
    ]  # fmt: skip
    assert "".join(frame.iloc[0, 11:]) == "abcdefghi"


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
