"""Browser tracks against their published specifications, parsed by other means than our readers.

The columns and rules are typed here from the specifications' own text (addresses in
`epipam.scoring.browser_tracks`), not taken from the module.
"""

import gzip
import os
import re
import shutil
import stat
import subprocess

import numpy as np
import pandas as pd
import pysam
import pytest

from epipam.errors import EpipamError, RequestError
from epipam.genome.fasta import Genome
from epipam.pairs.table import iter_pairs
from epipam.scoring.browser_tracks import auto_sql
from epipam.scoring.settings import OutputOptions
from epipam.scoring.writers import check_output, open_writer

INTERACT = {  # name and type, from UCSC's interact.as
    "chrom": "string", "chromStart": "uint", "chromEnd": "uint", "name": "string", "score": "uint",
    "value": "double", "exp": "string", "color": "string",
    "sourceChrom": "string", "sourceStart": "uint", "sourceEnd": "uint", "sourceName": "string",
    "sourceStrand": "string",
    "targetChrom": "string", "targetStart": "uint", "targetEnd": "uint", "targetName": "string",
    "targetStrand": "string",
}  # fmt: skip

# Downstream, upstream, across chromosomes, without a score, overlapping, and without names.
PAIRS = """\
chr2\t500\t600\tchr2\t9000\t9100\tenh 1::GENE A\t.
chr1\t7000\t7100\tchr1\t1000\t1100\te2::B\t.
chr1\t300\t400\tchr2\t800\t900\te3::C\t.
chr1\t10\t20\tchr1\t30\t40\te4::D\t.
chr10\t50\t250\tchr10\t100\t200\t.\t.
chr1\t7000\t7100\tchr1\t2000\t2100\te2::C\t.
"""
PROBABILITY = np.array([0.5, 0.9994, 0.25, np.nan, 1.0, 0.0004])
LOGIT = np.array([0.0, 7.4, -1.1, np.nan, 40.0, -7.8])
SCORED = [0, 1, 2, 4, 5]


@pytest.fixture
def write_track(tmp_path):
    """Return `write(ending, ...)`: the track of the pairs above, two at a time."""
    path = tmp_path / "pairs.bedpe"
    path.write_text(PAIRS)

    def write(ending, genome=None, **options):
        out = tmp_path / f"track{ending}"
        with open_writer(
            out, overwrite=True, options=OutputOptions(**options), genome=genome
        ) as write_table:
            for first, table in enumerate(iter_pairs(path, chunk_rows=2, keep_fields=True)):
                rows = slice(2 * first, 2 * first + 2)
                write_table(table, PROBABILITY[rows], LOGIT[rows])
        assert write_table.written == len(SCORED)
        return out

    return write


def text_of(path):
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt") as handle:
        return handle.read()


def anchors():
    """Return (enhancer, promoter, names, probability) of each scored pair."""
    for i in SCORED:
        fields = PAIRS.splitlines()[i].split("\t")
        places = [(c, int(s), int(e)) for c, s, e in (fields[:3], fields[3:6])]
        yield *places, fields[6], PROBABILITY[i]


def sorted_by_position(rows):
    """Whether `sort -k1,1 -k2,2n` in the C locale, as UCSC asks, would change nothing."""
    keys = [(row[0].encode(), int(row[1])) for row in rows]
    return keys == sorted(keys)


@pytest.mark.parametrize("ending", [".interact", ".interact.gz"])
def test_interact_is_ucscs_bed5_13(write_track, ending):
    track, header, *lines = text_of(write_track(ending)).splitlines()
    settings = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', track))
    assert track.startswith("track type=interact ")
    assert settings["name"] == '"track"'
    assert settings["interactDirectional"] == "true"
    assert header == "#" + "\t".join(INTERACT)
    rows = [line.split("\t") for line in lines]
    assert sorted_by_position(rows)
    for row in rows:
        assert len(row) == 18
        for value, kind in zip(row, INTERACT.values(), strict=True):
            pattern = {"uint": r"\d+", "double": r"\d+(\.\d+)?(e-?\d+)?", "string": r"\S+"}[kind]
            assert re.fullmatch(pattern, value), value
    frame = pd.DataFrame(rows, columns=list(INTERACT))
    numbers = [name for name, kind in INTERACT.items() if kind != "string"]
    frame[numbers] = frame[numbers].astype(float)
    assert frame["score"].between(0, 1000).all()
    assert frame["score"].tolist() == np.round(1000 * frame["value"]).tolist()
    assert set(frame["sourceStrand"]) | set(frame["targetStrand"]) == {"."}
    cis = frame[frame["sourceChrom"] == frame["targetChrom"]]
    assert (cis["chrom"] == cis["sourceChrom"]).all()
    assert (cis["chromStart"] == cis[["sourceStart", "targetStart"]].min(axis=1)).all()
    assert (cis["chromEnd"] == cis[["sourceEnd", "targetEnd"]].max(axis=1)).all()
    trans = frame[frame["sourceChrom"] != frame["targetChrom"]]
    assert trans[["chrom", "chromStart", "chromEnd"]].to_numpy().tolist() == [
        ["chr1", 300, 400],
        ["chr2", 800, 900],
    ]
    found = {
        ((row.sourceChrom, row.sourceStart, row.sourceEnd),
         (row.targetChrom, row.targetStart, row.targetEnd), row.value)
        for row in frame.itertuples()
    }  # fmt: skip
    assert found == {(enhancer, promoter, p) for enhancer, promoter, _, p in anchors()}
    names = frame[["name", "sourceName", "targetName"]].to_numpy().tolist()
    assert ["enh_1/GENE_A", "enh_1", "GENE_A"] in names
    assert [".", ".", "."] in names


def test_longrange_has_two_records_for_each_pair(write_track):
    lines = text_of(write_track(".longrange")).splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert sorted_by_position(rows)
    found, ids = [], {}
    for contig, start, end, other, number, strand in rows:
        assert strand == "."
        ids[int(number)] = (contig, int(start), int(end))
        there = re.fullmatch(r"(\w+):(\d+)-(\d+),(\d+(?:\.\d+)?)", other)
        mate = (there[1], int(there[2]), int(there[3]))
        found.append(((contig, int(start), int(end)), mate, float(there[4])))
    assert sorted(found) == sorted(
        row for e, p, _, score in anchors() for row in ((e, p, score), (p, e, score))
    )
    # Of each pair in the input's order: odd at the enhancer, even at the promoter.
    both = [place for e, p, _, _ in anchors() for place in (e, p)]
    assert [ids[number] for number in range(1, len(both) + 1)] == both


def test_igv_bedpe_has_the_leftmost_region_first(write_track):
    header, *lines = text_of(write_track(".igv.bedpe")).splitlines()
    names = header.removeprefix("#").split("\t")
    assert names[:10] == [
        "chrom1", "start1", "end1", "chrom2", "start2", "end2",
        "name", "score", "strand1", "strand2",
    ]  # fmt: skip
    # igv.js shows further columns where each has a name, and takes `color` and `thickness`.
    assert not {"color", "thickness", "fdrDonut"} & set(names)
    frame = pd.DataFrame([line.split("\t") for line in lines], columns=names)
    assert sorted_by_position(frame[["chrom1", "start1"]].to_numpy().tolist())
    found = {}
    for row in frame.to_dict("records"):
        places = [(row[f"chrom{i}"], int(row[f"start{i}"]), int(row[f"end{i}"])) for i in (1, 2)]
        if row["chrom1"] == row["chrom2"]:
            assert places == sorted(places)
            assert int(row["span_end"]) == max(places[0][2], places[1][2])
        enhancer = int(row["enhancer"]) - 1
        found[places[enhancer], places[1 - enhancer]] = float(row["probability"])
        assert row["score"] == str(round(1000 * float(row["probability"])))
    assert found == {(enhancer, promoter): p for enhancer, promoter, _, p in anchors()}


@pytest.mark.parametrize("ending", [".interact.gz", ".longrange.gz", ".igv.bedpe.gz"])
def test_an_index_finds_the_arcs_above_a_place(write_track, ending):
    out = write_track(ending, index=True)
    with pysam.TabixFile(str(out)) as track:
        assert sorted(track.contigs) == ["chr1", "chr10", "chr2"]
        within = list(track.fetch("chr1", 5000, 5001))  # between the regions of two pairs
        assert len(within) == (0 if ending == ".longrange.gz" else 2)
        at_promoter = [row.split("\t")[:3] for row in track.fetch("chr2", 850, 851)]
        assert ["chr2", "800", "900"] in at_promoter  # of the pair on two chromosomes
        n_rows = sum(len(list(track.fetch(contig))) for contig in track.contigs)
    # Two for each pair; or two for the one on two chromosomes.
    assert n_rows == (2 * len(SCORED) if ending == ".longrange.gz" else len(SCORED) + 1)


@pytest.fixture
def converter(tmp_path, monkeypatch):
    """Put a stand-in for UCSC's bedToBigBed on the PATH: it keeps what it is given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tool = folder / "bedToBigBed"
    tool.write_text(
        "#!/bin/sh\n"
        'for last; do :; done\n'
        f'echo "$@" >{folder}/arguments\n'
        f'cp "$4" {folder}/bed; cp "$5" {folder}/sizes; cp "${{1#-as=}}" {folder}/as\n'
        'grep -q FAIL "$5" && { echo "line 3: chrom size FAIL" >&2; exit 255; }\n'
        'echo converted >"$last"\n'
    )  # fmt: skip
    tool.chmod(tool.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


def test_big_interact_is_made_by_ucscs_converter(write_track, write_genome, converter):
    contigs = {"1": "A" * 8000, "chr2": "C" * 9500, "chr10": "G" * 300}
    genome = Genome(write_genome(contigs))
    out = write_track(".inter.bb", genome)
    assert out.read_text() == "converted\n"
    arguments = (converter / "arguments").read_text().split()
    assert arguments[1:3] == ["-type=bed5+13", "-tab"]
    # The contigs as the pairs spell them, with the genome's lengths.
    sizes = dict(line.split("\t") for line in (converter / "sizes").read_text().splitlines())
    assert sizes == {"chr1": "8000", "chr2": "9500", "chr10": "300"}
    _, _, *rows = text_of(write_track(".interact")).splitlines()
    assert (converter / "bed").read_text().splitlines() == rows
    subprocess.run(
        ["sort", "-c", "-k1,1", "-k2,2n", converter / "bed"], check=True, env={"LC_ALL": "C"}
    )
    assert (converter / "as").read_text() == auto_sql()


def test_what_the_converter_says_of_a_failure_is_told(write_track, write_genome, converter):
    contigs = {"chr1": "A" * 8000, "chr2": "C" * 9500, "chr10": "G" * 300}
    genome = Genome(write_genome(contigs))
    genome.contigs["chr1"] = "FAIL"
    with pytest.raises(EpipamError, match=r"track\.inter\.bb: bedToBigBed .* 255: line 3: chrom s"):
        write_track(".inter.bb", genome)
    assert not list(converter.parent.glob("*.bb"))
    assert not list(converter.parent.glob(".*"))


def test_without_the_converter_big_interact_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RequestError, match="bedToBigBed, which is not on the PATH: install"):
        check_output(tmp_path / "track.inter.bb", overwrite=False)


@pytest.mark.skipif(shutil.which("bedToBigBed") is None, reason="UCSC's bedToBigBed is absent")
def test_ucscs_own_converter_takes_it(write_track, write_genome):
    contigs = {"chr1": "A" * 8000, "chr2": "C" * 9500, "chr10": "G" * 300}
    out = write_track(".inter.bb", Genome(write_genome(contigs)))
    assert out.read_bytes()[:4] in (b"\x87\x89\xf2\xeb", b"\xeb\xf2\x89\x87")


def test_the_auto_sql_has_ucscs_names_and_types():
    name, about, body = re.fullmatch(
        r'table (\w+)\n"([^"]+)"\n\s*\(\n(.*)\)\n', auto_sql(), re.S
    ).groups()
    assert name == "interact"
    assert about
    fields = re.findall(r'^\s*(\w+) (\w+); "([^"]+)"$', body, re.M)
    assert {field: kind for kind, field, _ in fields} == INTERACT
    assert [field for _, field, _ in fields] == list(INTERACT)
