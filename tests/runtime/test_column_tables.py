"""Tables of columns: the same values from text, bgzip and Parquet; whole or not there."""

import gzip

import pandas as pd
import pytest

from epipam.runtime.column_tables import ENDINGS, open_table

COLUMNS = {"name": str, "count": int, "value": float}
PIECES = [
    {"name": ["a", ""], "count": [1, None], "value": [0.5, None]},
    {"name": ["tab\there"], "count": [-3], "value": [1 / 3]},
]


@pytest.mark.parametrize("ending", ENDINGS)
def test_pieces_come_back_as_one_table(tmp_path, ending):
    out = tmp_path / f"t{ending}"
    with open_table(out, ending, COLUMNS) as write:
        for piece in PIECES:
            write(piece)
        assert not out.exists()
    if ending == ".parquet":
        found = pd.read_parquet(out)
        assert found["name"].tolist()[::2] == ["a", "tab\there"]
        assert str(found["count"].dtype) in ("Int64", "float64")
    else:
        found = pd.read_csv(out, sep="\t", na_values=["."])
        assert found["name"].tolist()[::2] == ["a", "tab here"]
    assert list(found.columns) == list(COLUMNS)
    assert found.isna().sum().tolist() == [1, 1, 1]
    assert found["count"].tolist()[::2] == [1, -3]
    assert found["value"].tolist()[::2] == pytest.approx([0.5, 1 / 3], rel=1e-7)


def test_gz_is_bgzip(tmp_path):
    with open_table(tmp_path / "t.tsv.gz", ".tsv.gz", COLUMNS) as write:
        write(PIECES[0])
    assert (tmp_path / "t.tsv.gz").read_bytes()[12:16] == b"BC\x02\x00"
    assert gzip.decompress((tmp_path / "t.tsv.gz").read_bytes()).count(b"\n") == 3


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_left_when_the_work_fails(tmp_path, ending):
    def fail():
        with open_table(tmp_path / f"t{ending}", ending, COLUMNS) as write:
            write(PIECES[0])
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_text_are_kept_in_tsv_and_spelled_out_in_parquet(tmp_path):
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    piece = {"name": [name], "count": [1], "value": [1.0]}
    for ending in (".tsv", ".parquet"):
        with open_table(tmp_path / f"t{ending}", ending, COLUMNS) as write:
            write(piece)
    assert b"caf\xe9\t1\t1\n" in (tmp_path / "t.tsv").read_bytes()
    assert pd.read_parquet(tmp_path / "t.parquet")["name"].tolist() == ["caf\\xe9"]
