"""The simulated genome, its pairs and its truth, each judged by something else than the code."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

import epipam.simulate.simulation
from epipam.cli.simulate import simulate as simulate_command
from epipam.errors import RequestError
from epipam.pairs.table import COLUMNS
from epipam.simulate import SimulationResult, SimulationSettings, contig_lengths, simulate
from epipam.simulate.fasta import write_fasta
from epipam.simulate.grammar import MOTIFS, deal_states
from epipam.simulate.sequence import ContigSequence, complement, place_gaps

SHARED = Path(__file__).parents[3] / "shared/data"
CONSENSUS = {motif.name: motif.consensus for motif in MOTIFS}
WINDOWS = {"enhancer": 3000, "promoter": 2000}
SMALL = SimulationSettings(contigs=3, contig_length=600_000, positives=66)
FILES = ("genome.fa", "genome.fa.fai", "pairs.tsv", "truth.tsv", "simulation.json")


def reverse_complement(sequence: str) -> str:
    return "".join({"A": "T", "C": "G", "G": "C", "T": "A"}[base] for base in sequence[::-1])


def window(start: int, end: int, length: int) -> tuple[int, int]:
    """Resize a region as docs/architecture.md says, in plain integers."""
    excess = end - start - length
    moved = start + -(-excess // 2) if excess >= 0 else start - -(excess // 2)
    return moved, moved + length


def read(result: SimulationResult) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.read_csv(result.pairs, sep="\t"), pd.read_csv(result.truth, sep="\t")


def sites_per_anchor(truth: pd.DataFrame) -> dict[str, list[tuple[str, str]]]:
    return {
        name: list(zip(rows["motif"], rows["strand"], strict=True))
        for name, rows in truth.groupby("anchor_name")
    }


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> SimulationResult:
    return simulate(tmp_path_factory.mktemp("both") / "out", SMALL)


@pytest.fixture(scope="module")
def match(tmp_path_factory: pytest.TempPathFactory) -> SimulationResult:
    settings = SimulationSettings("match", 2, 3, 600_000, 66)
    return simulate(tmp_path_factory.mktemp("match") / "out", settings)


def test_same_seed_gives_the_same_bytes_and_another_seed_others(
    both: SimulationResult, tmp_path: Path
) -> None:
    again = simulate(tmp_path / "again", SMALL)
    other = simulate(tmp_path / "other", SimulationSettings(**{**vars(SMALL), "seed": 1}))
    for name in FILES:
        first = (both.folder / name).read_bytes()
        assert first == (again.folder / name).read_bytes()
        if name != "genome.fa.fai":
            assert first != (other.folder / name).read_bytes()


@pytest.mark.parametrize("block_lines", [1, 999, 100_000])
def test_bytes_do_not_depend_on_the_block_size(tmp_path: Path, block_lines: int) -> None:
    lengths = {"chr1": 150_001, "chr2": 160, "chr3": 7}
    planted = np.array([79, 80, 100_000]), np.frombuffer(b"ACG", np.uint8)

    def sequence_of(contig: str) -> ContigSequence:
        gaps = np.array([[0, 50], [99_990, 100_000]])
        return ContigSequence(0, contig, lengths[contig], gaps, *planted)

    texts = []
    if block_lines == 1:
        lengths["chr1"] = 3_001
    for number, lines in enumerate((12_500, block_lines)):
        path = tmp_path / f"{number}.fa"
        write_fasta(path, lengths, sequence_of, lambda steps, note: None, lines)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]


def test_index_is_the_one_that_samtools_writes(both: SimulationResult, tmp_path: Path) -> None:
    copy = shutil.copy(both.genome, tmp_path / "copy.fa")
    pysam.faidx(str(copy))
    assert Path(f"{copy}.fai").read_text() == Path(f"{both.genome}.fai").read_text()
    lines = both.genome.read_text().splitlines()
    assert max(map(len, lines)) == 80


def test_composition_is_that_of_a_mammalian_genome() -> None:
    length = 24_000_000
    gaps = place_gaps(0, "chr1", length, np.empty((0, 2), np.int64))
    letters = ContigSequence(0, "chr1", length, gaps).fetch(0, length).tobytes()
    n_unknown = letters.count(b"N")
    assert n_unknown == (gaps[:, 1] - gaps[:, 0]).sum()
    assert letters[:10_000] == letters[-10_000:] == b"N" * 10_000
    assert (gaps[:, 1] - gaps[:, 0]).max() == 3_000_000
    assert len(gaps) >= 6
    upper = letters.upper()
    counts = {base: upper.count(base) for base in (b"A", b"C", b"G", b"T")}
    n_known = length - n_unknown
    assert sum(counts.values()) == n_known
    assert (counts[b"C"] + counts[b"G"]) / n_known == pytest.approx(0.41, abs=0.01)
    expected_cpg = counts[b"C"] * counts[b"G"] / n_known
    assert upper.count(b"CG") / expected_cpg == pytest.approx(0.25, abs=0.03)
    masked = np.frombuffer(letters, np.uint8) >= ord("a")
    assert masked.sum() / n_known == pytest.approx(0.45, abs=0.03)
    stretches = complement(gaps, length)
    gc = [
        sum(upper[start : start + 100_000].count(base) for base in (b"C", b"G")) / 100_000
        for start in range(int(stretches[0, 0] + 90_000), int(stretches[0, 1]) - 100_000, 100_000)
    ]
    assert min(gc) > 0.33
    assert max(gc) < 0.57
    assert np.std(gc) > 0.02


@pytest.mark.parametrize("grammar", ["both", "match"])
def test_truth_is_in_the_genome_at_the_stated_place_and_strand(
    grammar: str, request: pytest.FixtureRequest
) -> None:
    result = request.getfixturevalue(grammar)
    _, truth = read(result)
    agreement: list[float] = []
    with pysam.FastaFile(str(result.genome)) as genome:
        for site in truth.itertuples():
            letters = genome.fetch(site.contig, site.start, site.end)
            oriented = letters if site.strand == "+" else reverse_complement(letters)
            assert oriented == site.sequence
            consensus = CONSENSUS[site.motif]
            same = sum(a == b for a, b in zip(oriented, consensus, strict=True))
            agreement.append(same / len(consensus))
    assert np.mean(agreement) > 0.85
    assert min(agreement) > 0.4
    sites = truth.sort_values(["contig", "start"])
    follows = (sites["contig"] == sites["contig"].shift()).to_numpy()
    assert (sites["start"] >= sites["end"].shift())[follows].all()


@pytest.mark.parametrize(("grammar", "n_sites"), [("both", 4), ("match", 2)])
def test_sites_stay_inside_shifted_windows_clear_of_gaps(
    grammar: str, n_sites: int, request: pytest.FixtureRequest
) -> None:
    result = request.getfixturevalue(grammar)
    pairs, truth = read(result)
    sites = truth.groupby("anchor_name")
    occupied = []
    with pysam.FastaFile(str(result.genome)) as genome:
        for kind, length in WINDOWS.items():
            for pair in pairs.to_dict("records"):
                contig, name = pair[f"{kind}_chrom"], pair[f"{kind}_name"]
                region = pair[f"{kind}_start"], pair[f"{kind}_end"]
                start, end = window(*region, length)
                occupied.append((contig, start - 100, end + 100))
                assert "N" not in genome.fetch(contig, start - 100, end + 100).upper()
                if name in sites.groups:
                    rows = sites.get_group(name)
                    assert len(rows) == n_sites
                    assert set(rows["contig"]) == {contig}
                    assert set(rows["anchor"]) == {kind}
                    assert rows["strand"].nunique() == rows["motif"].nunique() == 1
                    assert rows["start"].min() >= max(start + 110, region[0])
                    assert rows["end"].max() <= min(end - 110, region[1])
    occupied.sort()
    for (contig, _, end), (next_contig, start, _) in pairwise(occupied):
        assert contig != next_contig or end <= start


def test_table_is_canonical_sorted_and_spread_over_contigs(both: SimulationResult) -> None:
    pairs, _ = read(both)
    assert tuple(pairs.columns) == COLUMNS
    assert (pairs["enhancer_chrom"] == pairs["promoter_chrom"]).all()
    assert (pairs["enhancer_end"] < pairs["promoter_start"]).all()
    assert pairs["enhancer_chrom"].unique().tolist() == ["chr1", "chr2", "chr3"]
    for _, rows in pairs.groupby("enhancer_chrom"):
        assert rows["enhancer_start"].is_monotonic_increasing
        assert rows["label"].value_counts().to_dict() == {0: 22, 1: 22}
    distance = (pairs["promoter_start"] - pairs["enhancer_start"]).to_numpy()
    assert roc_auc_score(pairs["label"], distance) == pytest.approx(0.5, abs=0.05)
    assert distance.min() >= 10_000
    assert distance.max() <= 500_000


def test_both_gives_one_anchor_no_more_than_three_quarters_and_the_pair_everything(
    both: SimulationResult,
) -> None:
    pairs, truth = read(both)
    sites = sites_per_anchor(truth)
    right_enhancer = np.array([("CTCF", "+") in sites.get(n, []) for n in pairs["enhancer_name"]])
    right_promoter = np.array([("CTCF", "-") in sites.get(n, []) for n in pairs["promoter_name"]])
    labels = pairs["label"]
    assert roc_auc_score(labels, right_enhancer) <= 0.75
    assert roc_auc_score(labels, right_promoter) <= 0.75
    assert roc_auc_score(labels, right_enhancer & right_promoter) == 1.0


def test_match_gives_one_anchor_nothing_and_the_pair_everything(match: SimulationResult) -> None:
    pairs, truth = read(match)
    sites = sites_per_anchor(truth)
    carried = {kind: [sites[name][0][0] for name in pairs[f"{kind}_name"]] for kind in WINDOWS}
    for motifs in carried.values():
        assert set(motifs) == set(CONSENSUS)
        for name in CONSENSUS:
            indicator = np.array(motifs) == name
            assert roc_auc_score(pairs["label"], indicator) == pytest.approx(0.5)
    same = np.array(carried["enhancer"]) == np.array(carried["promoter"])
    assert roc_auc_score(pairs["label"], same) == 1.0


@pytest.mark.parametrize("n_positives", [1, 2, 3, 5, 7, 12, 13, 31, 40])
@pytest.mark.parametrize("ratio", [1, 2, 5, 20])
def test_decks_are_balanced_whatever_the_counts(n_positives: int, ratio: int) -> None:
    labels = np.repeat([1, 0], [n_positives, ratio * n_positives])
    contigs = np.zeros(len(labels), int)
    random = np.random.default_rng(0)
    states = deal_states("match", labels, contigs, random)
    same = states.enhancer_motif == states.promoter_motif
    assert (same == (labels == 1)).all()
    if n_positives > 1:
        for motifs in (states.enhancer_motif, states.promoter_motif):
            positive, negative = (
                np.bincount(motifs[labels == label], minlength=len(MOTIFS)) for label in (1, 0)
            )
            assert (negative == ratio * positive).all()
    states = deal_states("both", labels, contigs, random)
    n_negatives = ratio * n_positives
    rights = [
        int((strand[labels == 0] == right).sum())
        for strand, right in ((states.enhancer_strand, 1), (states.promoter_strand, -1))
    ]
    assert rights == [-(-n_negatives // 2), n_negatives // 2]


def test_motifs_are_told_apart_at_every_offset_and_strand() -> None:
    names = list(CONSENSUS)
    for i, name in enumerate(names):
        for other in names[i + 1 :]:
            for second in (CONSENSUS[other], reverse_complement(CONSENSUS[other])):
                first = CONSENSUS[name]
                padded = "." * len(second) + first + "." * len(second)
                best = max(
                    sum(a == b for a, b in zip(second, padded[offset:], strict=False))
                    for offset in range(len(first) + len(second))
                )
                assert best <= 0.7 * min(len(first), len(second)), (name, other, best)


def write_inputs(
    folder: Path, rows: list[tuple[int, int, int, int, int]], length: int = 400_000
) -> SimulationSettings:
    """Write given pairs (enhancer, promoter, label) on chrA and the sizes file."""
    sizes, pairs = folder / "chrom.sizes", folder / "given.tsv"
    sizes.write_text(f"chrA\t{length}\nchrB\t50000\n")
    frame = [("chrA", a, b, f"e{a}", "chrA", c, d, f"p{c}", label) for a, b, c, d, label in rows]
    pd.DataFrame(frame, columns=list(COLUMNS)).to_csv(pairs, sep="\t", index=False)
    return SimulationSettings(chrom_sizes=sizes, pairs=pairs)


def test_given_coordinates_realise_labels_and_count_a_known_conflict(tmp_path: Path) -> None:
    rows = [
        (20_000, 21_000, 60_000, 61_500, 1),
        (100_000, 100_050, 60_000, 61_500, 1),  # needs the promoter on the other strand
        (20_000, 21_000, 140_000, 142_000, 0),
        (180_000, 181_000, 60_000, 61_500, 0),
        (220_000, 221_000, 200_000, 201_000, 1),  # enhancer downstream
        (260_000, 261_000, 300_000, 301_000, -1),
    ]
    result = simulate(tmp_path / "out", write_inputs(tmp_path, rows))
    pairs, truth = read(result)
    assert pairs["label"].tolist() == [row[-1] for row in rows]
    assert pairs["implied_label"].tolist()[:5] == [1, 0, 0, 0, 1]
    assert result.conflicts == 1
    assert result.conflict_reasons == {"shared_regions": 1, "neighbouring_sites": 0, "no_room": 0}
    sites = sites_per_anchor(truth)
    assert set(sites["e20000"]) == set(sites["p200000"]) == {("CTCF", "+")}
    assert set(sites["p60000"]) == set(sites["e220000"]) == {("CTCF", "-")}
    record = json.loads((result.folder / "simulation.json").read_text())
    assert record["counts"]["conflicts"] == 1
    assert record["contigs"] == {"chrA": 400_000, "chrB": 50_000}


def test_given_chromosomes_may_be_named_without_chr(tmp_path: Path) -> None:
    settings = write_inputs(tmp_path, [(20_000, 21_000, 60_000, 61_500, 1)])
    as_given = simulate(tmp_path / "as-given", settings)
    Path(settings.pairs).write_text(Path(settings.pairs).read_text().replace("chrA", "A"))
    renamed = simulate(tmp_path / "renamed", settings)
    assert as_given.renamed == {}
    assert renamed.renamed == {"A": "chrA"}
    for name in ("genome.fa", "pairs.tsv", "truth.tsv"):
        assert (renamed.folder / name).read_bytes() == (as_given.folder / name).read_bytes()


def test_sites_of_a_neighbour_inside_the_window_are_a_conflict(tmp_path: Path) -> None:
    rows = [
        (20_000, 20_400, 60_000, 61_500, 1),
        (20_600, 20_800, 60_000, 61_500, 0),
    ]
    result = simulate(tmp_path / "out", write_inputs(tmp_path, rows))
    assert result.conflict_reasons == {"shared_regions": 0, "neighbouring_sites": 1, "no_room": 0}
    assert read(result)[0]["implied_label"].tolist() == [1, 1]


def test_a_region_too_short_for_its_sites_spreads_them_over_its_window(tmp_path: Path) -> None:
    result = simulate(
        tmp_path / "out", write_inputs(tmp_path, [(20_000, 20_001, 60_000, 61_500, 1)])
    )
    _, truth = read(result)
    sites = truth[truth["anchor_name"] == "e20000"]
    assert len(sites) == 4
    assert sites["start"].min() >= 20_001 - 1_500 + 110
    assert sites["end"].max() <= 20_001 + 1_500 - 110


def test_overlapping_regions_do_not_overwrite_each_others_sites(tmp_path: Path) -> None:
    rows = [(20_000, 20_080 + i, 60_000, 61_500, 1) for i in range(6)]
    result = simulate(tmp_path / "out", write_inputs(tmp_path, rows))
    _, truth = read(result)
    assert (truth["start"].to_numpy()[1:] >= truth["end"].to_numpy()[:-1]).all()
    assert result.n_sites_without_room > 0
    assert result.n_sites + result.n_sites_without_room == 7 * 4
    with pysam.FastaFile(str(result.genome)) as genome:
        for site in truth.itertuples():
            letters = genome.fetch(site.contig, site.start, site.end)
            assert site.sequence in (letters, reverse_complement(letters))


def implied_by_hand(grammar: str, pairs: pd.DataFrame, truth: pd.DataFrame) -> list[int]:
    """Imply every pair's label from the sites in its windows, one pair at a time."""
    labels = []
    by_contig = {contig: rows for contig, rows in truth.groupby("contig")}
    for pair in pairs.to_dict("records"):
        rows = by_contig[pair["enhancer_chrom"]]
        inside = {}
        for kind, length in WINDOWS.items():
            start, end = window(pair[f"{kind}_start"], pair[f"{kind}_end"], length)
            inside[kind] = rows[(rows["start"] >= start) & (rows["end"] <= end)]
        if grammar == "match":
            shared = set(inside["enhancer"]["motif"]) & set(inside["promoter"]["motif"])
            labels.append(int(bool(shared)))
            continue
        order = ["enhancer", "promoter"]
        centre = {kind: pair[f"{kind}_start"] + pair[f"{kind}_end"] for kind in order}
        left, right = order if centre["enhancer"] <= centre["promoter"] else order[::-1]
        strands = set(inside[left]["strand"]), set(inside[right]["strand"])
        labels.append(int("+" in strands[0] and "-" in strands[1]))
    return labels


@pytest.mark.parametrize("grammar", ["both", "match"])
def test_real_pairs_are_realised_but_for_few_conflicts(tmp_path: Path, grammar: str) -> None:
    if not SHARED.is_dir():
        pytest.skip(f"the real pair lists are not here: {SHARED} is absent")
    pairs = pd.read_csv(SHARED / "pairs/targetfinder_GM12878.tsv.gz", sep="\t")
    subset = pairs[pairs["enhancer_chrom"].isin(["chr21", "chr22"])]
    subset = subset[subset[["enhancer_end", "promoter_end"]].max(axis=1) < 30_000_000]
    subset.to_csv(tmp_path / "pairs.tsv", sep="\t", index=False)
    (tmp_path / "sizes").write_text("chr21\t30000000\nchr22\t30000000\n")
    settings = SimulationSettings(
        grammar, chrom_sizes=tmp_path / "sizes", pairs=tmp_path / "pairs.tsv"
    )
    result = simulate(tmp_path / "out", settings)
    written, truth = read(result)
    assert written["label"].tolist() == subset["label"].tolist()
    assert written["enhancer_start"].tolist() == subset["enhancer_start"].tolist()
    assert written["implied_label"].tolist() == implied_by_hand(grammar, written, truth)
    assert result.conflicts == (written["label"] != written["implied_label"]).sum()
    assert result.conflicts < 0.02 * len(written)
    positive = written[written["label"] == 1]
    assert len(positive) > 5
    assert positive["implied_label"].mean() > 0.9
    with pysam.FastaFile(str(result.genome)) as genome:
        for pair in written.to_dict("records"):
            for kind, length in WINDOWS.items():
                start, end = window(pair[f"{kind}_start"], pair[f"{kind}_end"], length)
                assert "N" not in genome.fetch(pair[f"{kind}_chrom"], start, end)


def test_failed_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(epipam.simulate.simulation, "write_fasta", fail)
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "out", SMALL)
    assert list(tmp_path.iterdir()) == []


def test_existing_folder_is_refused_and_replaced_only_on_request(
    both: SimulationResult, tmp_path: Path
) -> None:
    settings = SimulationSettings(contigs=1, contig_length=200_000, positives=2)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(RequestError, match="foreign"):
            simulate(foreign, settings, overwrite=overwrite)
    assert (foreign / "thesis.tex").read_text() == "precious"
    out = Path(shutil.copytree(both.folder, tmp_path / "out"))
    with pytest.raises(RequestError, match="--overwrite"):
        simulate(out, settings)
    (out / "notes.txt").touch()
    with pytest.raises(RequestError, match=r"holds notes\.txt, which epipam has not written"):
        simulate(out, settings, overwrite=True)
    (out / "notes.txt").unlink()
    assert simulate(out, settings, overwrite=True).n_positives == 2
    assert sorted(file.name for file in out.iterdir()) == sorted(FILES)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["foreign", "out"]


def test_too_many_pairs_are_refused_with_a_length_that_then_suffices(tmp_path: Path) -> None:
    crowded = SimulationSettings(contigs=1, contig_length=300_000, positives=60)
    with pytest.raises(RequestError, match=r"chr1: 120 pairs do not fit in 300000 bp") as error:
        simulate(tmp_path / "out", crowded)
    needed = int(str(error.value).split("about ")[1].split(" bp")[0])
    roomy = SimulationSettings(contigs=1, contig_length=needed, positives=60)
    assert simulate(tmp_path / "out", roomy).n_negatives == 60


@pytest.mark.parametrize(
    "settings",
    [
        {"grammar": "neither"},
        {"sites": 0},
        {"sites": 94},
        {"positives": 5},
        {"seed": -1},
        {"negatives_per_positive": 0},
        {"pairs": Path("pairs.tsv")},
    ],
)
def test_wrong_settings_are_refused(settings: dict) -> None:
    with pytest.raises(RequestError):
        SimulationSettings(**settings)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("chrA\t10\t20\te\tchrA\t399000\t400001\tp\t1", "chrA:399000-400001"),
        ("chrC\t10\t20\te\tchrC\t399000\t400001\tp\t1", "chrC:10-20"),
    ],
)
def test_pairs_off_the_contigs_are_refused_by_name(tmp_path: Path, row: str, message: str) -> None:
    settings = write_inputs(tmp_path, [])
    assert settings.pairs is not None
    settings.pairs.write_text("\t".join(COLUMNS) + f"\n{row}\n")
    with pytest.raises(RequestError, match=message):
        simulate(tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


def test_chrom_sizes_alone_set_the_contigs(tmp_path: Path) -> None:
    sizes = tmp_path / "sizes"
    sizes.write_text("# name length\nscaffold_1\t400000\n\nscaffold_2 200000 extra\n")
    settings = SimulationSettings(chrom_sizes=sizes, positives=9)
    pairs, _ = read(simulate(tmp_path / "out", settings))
    assert pairs["enhancer_chrom"].value_counts().to_dict() == {"scaffold_1": 12, "scaffold_2": 6}
    sizes.write_text("scaffold_1\t400000\nscaffold_1\t400000\n")
    with pytest.raises(RequestError, match="sizes:2"):
        contig_lengths(settings)


def test_contigs_beyond_the_human_ones_are_numbered_on() -> None:
    names = list(contig_lengths(SimulationSettings(contigs=25)))
    assert names[:2] == ["chr1", "chr2"]
    assert names[21:] == ["chr22", "chrX", "chr23", "chr24"]


def test_command_prints_the_result_and_refuses_in_one_line(tmp_path: Path) -> None:
    small = ["--contigs", "1", "--contig-length", "200000", "--positives", "2"]
    runner = CliRunner()
    done = runner.invoke(simulate_command, ["-o", str(tmp_path / "out"), *small, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["genome"] == str(tmp_path / "out/genome.fa")
    assert result["n_positives"] == 2
    again = runner.invoke(simulate_command, ["-o", str(tmp_path / "out"), *small])
    assert again.exit_code == 2
    assert len(again.stderr.splitlines()) == 1
    assert "exists" in again.stderr
    sizes = tmp_path / "sizes"
    sizes.write_text("chr1\t200000\n")
    mixed = ["-o", str(tmp_path / "new"), "--chrom-sizes", str(sizes), *small]
    refused = runner.invoke(simulate_command, mixed)
    assert refused.exit_code == 2
    assert "--contigs" in refused.stderr
