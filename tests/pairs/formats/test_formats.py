"""Each format of the field, by small files in the layout that its writers print."""

# ruff: noqa: E501 (rows of the samples are as wide as those of their formats)

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from epipam.cli.audit import audit as audit_command
from epipam.cli.formats import formats as formats_command
from epipam.errors import EpipamError, PairTableError
from epipam.pairs.formats import FORMATS
from epipam.pairs.table import iter_pairs, read_pairs
from epipam.runtime.notes import listening

PLACES = ["enhancer_chrom", "enhancer_start", "enhancer_end"]
PLACES += ["promoter_chrom", "promoter_start", "promoter_end"]
ENHANCER, PROMOTER = ("chr20", 1200000, 1200500), ("chr20", 1250000, 1250600)
TSS = ("chr20", 1250000, 1250001)
OTHER = ("chr20", 1400000, 1401000)

ABC = """\
chr	start	end	name	TargetGene	TargetGeneTSS	CellType	ABC.Score
chr20	1200000	1200500	intergenic|e1	GENEA	1250000	K562	0.077423
"""
RE2G = """\
#chr	start	end	name	class	TargetGene	TargetGeneEnsemblID	TargetGeneTSS	Cell	Score
chr20	1200000	1200500	e1	intergenic	GENEA	ENSG1	1250000	K562	0.61
"""
CRISPR = """\
chrom	chromStart	chromEnd	name	EffectSize	chrTSS	startTSS	endTSS	Gene	Regulated
chr20	1200000	1200500	e1	-0.29	chr20	1250000	1250001	GENEA	TRUE
chr20	1200000	1200500	e1	0.02	chr20	1350000	1350001	GENEB	FALSE
chr20	1200000	1200500	e1	0.02	NA	NA	NA	NA	FALSE
chr20	1200000	1200500	e1	0.02	chr20	1350000	1350001	GENEB	NA
"""
IBED = """\
bait_chr	bait_start	bait_end	bait_name	otherEnd_chr	otherEnd_start	otherEnd_end	otherEnd_name	N	score
chr20	1250000	1250600	GENEA	chr20	1200000	1200500	.	12	7.1
"""
PCHIC = """\
baitChr	baitStart	baitEnd	baitID	baitName	oeChr	oeStart	oeEnd	oeID	oeName	dist	Mon
20	1250000	1250600	7	GENEA	20	1200000	1200500	3	.	-50000	6.2
"""
TARGETFINDER = """\
bin,enhancer_chrom,enhancer_distance_to_promoter,enhancer_end,enhancer_name,enhancer_start,label,\
promoter_chrom,promoter_end,promoter_name,promoter_start,window_end,window_start
1,chr20,49500,1200500,K562|e1,1200000,1,chr20,1250600,K562|p1,1250000,1250000,1200500
"""
CHIAPET = """\
chr_r1,start_r1,end_r1,name_r1,chr_r2,start_r2,end_r2,name_r2,label
chr20,1200000,1200500,e,chr20,1250000,1250600,p,1
"""
BENGI = "1\t49750.0\tchr20\t1200000\t1200500\te1|K562\tchr20\t1250000\t1250600\tp1|K562|GENEA\n"
HICHIPPER = "chr20,1200000,1200500\tchr20,1250000,1250600\t3\n"
WASHU = "chr20,1200000,1200500\tchr20,1250000,1250600\t6.1\n"
HICHIPPER_BLANKS = "chr20,1200000,1200500 chr20,1250000,1250600 3\n"
LONGRANGE = """\
chr20	1200000	1200500	chr20:1250000-1250600,9	1	.
chr20	1250000	1250600	chr20:1200000-1200500,9	2	.
"""
INTERACT = """\
track type=interact name="x"
#chrom	chromStart	chromEnd	name	score	value	exp	color	sourceChrom	sourceStart	sourceEnd	sourceName	\
sourceStrand	targetChrom	targetStart	targetEnd	targetName	targetStrand
chr20	1200000	1250600	x	350	6	K562	#7A67EE	chr20	1200000	1200500	e1	.	chr20	1250000	1250600	GENEA	.
"""
ATLAS = "chr20:1200000-1200500_ENSG00000000003$GENEA$chr20$1250000$-\t0.6\n"
FITHIC = """\
chr1	fragmentMid1	chr2	fragmentMid2	contactCount	p-value	q-value
chr20	1202500	chr20	1252500	9	1e-5	1e-3
"""
IGV = """\
#chrom1	start1	end1	chrom2	start2	end2	name	score	strand1	strand2	enhancer	probability	logit	span_end
chr20	1200000	1200500	chr20	1250000	1250600	e1::GENEA	260	.	.	1	0.26	-1.0	1250600
chr20	1200000	1200500	chr20	1400000	1401000	e2::GENEB	260	.	.	2	0.26	-1.0	1401000
"""
ROLES_FIRST = """\
Promoter.Start,PromoterEnd,chr_promoter,EnhChr,enh start,enh stop,label
1250000,1250600,chr20,chr20,1200000,1200500,True
"""
ONE_CHROM = """\
chrom	element_start	element_end	TSS	gene_name
chr20	1200000	1200500	1250000	GENEA
"""
GINTERACTIONS = """\
seqnames1	start1	end1	width1	strand1	seqnames2	start2	end2	width2	strand2
chr20	1200001	1200500	500	*	chr20	1250001	1250600	600	*
"""
LOOPS_ELSEWHERE = """\
score	chrom1	start1	end1	chrom2	start2	end2
7	chr20	1200000	1200500	chr20	1250000	1250600
"""
MUSTACHE = """\
BIN1_CHR	BIN1_START	BIN1_END	BIN2_CHROMOSOME	BIN2_START	BIN2_END	FDR
chr20	1200000	1200500	chr20	1250000	1250600	1e-5
"""
HICCUPS = """\
#chr1	x1	x2	chr2	y1	y2	name
# juicer_tools version 1.22.01
chr20	1200000	1200500	chr20	1250000	1250600	.
"""

PAIR = (*ENHANCER, *PROMOTER)
EXPECTED = {  # format, its file, its pairs, their labels, their names
    "abc": (ABC, [(*ENHANCER, *TSS)], [-1], [("intergenic|e1", "GENEA")]),
    "encode-re2g": (RE2G, [(*ENHANCER, *TSS)], [-1], [("e1", "GENEA")]),
    "crispr": (
        CRISPR,
        [(*ENHANCER, *TSS), *[(*ENHANCER, "chr20", 1350000, 1350001)] * 2],
        [1, 0, -1],
        [("e1", "GENEA"), ("e1", "GENEB"), ("e1", "GENEB")],
    ),
    "chicago": (IBED, [PAIR], [-1], [(".", "GENEA")]),
    "pchic": (PCHIC, [("20", *PAIR[1:3], "20", *PAIR[4:])], [-1], [(".", "GENEA")]),
    "targetfinder": (TARGETFINDER, [PAIR], [1], [("K562|e1", "K562|p1")]),
    "chiapet": (CHIAPET, [PAIR], [1], [("e", "p")]),
    "bengi": (BENGI, [PAIR], [1], [("e1|K562", "p1|K562|GENEA")]),
    "places": (HICHIPPER, [PAIR], [-1], [("", "")]),
    "longrange": (LONGRANGE, [PAIR], [-1], [("", "")]),
    "interact": (INTERACT, [PAIR], [-1], [("e1", "GENEA")]),
    "enhanceratlas": (ATLAS, [(*ENHANCER, *TSS)], [-1], [("", "GENEA")]),
    "fithic": (
        FITHIC,
        [("chr20", 1202500, 1202501, "chr20", 1252500, 1252501)],
        [-1],
        [("", "")],
    ),
    "igv": (IGV, [PAIR, (*OTHER, *ENHANCER)], [-1, -1], [("e1", "GENEA"), ("e2", "GENEB")]),
    "roles": (ROLES_FIRST, [PAIR], [1], [("", "")]),
    "bedpe-columns": (LOOPS_ELSEWHERE, [PAIR], [-1], [("", "")]),
    "bedpe": (HICCUPS, [PAIR], [-1], [("", "")]),
    "table": ("\t".join([*PLACES, "label"]) + "\n" + "\t".join(map(str, PAIR)) + "\tFALSE\n",
              [PAIR], [0], [("", "")]),
}  # fmt: skip
SAMPLES = [*(text for text, *_ in EXPECTED.values()), WASHU, HICHIPPER_BLANKS, GINTERACTIONS]


def read(tmp_path: Path, text: str | bytes, **settings):
    path = tmp_path / "pairs"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_pairs(path, **settings)


def places(table) -> list[tuple]:
    return list(table.frame[PLACES].itertuples(index=False, name=None))


def test_every_format_has_a_sample():
    assert {one.key for one in FORMATS} == set(EXPECTED)


@pytest.mark.parametrize("key", EXPECTED)
def test_a_format_is_recognised_and_its_roles_are_said(tmp_path, key):
    text, pairs, labels, names = EXPECTED[key]
    notes: list[str] = []
    with listening(notes.append):
        table = read(tmp_path, text)
    assert table.layout.kind == key
    assert places(table) == pairs
    assert table.frame["label"].tolist() == labels
    found = table.frame[["enhancer_name", "promoter_name"]].itertuples(index=False, name=None)
    assert list(found) == names
    (one,) = [one for one in FORMATS if one.key == key]
    assert notes[0].startswith(f"{table.path}: read as {one.name} (")


@pytest.mark.parametrize("key", [key for key in EXPECTED if key not in ("bedpe", "bengi")])
@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_headers_count_in_any_case(tmp_path, key, change):
    text, pairs, *_ = EXPECTED[key]
    head, _, rows = text.partition("\nchr20\t" if "\nchr20\t" in text else "\n")
    if not rows or key in ("places", "enhanceratlas", "longrange", "interact"):
        return
    joined = text[len(head) : len(text) - len(rows)]
    assert places(read(tmp_path, change(head) + joined + rows)) == pairs


@pytest.mark.parametrize("key", ["abc", "crispr", "chicago", "pchic", "targetfinder", "roles"])
def test_columns_may_come_in_any_order(tmp_path, key):
    text, pairs, *_ = EXPECTED[key]
    delimiter = "," if "," in text.split("\n")[0] else "\t"
    rows = [line.split(delimiter)[::-1] for line in text.splitlines()]
    turned = "\n".join(delimiter.join(row) for row in rows)
    assert places(read(tmp_path, turned + "\n")) == pairs


@pytest.mark.parametrize(
    ("text", "kind"),
    [(WASHU, "places"), (HICHIPPER_BLANKS, "places"), (GINTERACTIONS, "bedpe-columns"),
     (MUSTACHE, "bedpe")],
)  # fmt: skip
def test_the_same_loop_is_read_from_other_layouts(tmp_path, text, kind):
    table = read(tmp_path, text)
    assert table.layout.kind == kind
    assert places(table) == [PAIR]


def test_one_chromosome_serves_both_and_a_tss_is_a_base(tmp_path):
    table = read(tmp_path, ONE_CHROM)
    assert places(table) == [(*ENHANCER, *TSS)]
    assert table.frame["promoter_name"].tolist() == ["GENEA"]


@pytest.mark.parametrize("key", ["abc", "encode-re2g", "crispr"])
def test_scores_and_effects_are_kept_as_further_fields(tmp_path, key):
    path = tmp_path / "pairs"
    path.write_text(EXPECTED[key][0])
    (table,) = iter_pairs(path, keep_fields=True)
    column = {"abc": "ABC.Score", "encode-re2g": "Score", "crispr": "EffectSize"}[key]
    place = table.layout.names.index(column)
    value = {"abc": "0.077423", "encode-re2g": "0.61", "crispr": "-0.29"}[key]
    assert table.fields[0][place] == value
    assert place not in table.layout.positions.values()


def test_rows_whose_promoter_is_missing_are_counted_and_told(tmp_path):
    notes: list[str] = []
    with listening(notes.append):
        table = read(tmp_path, CRISPR)
    assert table.missing == 1
    assert notes[-1] == f"{table.path}: left out 1 row whose enhancer or promoter is missing (NA)"
    only_missing = "".join(line + "\n" for i, line in enumerate(CRISPR.splitlines()) if i in (0, 3))
    with pytest.raises(PairTableError, match="an anchor of every row is missing"):
        read(tmp_path, only_missing)


# Ways of writing a table.

HEADER = "\t".join([*PLACES, "label"])
ROW = "\t".join([*map(str, PAIR), "1"])


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n1\t{ROW}\n2\t{ROW}\n",  # R's row names
        HEADER.replace("\t", '" "').join('""') + "\n"
        + "".join(f'"{i}" ' + ROW.replace("chr20", '"chr20"').replace("\t", " ") + "\n" for i in (1, 2)),
        HEADER.replace("\t", '"\t"').join('""') + "\n" + ROW.replace("chr20", '"chr20"') + "\n",
        f"{HEADER}\n{ROW}\n{HEADER}\n{ROW}\n",  # put end to end
        f"{HEADER}\n{ROW}\n".replace("\t", ";"),
        f"{HEADER}\n{ROW}\n".replace("\t", ","),
        f"{HEADER}\n{ROW}\n".replace("1200000", "1200000.0"),
        f"{HEADER}\n{ROW}\n".replace("\n", "\r"),
        f"\ufeff{HEADER}\n{ROW}\n",
    ],
)  # fmt: skip
def test_a_table_is_read_whatever_wrote_it(tmp_path, text):
    table = read(tmp_path, text)
    assert set(places(table)) == {PAIR}
    assert set(table.frame["label"]) == {1}


@pytest.mark.parametrize("first", [0, 1])
def test_a_first_line_that_numbers_the_columns_is_no_pair(tmp_path, first):
    numbers = "\t".join(str(first + i) for i in range(7))
    row = "chr20\t1420000\t1422158\tchr20\t1480000\t1488259\t1"
    told = []
    with listening(told.append):
        table = read(tmp_path, f"{numbers}\n{row}\n", label_column="7")
    assert len(table) == 1
    assert (table.frame["enhancer_start"][0], table.frame["label"][0]) == (1420000, 1)
    assert any(f"numbers the columns from {first} on: no pair" in line for line in told)


def test_a_pair_of_small_numbers_is_a_pair(tmp_path):
    table = read(tmp_path, "1\t2\t3\t1\t5\t6\n1\t2\t3\t1\t5\t7\n")
    assert len(table) == 2


def test_headerless_rows_that_r_quoted_are_read(tmp_path):
    row = ROW.replace("chr20", '"chr20"')
    assert places(read(tmp_path, f"{row}\n{row}\n")) == [PAIR] * 2


@pytest.mark.parametrize(
    ("spelling", "label"),
    [("TRUE", 1), ("True", 1), ("true", 1), ("1.0", 1), ("FALSE", 0), ("False", 0), ("NA", -1),
     ("nan", -1)],
)  # fmt: skip
def test_labels_are_read_as_r_and_python_write_them(tmp_path, spelling, label):
    table = read(tmp_path, f"{HEADER}\n{ROW[:-1]}{spelling}\n")
    assert table.frame["label"].tolist() == [label]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("1.2e+06", "scientific notation, which may have lost digits: write whole numbers"),
        ("1,200,000", "without separators of thousands"),
        ("1200000.5", "is not a whole number"),
    ],
)
def test_coordinates_that_are_not_plain_are_refused_with_the_way_out(tmp_path, value, what):
    with pytest.raises(PairTableError, match="enhancer_start: .*" + what):
        read(tmp_path, f"{HEADER}\n{ROW}\n".replace("1200000", value))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"{HEADER}\tLabel\n{ROW}\t0\n", "more than one column is called label"),
        (HEADER.replace("enhancer_end", "enhancer_start") + f"\n{ROW}\n", "enhancer_start"),
        ("enh_chr\tenhancer_chr\tenh_start\tenh_end\tprom_chr\tprom_start\tprom_end\n"
         f"chr20\t{ROW}\n", "more than one column could be enhancer_chrom"),
        ("enhancer_chrom,enhancer_start\nc,1\n", "missing columns: enhancer_end, promoter_chrom"),
        ("chr\tstart\tend\tlength\tabs_summit\tpileup\nchr20\t1\t9\t8\t4\t20\n", "one region a row"),
        ("seqnames\tstart\tend\twidth\tstrand\tname\nchr20\t1\t9\t9\t*\tp\n", "one region a row"),
        ("chr20\t1\t9\tpeak\t10\t.\t3.2\t-1\t-1\t4\n", "one region a row"),
        ("EH37E0000001\tENSG00000000003\t1\t0\n", "BENGI list names cCREs and genes"),
    ],
)  # fmt: skip
def test_what_could_be_read_wrongly_is_refused(tmp_path, text, what):
    with pytest.raises(PairTableError, match=what):
        read(tmp_path, text)


# Columns that the user names.


def test_columns_map_any_table(tmp_path):
    text = "CHR,a,b,TSS.at,y\nchr20,1200000,1200500,1250000,yes\n"
    columns = {"enhancer_chrom": "chr", "enhancer_start": "a", "enhancer_end": "3"}
    columns |= {"promoter_chrom": "CHR", "promoter_start": "TSS.at"}
    table = read(tmp_path, text, columns=columns)
    assert places(table) == [(*ENHANCER, *TSS)]
    assert table.layout.kind == "columns"


def test_columns_turn_the_roles_of_a_bedpe(tmp_path):
    row = "\t".join(map(str, PAIR)) + "\n"
    swapped = {column: str(i % 6 + 1) for i, column in enumerate(PLACES, start=3)}
    assert places(read(tmp_path, row, columns=swapped)) == [(*PROMOTER, *ENHANCER)]


def test_columns_name_what_fields_are_taken_apart_to(tmp_path):
    swapped = {column: name for column, name in zip(
        PLACES, ["chrom2", "start2", "end2", "chrom1", "start1", "end1"], strict=True)}  # fmt: skip
    assert places(read(tmp_path, HICHIPPER, columns=swapped)) == [(*PROMOTER, *ENHANCER)]


def test_a_column_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(PairTableError, match="no column 'x' for enhancer_start"):
        read(tmp_path, ABC, columns={"enhancer_start": "x"})


def test_columns_can_name_the_label_alone(tmp_path):
    table = read(tmp_path, CRISPR, columns={"label": "Regulated"})
    assert table.frame["label"].tolist() == [1, 0, -1]


# Parquet.


def test_parquet_is_read_as_its_table_is(tmp_path):
    path = tmp_path / "pairs.parquet"
    rows = pa.table(
        {
            "Enhancer_Chrom": pa.array(["chr20", "chr20"]).dictionary_encode(),
            "enhancer_start": [1200000.0, 1200000.0],
            "enhancer_end": pa.array([1200500, 1200500], pa.int32()),
            "promoter_chrom": ["chr20", "chr20"],
            "promoter_start": [1250000, 1250000],
            "promoter_end": [1250600, 1250600],
            "label": [True, None],
            "further": [[1, 2], None],
        }
    )
    pq.write_table(rows, path)
    table = read_pairs(path)
    assert places(table) == [PAIR] * 2
    assert table.frame["label"].tolist() == [1, -1]
    assert table.line.tolist() == [1, 2]


def test_a_page_of_parquet_that_changed_is_refused(tmp_path):
    path = tmp_path / "pairs.parquet"
    columns = dict(zip(PLACES, map(list, zip(*[PAIR] * 3000, strict=True)), strict=True))
    columns["enhancer_start"] = list(range(3000))
    pq.write_table(
        pa.table(columns), path, write_page_checksum=True, compression="none", use_dictionary=False
    )
    content = bytearray(path.read_bytes())
    at = content.index((1500).to_bytes(8, "little"))
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(PairTableError, match="damaged"):
        read_pairs(path)


# bigInteract, by what pyBigWig says of one.


class BigBed:
    """Stands for an open bigBed: records of interact on one contig of 50 Mb."""

    definition = b"table interact sourceChrom targetChrom"

    def __init__(self, rows: list[list[str]]) -> None:
        self.rows = [(int(row[1]), int(row[2]), "\t".join(row[3:])) for row in rows]

    def isBigBed(self) -> bool:
        return True

    def SQL(self) -> bytes:
        return self.definition

    def chroms(self) -> dict[str, int]:
        return {"chr20": 50_000_000}

    def entries(self, contig: str, start: int, end: int) -> list[tuple[int, int, str]] | None:
        return [row for row in self.rows if row[0] < end and row[1] > start] or None

    def close(self) -> None:
        pass


def test_big_interact_gives_each_record_once(tmp_path, monkeypatch):
    rows = [line.split("\t") for line in INTERACT.splitlines()[2:]]
    across = [*rows[0]]
    across[1:3] = ["19999000", "20001000"]
    monkeypatch.setattr("pyBigWig.open", lambda path: BigBed([rows[0], across]))
    table = read(tmp_path, b"\x87\x89\xf2\xeb")
    assert table.layout.kind == "interact"
    assert places(table) == [PAIR, PAIR]


def test_a_big_bed_of_something_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(BigBed, "definition", b"table bed")
    monkeypatch.setattr("pyBigWig.open", lambda path: BigBed([]))
    with pytest.raises(PairTableError, match="not of pairs"):
        read(tmp_path, b"\x87\x89\xf2\xeb")


# Any bytes.


@given(st.sampled_from(SAMPLES), st.data())
def test_a_changed_file_of_any_format_is_a_table_or_one_clear_error(tmp_path_factory, text, data):
    content = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 12)))
        content[start:end] = data.draw(
            st.one_of(
                st.binary(max_size=6), st.sampled_from([b"\t", b"\n", b",", b'"', b"NA", b"$"])
            )
        )
    path = tmp_path_factory.mktemp("any") / "pairs"
    path.write_bytes(content)
    try:
        frame = read_pairs(path, malformed="skip").frame
    except EpipamError as error:
        assert str(error).startswith(f"{path}:")  # noqa: PT017 (one of two outcomes)
    else:
        assert list(frame.columns[:3]) == PLACES[:3]


@given(content=st.binary(max_size=120))
def test_any_bytes_after_the_mark_of_parquet_are_one_clear_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "pairs"
    path.write_bytes(b"PAR1" + content + b"PAR1")
    with pytest.raises(PairTableError):
        read_pairs(path)


# What the command says.


def test_the_command_lists_every_format():
    shown = CliRunner().invoke(formats_command, [])
    assert shown.exit_code == 0
    assert all(one.name in shown.output for one in FORMATS)
    listed = json.loads(CliRunner().invoke(formats_command, ["--json"]).output)
    assert [one["format"] for one in listed["formats"]] == [one.key for one in FORMATS]


def test_the_page_on_pairs_lists_every_format():
    page = (Path(__file__).parents[3] / "docs" / "pairs.md").read_text()
    for one in FORMATS:
        cells = (one.name, one.about, one.recognised_by, one.roles, one.labels or "none")
        assert f"| {' | '.join(cells)} |" in page


def test_commands_read_standard_input_and_named_columns(tmp_path):
    text = "CHR,a,b,TSS.at,y\nchr20,1200000,1200500,1250000,TRUE\n"
    columns = "enhancer_chrom=CHR,enhancer_start=a,enhancer_end=b,promoter_chrom=CHR,"
    columns += "promoter_start=TSS.at,label=y"
    done = CliRunner().invoke(audit_command, ["-", "--columns", columns], input=text)
    assert done.exit_code == 0, done.output
    assert "1 positive and 0 negative" in done.output
    assert "-: read as a table (columns as --columns names them)" in done.output


@pytest.mark.parametrize(
    ("columns", "what"),
    [("x=1", "'x' is no column"), ("label", "is not COLUMN=NAME"), ("label=a,label=b", "twice")],
)
def test_wrong_columns_are_a_wrong_request(columns, what):
    done = CliRunner().invoke(audit_command, ["-", "--columns", columns])
    assert done.exit_code == 2
    assert what in done.output


# Real tables.


@pytest.mark.parametrize(
    ("name", "kind", "positives", "negatives"),
    [
        ("EPCrisprBenchmark_training_K562.GRCh38.tsv.gz", "crispr", 471, 9_885),
        ("BENGI_GM12878.HiC.tsv.gz", "bengi", None, None),
        ("BENGI_K562.HiC.tsv.gz", "bengi", None, None),
        ("BENGI_HeLa.CTCF-ChIAPET.tsv.gz", "bengi", None, None),
        ("crispri_K562_hg19.tsv.gz", "table", 469, 7_603),
    ],
)
def test_real_benchmarks_are_read_whole(shared_data, name, kind, positives, negatives):
    path = shared_data / "benchmarks" / name
    table = read_pairs(path)
    assert table.layout.kind == kind
    if kind == "bengi":
        raw = pd.read_csv(path, sep="\t", header=None)
        positives, negatives = (int((raw[0] == label).sum()) for label in (1, 0))
        assert places(table) == list(raw[[2, 3, 4, 6, 7, 8]].itertuples(index=False, name=None))
    assert (table.frame["label"] == 1).sum() == positives
    assert (table.frame["label"] == 0).sum() == negatives
    assert len(table) + table.missing == positives + negatives


def test_real_abc_predictions_are_those_of_three_genes(shared_data):
    folder = shared_data / "benchmarks" / "abc_K562_chr22_hg38"
    name = "EnhancerPredictions{}_threshold0.027_self_promoter.tsv.gz"
    for spelling in ("", "Full"):
        table = read_pairs(folder / name.format(spelling))
        assert table.layout.kind == "abc"
        assert len(table) == 1_353
        genes = table.frame.groupby("promoter_name")
        # Looked up in the file by eye.
        assert genes.get_group("CCT8L2")["promoter_start"].unique().tolist() == [16592810]
        assert genes.get_group("A4GALT")["promoter_start"].unique().tolist() == [42720910]
        assert genes.get_group("ACO2")["promoter_start"].unique().tolist() == [41469124]
        first = genes.get_group("CCT8L2").iloc[0]
        assert tuple(first[PLACES]) == (
            "chr22", 16586161, 16586661, "chr22", 16592810, 16592811,
        )  # fmt: skip
        assert len(genes.get_group("A4GALT")) == 4
