"""Reading pair tables: what is written in any of three formats is read back."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import pickle
import re
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epipam.errors import EpipamError, PairTableError, RequestError
from epipam.pairs.formats import text_rows
from epipam.pairs.table import (
    COLUMNS,
    PairTable,
    digest,
    distance,
    iter_pairs,
    raise_malformed,
    read_pairs,
)

CANONICAL = [
    "enhancer_chrom", "enhancer_start", "enhancer_end", "enhancer_name",
    "promoter_chrom", "promoter_start", "promoter_end", "promoter_name", "label",
]  # fmt: skip
CHIAPET = ["chr_r1", "start_r1", "end_r1", "name_r1", "chr_r2", "start_r2", "end_r2", "name_r2"]
ANCHORS = [name for name in CANONICAL[:-1] if not name.endswith("_name")]
BGZF_EXTRA = b"BC\x02\x00"

Pair = tuple[str, int, int, str, str, int, int, str, int]


def pairs_of(table: PairTable) -> list[Pair]:
    return list(table.frame.itertuples(index=False, name=None))


# Any table in any of the three formats.


class PairFile(NamedTuple):
    """A pair file to write, and what must be read back from it."""

    lines: list[str]
    newline: str
    last_newline: bool
    byte_order_mark: bool
    compression: str
    label_column: str | None
    pairs: list[Pair]
    line: list[int]
    fields: list[list[str]]

    def content(self) -> bytes:
        text = self.newline.join(self.lines) + (self.newline if self.last_newline else "")
        return text.encode("utf-8-sig" if self.byte_order_mark else "utf-8")


@contextmanager
def written(file: PairFile):
    """Write a file under a name that says nothing of its format or compression."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pairs")
        if file.compression == "bgzip":
            with pysam.BGZFile(str(path), "w", None) as handle:
                handle.write(file.content())
            assert BGZF_EXTRA in path.read_bytes()[:18]
        else:
            compress = gzip.compress if file.compression == "gzip" else bytes
            path.write_bytes(compress(file.content()))
        yield path


LABELS = {1: ["1", "1.0"], 0: ["0", "0.0"], -1: ["-1", "-1.0", ".", "", "NA"]}

chroms = st.text("abcXYZ0189_.-|*", min_size=1, max_size=6).filter(lambda c: c.strip(".") != "")
coordinates = st.integers(0, 10**10)
# No `#`: a line that begins with one is a comment. No outer blanks: they are stripped.
names = st.text("abcZ09é中 ,;:|\"'()_-.\t", max_size=9)
pair_rows = st.tuples(
    chroms, coordinates, coordinates, names,
    chroms, coordinates, coordinates, names, st.sampled_from([1, 0, -1]),
)  # fmt: skip


def joined(fields: list[str], delimiter: str) -> str:
    if delimiter != ",":
        return delimiter.join(fields)
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(fields)
    return buffer.getvalue()


@st.composite
def pair_files(draw) -> PairFile:
    kind = draw(st.sampled_from(["table", "chiapet", "bedpe"]))
    delimiter = (
        draw(st.sampled_from("\t,")) if kind == "table" else {"chiapet": ","}.get(kind, "\t")
    )

    def tidy(name: str) -> str:
        return (name.replace("\t", "") if delimiter == "\t" else name).strip()

    rows = draw(st.lists(pair_rows, min_size=1, max_size=8))
    rows = [tuple(tidy(v) if isinstance(v, str) else v for v in row) for row in rows]
    spelled = [[*map(str, row[:8]), draw(st.sampled_from(LABELS[row[8]]))] for row in rows]

    if kind == "bedpe":
        columns = [*ANCHORS, "name", "label", "note"]
        columns = columns[: draw(st.integers(6, len(columns)))]
        header = draw(st.sampled_from([None, "# ", "#", ""]))
    else:
        columns = (
            [*CANONICAL, "further", "more"] if kind == "table" else [*CHIAPET, "label", "more"]
        )
        columns = columns[: draw(st.integers(9, len(columns)))]
        if kind == "table":
            columns = draw(st.permutations(columns))
        header = ""

    label_column = None
    if kind == "bedpe" and "label" in columns:
        by_name = header is not None and draw(st.booleans())
        label_column = draw(st.sampled_from([None, "label" if by_name else "8"]))
    further = draw(names.map(tidy))

    def value(row: list[str], column: str) -> str:
        column = CANONICAL[CHIAPET.index(column)] if column in CHIAPET else column
        return row[CANONICAL.index(column)] if column in CANONICAL else further

    fields = [[value(row, column) for column in columns] for row in spelled]
    pairs = rows
    if kind == "bedpe":
        known = label_column is not None
        pairs = [(*r[:3], "", *r[4:7], "", r[8] if known else -1) for r in rows]

    lines, line = [], []
    if header is not None:
        # A plain header of BEDPE has words for coordinates.
        title = [c.removeprefix("enhancer_").removeprefix("promoter_") for c in columns]
        lines.append(header + joined(title if kind == "bedpe" else columns, delimiter))
    for row in fields:
        noise = st.lists(st.sampled_from(["", "  ", "# a remark"]), max_size=2)
        lines += draw(noise)
        lines.append(joined(row, delimiter))
        line.append(len(lines))
    lines += draw(st.lists(st.sampled_from(["", " ", "#"]), max_size=2))
    return PairFile(
        lines,
        newline=draw(st.sampled_from(["\n", "\r\n"])),
        last_newline=draw(st.booleans()),
        byte_order_mark=draw(st.booleans()),
        compression=draw(st.sampled_from(["none", "gzip", "bgzip"])),
        label_column=label_column,
        pairs=pairs,
        line=line,
        fields=fields,
    )


@given(pair_files())
def test_any_table_in_any_format_is_read_back_as_it_was_written(file):
    with written(file) as path:
        table = read_pairs(path, file.label_column)
    assert pairs_of(table) == file.pairs
    assert table.line.tolist() == file.line
    assert table.malformed == []
    assert table.path == path


@given(pair_files(), st.integers(1, 9))
@settings(max_examples=40)
def test_reading_by_pieces_of_any_size_gives_the_whole(file, chunk_rows):
    with written(file) as path:
        whole = read_pairs(path, file.label_column)
        pieces = list(iter_pairs(path, file.label_column, chunk_rows=chunk_rows, keep_fields=True))
    assert all(1 <= len(piece) <= chunk_rows for piece in pieces)
    assert [pair for piece in pieces for pair in pairs_of(piece)] == pairs_of(whole)
    assert [n for piece in pieces for n in piece.line.tolist()] == file.line
    assert {piece.layout.kind for piece in pieces} == {whole.layout.kind}
    assert [fields for piece in pieces for fields in piece.fields] == file.fields


@given(
    blank=st.sampled_from([*" \t\v\f\x1c\x1d\x1e\x1f\x85\xa0\u3000", "  "]),
    delimiter=st.sampled_from(["\t", ","]),
    padded=st.sets(st.integers(0, 8)),
    lines_at_once=st.sampled_from([1, 2, 500]),
)
def test_blanks_in_one_row_are_left_out_though_the_rows_around_it_have_none(
    tmp_path_factory, blank, delimiter, padded, lines_at_once
):
    if blank == delimiter:
        return
    path = tmp_path_factory.mktemp("blanks") / "pairs.txt"
    fields = ["chr1", "10", "20", "one", "chr2", "30", "40", "other", "1"]
    odd = [f"{blank}{field}{blank}" if i in padded else field for i, field in enumerate(fields)]
    lines = [delimiter.join(row) for row in (CANONICAL, fields, odd, fields)]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_rows, "_LINES_AT_ONCE", lines_at_once)
        found = pairs_of(read_pairs(path))
    assert found == [("chr1", 10, 20, "one", "chr2", 30, 40, "other", 1)] * 3


def is_readable_by_rule(fields: list[str]) -> bool:
    if len(fields) < 6 or "" in (fields[0], fields[3]) or "." in (fields[0], fields[3]):
        return False
    numbers = [fields[i] for i in (1, 2, 4, 5)]
    if not all(re.fullmatch("-?[0123456789]{1,15}(\\.0)?", number) for number in numbers):
        return False
    label = fields[6] if len(fields) > 6 else ""
    return label in {spelling for spellings in LABELS.values() for spelling in spellings}


chrom_field = st.sampled_from(["chr1", "chr1", "chr1", ".", ""])
number_field = st.sampled_from(["1", "20", "-1", "1", "300", "1,000", "1e3", "2.0", "x", "", "1 2"])
label_field = st.sampled_from(["1", "0", ".", "2", "yes"])
doubtful_rows = st.tuples(
    chrom_field, number_field, number_field, chrom_field, number_field, number_field, label_field
).flatmap(lambda row: st.integers(5, 7).map(lambda n: list(row[:n])))


@given(st.lists(doubtful_rows, min_size=1, max_size=40), st.integers(1, 9))
def test_exactly_the_rows_that_break_a_rule_are_reported_by_line(rows, chunk_rows):
    rows = [["chr1", "1", "2", "chr1", "3", "4", "1"], *rows]
    good = [i for i, row in enumerate(rows, start=1) if is_readable_by_rule(row)]
    bad = [i for i in range(1, len(rows) + 1) if i not in good]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pairs.bedpe")
        path.write_text("".join("\t".join(row) + "\n" for row in rows))
        table = read_pairs(path, "7", malformed="skip")
        pieces = list(iter_pairs(path, "7", chunk_rows=chunk_rows, malformed="skip"))
        error = None
        try:
            list(iter_pairs(path, "7", chunk_rows=chunk_rows))
        except PairTableError as caught:
            error = caught
    assert table.line.tolist() == good
    assert [number_in(text, path) for text in table.malformed] == bad
    assert [text for piece in pieces for text in piece.malformed] == table.malformed
    assert [n for piece in pieces for n in piece.line.tolist()] == good
    # The error tells of the whole file, whatever the size of the pieces.
    assert (error is None) == (not bad)
    if error is not None:
        assert error.rows == table.malformed[:20]
        assert error.n_rows == len(bad)


def number_in(text: str, path: Path) -> int:
    return int(text.removeprefix(f"{path}:").split(":")[0])


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_table_or_one_clear_error(content, compressed):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pairs.bedpe")
        path.write_bytes(gzip.compress(content) if compressed else content)
        try:
            assert len(read_pairs(path)) > 0
        except PairTableError as error:
            assert str(error).startswith(f"{path}:")  # noqa: PT017 (one of two outcomes)


# What PITFALLS.md, line 11, names, each on its own.

PLAIN = "chr1 10 20 chr1 30 40"
PLAIN_PAIR: Pair = ("chr1", 10, 20, "", "chr1", 30, 40, "", -1)


@pytest.fixture
def write(tmp_path):
    """Return `write(*lines, name=...)`; blanks in the lines stand for tabs."""

    def write_lines(*lines: str, name: str = "pairs.bedpe", newline: str = "\n") -> Path:
        path = tmp_path / name
        path.write_bytes("".join(line.replace(" ", "\t") + newline for line in lines).encode())
        return path

    return write_lines


def refused(path: Path, *arguments, **settings) -> PairTableError:
    with pytest.raises(PairTableError) as caught:
        read_pairs(path, *arguments, **settings)
    assert caught.value.exit_code == 2
    return caught.value


def test_bedpe_with_a_commented_header_is_read(write):
    table = read_pairs(write("#chrom1 start1 end1 chrom2 start2 end2 name score", f"{PLAIN} a 5"))
    assert pairs_of(table) == [PLAIN_PAIR]
    assert table.layout.kind == "bedpe"
    assert table.layout.names[6:] == ("name", "score")


def test_bedpe_with_names_among_its_further_columns_is_read_as_bedpe(write):
    header = "#chrom1 s1 e1 chrom2 s2 e2 name score enhancer_name promoter_name label"
    path = write("\n".join([header, f"{PLAIN} pair 0.5 e1 p1 1", ""]).replace(" ", "\t"))
    table = read_pairs(path, "label")
    assert table.layout.kind == "bedpe"
    assert table.frame["label"].tolist() == [1]


def test_bedpe_with_a_plain_header_is_read(write):
    table = read_pairs(write("chr1 x1 x2 chr2 y1 y2 color", f"{PLAIN} red"))
    assert pairs_of(table) == [PLAIN_PAIR]
    assert table.line.tolist() == [2]


def test_bedpe_of_six_columns_is_read(write):
    table = read_pairs(write(PLAIN))
    assert pairs_of(table) == [PLAIN_PAIR]
    assert table.layout.names is None


@pytest.mark.parametrize(
    ("row", "column"),
    [(". -1 -1 chr1 30 40", "enhancer_chrom"), ("chr1 10 20 . -1 -1", "promoter_chrom")],
)
def test_an_unknown_anchor_of_bedpe_is_rejected_by_its_line(write, row, column):
    path = write(PLAIN, row, PLAIN)
    assert refused(path).rows == [f"{path}:2: {column}: no chromosome: the anchor is unknown"]
    assert read_pairs(path, malformed="skip").line.tolist() == [1, 3]


def test_a_coordinate_of_minus_one_on_a_known_chromosome_is_left_to_the_genome(write):
    assert pairs_of(read_pairs(write("chr1 -1 20 chr1 30 40")))[0][1] == -1


def test_swapped_anchors_are_read_as_they_are_written(write):
    table = read_pairs(write("chr1 30 40 chr1 10 20"))
    assert pairs_of(table) == [("chr1", 30, 40, "", "chr1", 10, 20, "", -1)]


def test_anchors_of_zero_width_are_read(write):
    table = read_pairs(write("chr1 10 10 chr1 0 0"))
    assert pairs_of(table) == [("chr1", 10, 10, "", "chr1", 0, 0, "", -1)]


def test_pairs_on_two_chromosomes_are_read(write):
    assert pairs_of(read_pairs(write("chr1 1 2 chr2 3 4")))[0][4] == "chr2"


def test_crlf_is_read(write):
    table = read_pairs(write(f"{PLAIN} 1", "", f"{PLAIN} 0", newline="\r\n"), "7")
    assert table.frame["label"].tolist() == [1, 0]
    assert table.line.tolist() == [1, 3]


@pytest.mark.parametrize("trailing", ["  ", "\t", "\t\t ", "\t ."])
def test_trailing_blanks_are_no_trouble(tmp_path, trailing):
    path = tmp_path / "pairs.bedpe"
    path.write_text(PLAIN.replace(" ", "\t") + trailing + "\n" + " \n\t\n")
    assert pairs_of(read_pairs(path)) == [PLAIN_PAIR]


def test_blanks_around_fields_are_no_part_of_them(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join([", ".join([*CHIAPET, "label"]), " c , 1, 2 , a b ,c, 3, 4, , 1 "]))
    assert pairs_of(read_pairs(path)) == [("c", 1, 2, "a b", "c", 3, 4, "", 1)]


@pytest.mark.parametrize("content", ["", "\n", " \n\t\n\n"])
def test_an_empty_file_is_an_error(tmp_path, content):
    path = tmp_path / "pairs.bedpe"
    path.write_text(content)
    assert str(refused(path)) == f"{path}: the file is empty"


def test_gzip_under_a_plain_name_is_read(tmp_path):
    path = tmp_path / "pairs.bedpe"
    path.write_bytes(gzip.compress(PLAIN.replace(" ", "\t").encode()))
    assert pairs_of(read_pairs(path)) == [PLAIN_PAIR]


# Further things that files do.


@pytest.mark.parametrize("header", ["\t".join(CANONICAL), ",".join([*CHIAPET, "label"]), "#a\tb"])
def test_a_header_without_rows_is_an_error(tmp_path, header):
    path = tmp_path / "pairs.tsv"
    path.write_text(f"{header}\n\n# nothing\n")
    assert str(refused(path)) == f"{path}: no pairs: the file has no rows below its header"
    with pytest.raises(PairTableError):
        list(iter_pairs(path))


def test_a_commented_header_with_the_canonical_names_makes_a_table(write):
    path = write("#" + " ".join(CANONICAL), "c 1 2 e d 3 4 p 1")
    table = read_pairs(path)
    assert table.layout.kind == "table"
    assert pairs_of(table) == [("c", 1, 2, "e", "d", 3, 4, "p", 1)]


def test_remarks_below_a_commented_header_do_not_hide_it(write):
    header = "#chrom1 s1 e1 chrom2 s2 e2 hit"
    path = write(
        "# made by hand", "#an older header of as many columns", header, "# ok", f"{PLAIN} 1"
    )
    assert read_pairs(path, "hit").frame["label"].tolist() == [1]


def test_bedpe_split_by_blanks_is_read_and_prose_is_no_header(tmp_path):
    path = tmp_path / "pairs.bedpe"
    path.write_text(f"# these pairs come from a screen of mine, all of them\n{PLAIN}   x\n")
    table = read_pairs(path)
    assert pairs_of(table) == [PLAIN_PAIR]
    assert table.layout.names is None


def test_browser_lines_before_the_rows_are_passed_over(tmp_path):
    path = tmp_path / "pairs.bedpe"
    row = PLAIN.replace(" ", "\t")
    path.write_text(f"browser position chr1\ntrack name=pairs\n{row}\n")
    assert pairs_of(read_pairs(path)) == [PLAIN_PAIR]


def test_a_table_without_names_and_label_has_empty_ones(write):
    assert pairs_of(read_pairs(write(" ".join(ANCHORS), PLAIN))) == [PLAIN_PAIR]


def test_a_last_row_of_missing_values_and_a_first_one_are_rejected_alike(write):
    missing = "chr1 NA NA chr1 NA NA"
    path = write(missing, PLAIN, missing)
    assert [number_in(row, path) for row in refused(path).rows] == [1, 3]


def test_bytes_that_are_not_utf8_do_no_harm(tmp_path):
    path = tmp_path / "pairs.bedpe"
    path.write_bytes(PLAIN.replace(" ", "\t").encode() + b"\tcaf\xe9\n")
    assert pairs_of(read_pairs(path)) == [PLAIN_PAIR]


def test_bytes_that_are_not_utf8_can_be_kept(tmp_path):
    path = tmp_path / "pairs.bedpe"
    path.write_bytes(PLAIN.replace(" ", "\t").encode() + b"\tcaf\xe9 \xc3\xa9\n")
    (table,) = iter_pairs(path, keep_fields=True)
    assert table.fields[0][6].encode("utf-8", "surrogateescape") == b"caf\xe9 \xc3\xa9"


def test_a_field_beyond_the_csv_modules_limit_is_read(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text(",".join([*ANCHORS, "x"]) + "\nchr1,10,20,chr1,30,40," + "A" * 200_000 + "\n")
    assert pairs_of(read_pairs(path)) == [PLAIN_PAIR]


def test_columns_have_the_promised_types(write):
    frame = read_pairs(write(PLAIN)).frame
    assert tuple(CANONICAL) == COLUMNS
    assert list(frame.columns) == CANONICAL
    assert all(frame[c].dtype == np.int64 for c in frame if c.endswith(("_start", "_end")))
    assert frame["label"].dtype == np.int8
    assert all(
        isinstance(v, str) for c in frame if c.endswith(("_chrom", "_name")) for v in frame[c]
    )


# Labels.


def test_bedpe_has_no_label_unless_its_column_is_given(write):
    path = write("#chrom1 start1 end1 chrom2 start2 end2 label", f"{PLAIN} 1", f"{PLAIN} 0")
    assert read_pairs(path).frame["label"].tolist() == [-1, -1]
    assert read_pairs(path, "label").frame["label"].tolist() == [1, 0]
    assert read_pairs(path, "7").frame["label"].tolist() == [1, 0]


def test_a_label_column_replaces_the_label_of_a_table(write):
    path = write(" ".join([*CANONICAL, "screen"]), "c 1 2 e c 3 4 p 1 0")
    assert read_pairs(path).frame["label"].tolist() == [1]
    assert read_pairs(path, "screen").frame["label"].tolist() == [0]


@pytest.mark.parametrize("column", ["significant", "0", "8", "-1"])
def test_a_label_column_that_is_not_there_is_refused_with_those_that_are(write, column):
    named = write("#chrom1 start1 end1 chrom2 start2 end2 label", f"{PLAIN} 1")
    assert str(refused(named, column)) == (
        f"{named}: no column {column!r} for the label: "
        "its columns are chrom1, start1, end1, chrom2, start2, end2, label"
    )
    unnamed = write(f"{PLAIN} 1")
    assert str(refused(unnamed, column)).endswith("it has 7 columns")


def test_a_wrong_label_beyond_a_short_header_is_reported(write):
    path = write("#chrom1 start1 end1 chrom2 start2 end2", f"{PLAIN} a yes")
    rows = refused(path, "8").rows
    assert rows == [f"{path}:2: label: 'yes' is not a label: 1, 0, or -1 for unknown"]


# Errors.


def test_malformed_rows_are_named_by_file_line_column_and_fault(write):
    path = write(
        "# a remark",
        " ".join(CANONICAL),
        "c 1 2 e c 3 4 p 1",
        "",
        "c one 2 e c 3 4 p 1",
        "# another",
        "c 1 2 e c 3 4.5 p 1",
        "c 1 2 e",
        "c 1 2 e c 3 4 p maybe",
        ". 1 two e c 3 4 p maybe",
        "c 1,000 2 e c 3 4 p 1",
        name="pairs.tsv",
    )
    error = refused(path)
    assert error.summary == f"{path}: 6 rows cannot be read:"
    assert error.rows == [
        f"{path}:5: enhancer_start: 'one' is not a whole number",
        f"{path}:7: promoter_end: '4.5' is not a whole number",
        f"{path}:8: row: 4 columns where at least 7 are needed",
        f"{path}:9: label: 'maybe' is not a label: 1, 0, or -1 for unknown",
        f"{path}:10: enhancer_chrom: no chromosome: the anchor is unknown",
        f"{path}:11: enhancer_start: '1,000' is not a whole number: "
        "write it without separators of thousands",
    ]
    assert str(error).splitlines() == [error.summary, *error.rows]


def test_columns_are_named_as_the_file_names_them(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text(",".join([*CHIAPET, "label"]) + "\nchr1,1,2,a,chr1,x,4,b,1\n")
    assert refused(path).rows == [f"{path}:2: start_r2: 'x' is not a whole number"]


def test_twenty_malformed_rows_are_listed_then_the_count(write):
    path = write(PLAIN, *["chr1 x 2 chr1 3 4"] * 33)
    error = refused(path)
    lines = str(error).splitlines()
    assert lines[0] == f"{path}: 33 rows cannot be read:"
    assert [number_in(line, path) for line in lines[1:21]] == list(range(2, 22))
    assert lines[21:] == ["... and 13 more"]


def test_reading_by_pieces_yields_nothing_after_a_malformed_row(write):
    path = write(PLAIN, PLAIN, "chr1 x 2 chr1 3 4", PLAIN, "chr1 1 2 chr1 3 y")
    pieces = iter_pairs(path, chunk_rows=2)
    assert len(next(pieces)) == 2
    with pytest.raises(PairTableError) as caught:
        next(pieces)
    assert [number_in(row, path) for row in caught.value.rows] == [3, 5]


def test_missing_columns_are_named(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("enhancer_chrom,enhancer_start,promoter_chrom,promoter_end,label\nc,1,c,2,1\n")
    assert str(refused(path)) == f"{path}:1: missing columns: enhancer_end, promoter_start"


@pytest.mark.parametrize("row", ["chr1 10 20", "a b", "chr1"])
def test_what_is_no_pair_table_is_refused_with_what_is_one(write, row):
    path = write("# remark", row)
    message = str(refused(path))
    assert message.startswith(f"{path}:2: not a pair table: {len(row.split())} columns")
    assert "enhancer_chrom" in message


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert str(refused(tmp_path / "absent")) == f"{tmp_path / 'absent'}: no such file"
    assert str(refused(tmp_path)) == f"{tmp_path}: is a folder, not a pair table"


def test_a_pipe_is_read_as_a_file_is(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(PLAIN.replace(" ", "\t") + "\n",))
    writer.start()
    assert pairs_of(read_pairs(path)) == [PLAIN_PAIR]
    writer.join()


@pytest.mark.parametrize("compression", ["gzip", "bgzip"])
@pytest.mark.parametrize("keep", [0.9, 0.5, 0.01])
def test_truncated_gzip_is_one_clear_error(tmp_path, compression, keep):
    path = tmp_path / "pairs.bedpe.gz"
    rows = [f"chr1\t{i}\t{i * i}\tchr1\t{i + 5}\t{i * 7}\n" for i in range(20_000)]
    if compression == "bgzip":
        with pysam.BGZFile(str(path), "w", None) as handle:
            handle.write("".join(rows).encode())
    else:
        path.write_bytes(gzip.compress("".join(rows).encode()))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    message = str(refused(path))
    assert re.match(re.escape(f"{path}: damaged gzip file after line ") + r"\d+: ", message)
    assert "\n" not in message


def test_gzip_with_a_wrong_byte_is_one_clear_error(tmp_path):
    path = tmp_path / "pairs.bedpe.gz"
    content = bytearray(gzip.compress(PLAIN.replace(" ", "\t").encode() * 100))
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert "damaged gzip file" in str(refused(path))


def test_raising_for_no_malformed_rows_does_nothing(tmp_path):
    raise_malformed(tmp_path, [])


def test_an_error_crosses_processes_with_all_it_says():
    error = PairTableError("summary", [f"row {i}" for i in range(30)])
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, (RequestError, EpipamError))
    assert (str(copy), copy.rows, copy.n_rows) == (str(error), error.rows, 30)


def test_an_error_without_rows_is_its_summary():
    assert str(PairTableError("summary")) == "summary"
    assert str(PairTableError("summary", ["a"], n_rows=3)) == "summary\na\n... and 2 more"


# Digest and distance.


def test_the_digest_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "pairs"
    path.write_bytes(b"x" * 3_000_000)
    assert digest(path) == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_the_distance_is_between_midpoints_and_unknown_across_chromosomes():
    rows = [
        ("c", 10, 20, "", "c", 30, 41, "", 1),  # 15 and 35.5
        ("c", 30, 41, "", "c", 10, 20, "", 1),
        ("c", 10, 20, "", "d", 10, 20, "", 1),
    ]
    found = distance(pd.DataFrame(rows, columns=CANONICAL))
    np.testing.assert_array_equal(found, [20.5, 20.5, np.nan])


# Real tables.


@pytest.mark.parametrize(
    ("name", "kind", "positives", "negatives"),
    [
        ("targetfinder_GM12878.tsv.gz", "table", 2_113, 42_200),
        ("targetfinder_K562.tsv.gz", "table", 1_977, 39_500),
        ("targetfinder_NHEK.tsv.gz", "table", 1_291, 25_600),
        ("chiapet_HeLaS3_pol2.csv.gz", "chiapet", 2_590, 10_360),
    ],
)
def test_real_tables_have_their_published_counts_and_every_field(
    shared_data, name, kind, positives, negatives
):
    path = shared_data / "pairs" / name
    table = read_pairs(path)
    assert table.layout.kind == kind
    assert int(np.sum(table.frame["label"] == 1)) == positives
    assert int(np.sum(table.frame["label"] == 0)) == negatives
    assert len(table) == positives + negatives

    raw = pd.read_csv(path, sep="," if kind == "chiapet" else "\t", keep_default_na=False)
    raw.columns = CANONICAL
    assert pairs_of(table) == list(raw.itertuples(index=False, name=None))
    assert table.line.tolist() == list(range(2, len(raw) + 2))
