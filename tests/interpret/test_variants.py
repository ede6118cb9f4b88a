"""What variants do to pairs: as scoring the mutated genome, each allele and pair once."""

import gzip
import tracemalloc
from functools import partial

import numpy as np
import pandas as pd
import pysam
import pytest

from epipam.errors import EpipamError, RequestError
from epipam.genome.encoding import decode
from epipam.genome.fasta import Genome
from epipam.interpret import variant_pairs
from epipam.interpret import variants as subject
from epipam.interpret.variants import COLUMNS, MISMATCH, REMOVED, score_variants
from epipam.runtime.sorted_rows import SortedRows

HEADER = (
    '##fileformat=VCFv4.2\n##INFO=<ID=AF,Number=A,Type=Float,Description="f">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
)


class LetterEngine:
    """Scores by letters: the number of A in the enhancer, less that of C in the promoter."""

    enhancer_length, promoter_length = 8, 6

    def logits(self, windows):
        enhancers = [text.count("A") for text in decode(windows.enhancer, self.enhancer_length)]
        promoters = [text.count("C") for text in decode(windows.promoter, self.promoter_length)]
        return (
            np.array(enhancers, float)[windows.enhancer_row]
            - np.array(promoters, float)[windows.promoter_row]
        )


@pytest.fixture
def letters():
    return "".join(np.random.default_rng(0).choice(list("ACGT"), 300))


@pytest.fixture
def run(tmp_path, write_genome, letters):
    """Return `run(pairs, records, **options)`: the result and its table."""
    genome = write_genome({"chr1": letters, "chr2": letters[::-1], "chrUn": "ACGT" * 50})

    def run(pairs, records, ending=".tsv", header=HEADER, **options):
        (tmp_path / "pairs.bedpe").write_text(
            "".join("\t".join(map(str, row)) + "\n" for row in pairs)
        )
        (tmp_path / "v.vcf").write_text(
            header + "".join("\t".join(map(str, row)) + "\t.\t.\t.\n" for row in records)
        )
        files = (genome, tmp_path / "pairs.bedpe", tmp_path / "v.vcf", tmp_path / f"out{ending}")
        result = score_variants(LetterEngine(), *files, **options)
        if ending == ".parquet":
            return result, pd.read_parquet(files[-1])
        return result, pd.read_csv(files[-1], sep="\t", na_values=["."])

    return run


def pair(enhancer, promoter, chrom="chr1", name="e::p"):
    """Return a BEDPE row with windows that begin where it says."""
    return [chrom, enhancer, enhancer + 8, chrom, promoter, promoter + 6, name]


def snv(letters, position, chrom="chr1"):
    """Return a record that changes the base at a 0-based position."""
    base = letters[position]
    return [chrom, position + 1, ".", base, "ACGT"["ACGT".index(base) - 1]]


def test_rows_are_variants_by_pairs_with_the_window_that_changes(run, letters):
    pairs = [pair(100, 200), pair(50, 200, name="."), pair(104, 150, name="x")]
    records = [snv(letters, 103), snv(letters, 105), snv(letters, 205), snv(letters, 250)]
    result, table = run(pairs, records)
    assert list(table.columns) == list(COLUMNS)
    assert list(zip(table["pos"], table["pair"], table["anchor"], strict=True)) == [
        (104, 1, "enhancer"), (106, 1, "enhancer"), (106, 3, "enhancer"),
        (206, 1, "promoter"), (206, 2, "promoter"),
    ]  # fmt: skip
    assert table["enhancer_offset"].tolist()[:3] == [3, 5, 1]
    assert table["promoter_offset"].tolist()[3:] == [5, 5]
    assert table["enhancer_offset"].isna().tolist() == table["promoter_offset"].notna().tolist()
    assert table["enhancer_name"].fillna("").tolist() == ["e", "e", "", "e", ""]
    assert (result.rows, result.scored, result.outside, result.pairs) == (5, 3, 1, 3)
    assert (result.records, result.alleles, result.skipped) == (4, 4, {})


def test_scores_are_those_of_the_windows_before_and_after(run, letters):
    _, table = run([pair(100, 200)], [snv(letters, 103), snv(letters, 204)])
    reference = letters[100:108].count("A") - letters[200:206].count("C")
    for row in table.itertuples():
        at = row.pos - 1
        mutated = letters[:at] + row.alt + letters[at + 1 :]
        alternative = mutated[100:108].count("A") - mutated[200:206].count("C")
        assert (row.ref_logit, row.alt_logit) == (reference, alternative)
        assert row.delta_logit == alternative - reference
        expected = 1 / (1 + np.exp(-np.array([reference, alternative])))
        assert [row.ref_probability, row.alt_probability] == pytest.approx(expected, rel=1e-7)


def test_parts_by_contig_of_the_variant_end_to_end_are_the_whole(run, letters, tmp_path):
    backwards = letters[::-1]
    pairs = [pair(100, 200), pair(60, 90, "chr2"), pair(100, 150)]
    pairs.append(["chr1", 10, 18, "chr2", 70, 76, "trans"])
    records = [snv(letters, at) for at in (12, 103, 152, 204)]
    records += [snv(backwards, at, "chr2") for at in (61, 72, 92)]
    _, whole = run(pairs, records, trans="keep")
    parts = []
    for contig, alleles in (("chr1", 4), ("2", 3)):
        result, table = run(pairs, records, trans="keep", contigs=[contig], overwrite=True)
        assert (result.records, result.alleles) == (alleles, alleles)
        parts.append(table)
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)
    assert whole["pair"].max() == 4


def test_a_part_without_a_pair_is_refused(run, letters):
    with pytest.raises(RequestError, match="no pair on chrUn; there are pairs on chr1"):
        run([pair(100, 200)], [snv(letters, 103)], contigs=["chrUn"])


def test_a_variant_in_both_windows_changes_both(run, letters):
    _, table = run([pair(100, 103)], [snv(letters, 104)])
    assert table["anchor"].tolist() == ["both"]
    assert table[["enhancer_offset", "promoter_offset"]].to_numpy().tolist() == [[4, 1]]
    mutated = letters[:104] + table["alt"][0] + letters[105:]
    expected = mutated[100:108].count("A") - mutated[103:109].count("C")
    assert table["alt_logit"].tolist() == [expected]


def test_alleles_are_split_and_keep_their_frequency_and_name(run, letters, tmp_path):
    ref = letters[102:104]
    record = ["chr1", 103, "rs7", ref, f"{ref}T,{ref[0]},<DEL>,*"]
    _, table = run([pair(100, 200)], [record])
    assert table["alt"].tolist() == [f"{ref}T", ref[0]]
    assert table["id"].tolist() == ["rs7"] * 2
    assert table["af"].isna().all()


def test_frequencies_are_written(run, letters, tmp_path):
    record = "\t".join(map(str, snv(letters, 103))) + "\t.\t.\tAF=0.25\n"
    _, table = run([pair(100, 200)], [], header=HEADER + record)
    assert table["af"].tolist() == [0.25]


def test_what_is_not_scored_is_counted_by_reason(run, letters):
    wrong = snv(letters, 104)
    wrong[3], wrong[4] = wrong[4], wrong[3]
    whole = ["chr1", 100, ".", letters[99:109], letters[99]]
    records = [whole, snv(letters, 103), wrong, ["chr1", 107, ".", letters[106], "<DEL>,*"]]
    result, _ = run([pair(100, 200)], records)
    assert result.skipped == {
        MISMATCH: 1, REMOVED: 1,
        "symbolic ALT (no sequence given)": 1, "ALT * (deleted by another variant)": 1,
    }  # fmt: skip
    assert result.mismatches == [f"chr1:105: REF is {wrong[3]}, the genome has {wrong[4]}"]
    assert (result.rows, result.scored, result.outside, result.removed) == (1, 1, 0, 1)
    assert result.alleles == 5 == result.scored + result.outside + sum(result.skipped.values())


def test_a_deletion_of_one_window_is_still_scored_in_others(run, letters):
    deletion = ["chr1", 100, ".", letters[99:109], letters[99]]
    result, table = run([pair(100, 200), pair(104, 200)], [deletion])
    assert (table["pair"].tolist(), result.removed) == ([2], 1)
    assert table["enhancer_offset"].tolist() == [-4]
    haplotype = letters[:100] + letters[109:]
    expected = haplotype[96:104].count("A") - letters[200:206].count("C")
    assert table["alt_logit"].tolist() == [expected]


def test_at_most_20_mismatches_are_listed(run, letters):
    records = []
    for position in range(100, 108):
        record = snv(letters, position)
        others = [base for base in "ACGT" if base != letters[position]]
        records += [[*record[:3], other, letters[position]] for other in others]
    result, _ = run([pair(100, 200)], [*records, snv(letters, 202)])
    assert result.skipped == {MISMATCH: 24}
    assert len(result.mismatches) == 20


def test_names_that_differ_by_chr_are_one_contig(run, letters):
    result, table = run([pair(100, 200, chrom="1")], [snv(letters, 103, chrom="1")])
    assert result.renamed == result.renamed_variants == {"1": "chr1"}
    assert (table["chrom"][0], table["enhancer_chrom"][0]) == (1, 1)


def test_the_formats_of_variants_and_tables_agree(run, letters, tmp_path):
    pairs = [pair(100, 200), pair(60, 200), pair(100, 30, chrom="chr2")]
    records = [snv(letters, 103), ["chr1", 201, ".", letters[200:203], letters[200]]]
    _, expected = run(pairs, records)
    for ending in (".tsv.gz", ".parquet"):
        _, table = run(pairs, records, ending)
        pd.testing.assert_frame_equal(table, expected, check_dtype=False, rtol=1e-7)
    assert (
        gzip.decompress((tmp_path / "out.tsv.gz").read_bytes())
        == (tmp_path / "out.tsv").read_bytes()
    )


def test_the_order_of_variants_and_pairs_changes_nothing_but_that_of_rows(run, letters):
    rng = np.random.default_rng(1)
    pairs = [pair(*rng.integers(0, 290, 2).tolist(), name=f"e{i}::p{i}") for i in range(40)]
    records = [snv(letters, int(i)) for i in np.sort(rng.choice(300, 60, replace=False))]
    records.append(["chr2", 5, ".", letters[::-1][4], "AAA"])
    _, expected = run(pairs, records)
    assert len(expected) > 60
    _, table = run(pairs, [records[i] for i in rng.permutation(61)], overwrite=True)
    keys = ["chrom", "pos", "pair"]
    pd.testing.assert_frame_equal(
        table.sort_values(keys, ignore_index=True), expected.sort_values(keys, ignore_index=True)
    )
    _, table = run(pairs[::-1], records, overwrite=True)
    table["pair"] = 41 - table["pair"]
    pd.testing.assert_frame_equal(
        table.sort_values(keys, ignore_index=True), expected.sort_values(keys, ignore_index=True)
    )


@pytest.mark.parametrize("batch", [1, 7])
def test_rows_do_not_depend_on_how_they_are_cut(run, letters, monkeypatch, batch):
    pairs = [pair(100 + i, 200 - i) for i in range(9)]
    records = [snv(letters, i) for i in range(98, 210)]
    _, expected = run(pairs, records)
    monkeypatch.setattr(subject, "_BATCH_ROWS", batch)
    monkeypatch.setattr(variant_pairs, "_CHUNK_PAIRS", batch)
    told = []
    _, table = run(pairs, records, overwrite=True, on_rows=told.append)
    pd.testing.assert_frame_equal(table, expected)
    assert sum(told) == len(table)


def test_bad_pairs_stop_the_work_or_are_counted(run, letters, tmp_path):
    pairs = [pair(100, 200, chrom="chr9"), pair(100, 200), ["chr1", 1]]
    with pytest.raises(RequestError, match=r"1 row cannot be read|cannot be used"):
        run(pairs, [snv(letters, 103)])
    assert not (tmp_path / "out.tsv").exists()
    result, table = run(pairs, [snv(letters, 103)], bad_pairs="skip")
    assert table["pair"].tolist() == [2]
    assert result.skipped_pairs == {"contig not in the genome": 1, "row that cannot be read": 1}


def test_trans_pairs_are_kept_on_request(run, letters):
    trans = [["chr1", 100, 108, "chr2", 200, 206]]
    with pytest.raises(RequestError, match="different contigs"):
        run(trans, [snv(letters, 103)])
    records = [snv(letters, 103), snv(letters[::-1], 203, chrom="chr2")]
    _, table = run(trans, records, trans="keep")
    assert table["anchor"].tolist() == ["enhancer", "promoter"]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([["chr9", 5, ".", "A", "C"]], "no variant lies on a contig of .*: chr9 against chr1"),
        ([], "no variant lies on a contig of .*: no contig against chr1"),
        ([["chr1", 1, ".", "N", "C"]], "no variant with a sequence lies in a window"),
        ([["chr1", 105, ".", "N", "C"]], "none of 1 alleles .* first chr1:105: REF is N, the gen"),
    ],
)
def test_no_row_at_all_is_an_error_that_leaves_nothing(run, tmp_path, records, said):
    with pytest.raises(RequestError, match=said):
        run([pair(100, 200)], records)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "genome.fa", "genome.fa.fai", "pairs.bedpe", "v.vcf",
    ]  # fmt: skip


def test_a_table_that_exists_and_other_endings_are_refused(run, letters):
    run([pair(100, 200)], [snv(letters, 103)])
    with pytest.raises(RequestError, match="exists already"):
        run([pair(100, 200)], [snv(letters, 103)])
    with pytest.raises(RequestError, match=r"the ending must be one of \.tsv"):
        run([pair(100, 200)], [snv(letters, 103)], ending=".csv")


def test_the_disk_may_be_full(run, letters, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(subject.SortedWindows, "add", full)
    with pytest.raises(EpipamError, match=r"out\.tsv: cannot be written: No space left"):
        run([pair(100, 200)], [snv(letters, 103)])
    assert not list(tmp_path.glob("*out*"))


def test_memory_grows_neither_with_pairs_nor_with_variants(tmp_path, write_genome, monkeypatch):
    monkeypatch.setattr(subject, "_BATCH_ROWS", 500)
    monkeypatch.setattr(variant_pairs, "_CHUNK_PAIRS", 500)
    small_runs = partial(SortedRows, run_bytes=200_000)
    monkeypatch.setattr("epipam.interpret.window_sweep.SortedRows", small_runs)
    monkeypatch.setattr("epipam.interpret.change_scorer._REFERENCES", 500)
    contig = "ACGT" * 100_000
    genome = write_genome({"c": contig})
    peaks = []
    for n in (2_000, 12_000):
        starts = np.linspace(100, 390_000, n).astype(int).tolist()
        (tmp_path / "p.bedpe").write_text(
            "".join(f"c\t{s}\t{s + 8}\tc\t{s + 50}\t{s + 56}\n" for s in starts)
        )
        (tmp_path / "v.vcf").write_text(
            HEADER + "".join(f"c\t{s + 3}\t.\t{contig[s + 2]}\tCCA\t.\t.\t.\n" for s in starts)
        )
        tracemalloc.start()
        result = score_variants(
            LetterEngine(), genome, tmp_path / "p.bedpe", tmp_path / "v.vcf", tmp_path / f"{n}.tsv"
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert result.rows >= n
    assert peaks[1] < 1.5 * peaks[0]


def test_bgzip_bcf_and_indexed_files_give_the_same_rows(run, letters, tmp_path):
    pairs, records = [pair(100, 200)], [snv(letters, 103), snv(letters, 202)]
    header = HEADER.replace("#CHROM", "##contig=<ID=chr1,length=300>\n#CHROM")
    _, expected = run(pairs, records, header=header)
    pysam.tabix_compress(str(tmp_path / "v.vcf"), str(tmp_path / "v.vcf.gz"))
    pysam.tabix_index(str(tmp_path / "v.vcf.gz"), preset="vcf")
    with (
        pysam.VariantFile(str(tmp_path / "v.vcf")) as given,
        pysam.VariantFile(str(tmp_path / "v.bcf"), "wb", header=given.header) as out,
    ):
        for record in given:
            out.write(record)
    for name in ("v.vcf.gz", "v.bcf"):
        out = tmp_path / f"{name}.tsv"
        genome, pairs_path = Genome(tmp_path / "genome.fa").path, tmp_path / "pairs.bedpe"
        score_variants(LetterEngine(), genome, pairs_path, tmp_path / name, out)
        assert out.read_bytes() == (tmp_path / "out.tsv").read_bytes()
    assert len(expected) == 2
