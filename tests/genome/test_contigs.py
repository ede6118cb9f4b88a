"""Names of contigs: their order, and which of them a user means."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from epipam.cli.command import EpipamCommand
from epipam.cli.options import aliases_option
from epipam.errors import RequestError, TableError
from epipam.genome.contigs import (
    Aliases,
    canonical_name,
    find_contigs,
    listed_contigs,
    natural_order,
    other_spellings,
    resolve_names,
    select_contigs,
)


def test_an_exact_name_is_preferred_to_its_alias():
    assert select_contigs(["chr1", "1"], ["1"]) == ("1",)
    assert select_contigs(["chr1", "1"], ["chr1"]) == ("chr1",)


def test_contigs_come_as_they_are_spelled_each_once_in_natural_order():
    contigs = ["chrX", "chr10", "chr2"]
    assert find_contigs(contigs, ["10", "X", "chr10", "chr2"]) == (("chr2", "chr10", "chrX"), ())


def test_names_that_match_none_are_told():
    assert find_contigs(["chr1"], ["2", "chr1", "chr3"]) == (("chr1",), ("2", "chr3"))
    with pytest.raises(RequestError, match="no data on 2, chr3; there is data on chr1"):
        select_contigs(["chr1"], ["2", "chr1", "chr3"])


@given(st.sets(st.integers(1, 40)), st.booleans())
def test_natural_order_is_that_of_the_numbers_before_letters(numbers, chr_too):
    prefix = "chr" if chr_too else ""
    names = [f"{prefix}{number}" for number in sorted(numbers)]
    assert natural_order([f"{prefix}X", *reversed(names)]) == (*names, f"{prefix}X")


def test_a_list_in_a_message_says_how_many_more_there_are():
    assert listed_contigs(["b", "a", "c"], most=2) == "a, b and 1 more"
    assert listed_contigs([]) == "no contig"


def test_the_mitochondrion_is_found_among_contigs_by_any_of_its_names():
    assert find_contigs(["chr1", "chrM"], ["MT", "1"]) == (("chr1", "chrM"), ())


# Spellings of one contig.


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (["chr1", "1"], "1"),
        (["chrM", "M", "MT", "chrMT"], "M"),
        (["NC_000020.10"], "NC_000020.10"),
        (["CHR1"], "CHR1"),
        (["chr"], "chr"),
    ],
)
def test_all_spellings_of_a_contig_have_one_key(names, key):
    assert {canonical_name(name) for name in names} == {key}


@given(st.text(min_size=1))
def test_other_spellings_have_the_key_of_the_name(name):
    keys = {canonical_name(other) for other in other_spellings(name) if other}
    assert keys <= {canonical_name(name)} or name in ("chr", "chrchr")


# Aliases.

UCSC = """\
# ucsc\tassembly\tgenbank\trefseq
chr20\t20\tCM000682.1\tNC_000020.10
chrM\tMT\t\tNC_012920.1
chrUn_gl000211\tHSCHRUN_RANDOM_CTG1
"""
UCSC_DATABASE = """\
20\tchr20\tensembl,ncbi
NC_000020.10\tchr20\trefseq
CM000682.1\tchr20\tgenbank
NC_012920.1\tchrM\trefseq
"""
TWO_COLUMNS = "NC_000020.10 chr20\n\n# by hand\nchr20 CM000682.1\nNC_012920.1 MT\n"


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "aliases.tsv") -> Path:
        path = tmp_path / name
        content = text.encode("utf-8", "surrogateescape")
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["aliases.tsv", "aliases.txt.gz"])
@pytest.mark.parametrize("text", [UCSC, UCSC_DATABASE, TWO_COLUMNS])
def test_names_are_resolved_by_aliases_in_each_layout(write, text, name, line_end):
    aliases = Aliases.read(write(text.replace("\n", line_end), name))
    asked = ["NC_000020.10", "CM000682.1", "chr20", "20", "NC_012920.1", "refseq", "NC_1"]
    for contigs in (["chr20", "chrM"], ["20", "MT"], ["NC_000020.10", "NC_012920.1"]):
        one, other = contigs
        assert resolve_names(asked, contigs, aliases) == {
            **dict.fromkeys(asked[:4], one),
            "NC_000020.10": one,
            "NC_012920.1": other,
        }
        assert find_contigs(contigs, asked[:2], aliases) == ((one,), ())


def test_a_name_that_is_there_is_taken_before_its_aliases(write):
    aliases = Aliases.read(write("a\tb\n"))
    assert resolve_names(["a", "b"], ["a"], aliases) == {"a": "a", "b": "a"}
    assert resolve_names(["a", "b"], ["a", "b"], aliases) == {"a": "a", "b": "b"}


def test_names_without_aliases_are_read_as_they_are(write):
    aliases = Aliases.read(write(UCSC))
    assert aliases.names("chr7") == ()
    assert resolve_names(["chr7", "7"], ["7"], aliases) == {"chr7": "7", "7": "7"}


@given(
    st.lists(
        st.lists(st.sampled_from([f"{kind}{i}" for kind in "ab" for i in range(6)]), min_size=2),
        max_size=6,
    )
)
def test_names_have_one_key_where_lines_link_them(lines):
    linked = {name: {name} for line in lines for name in line}
    for _ in lines:
        for line in lines:
            whole = set().union(*(linked[name] for name in line))
            for name in whole:
                linked[name] = whole
    aliases = Aliases(lines)
    for one in linked:
        assert set(aliases.names(one)) == linked[one]
        for other in linked:
            same = canonical_name(one, aliases) == canonical_name(other, aliases)
            assert same == (other in linked[one])


def test_an_alias_of_two_contigs_that_are_there_is_refused():
    aliases = Aliases([["NC_1", "one"], ["NC_1", "two"]], "aliases.tsv")
    message = r"aliases\.tsv: makes one contig of one and two, .* which of them is NC_1\?"
    with pytest.raises(RequestError, match=message):
        resolve_names(["NC_1"], ["one", "two"], aliases)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", ": names no contig"),
        ("# ucsc\tncbi\n", ": names no contig"),
        ("chr1\t1\nchr2\n", ":2: has one column"),
        ("chr1\tX\nchr2\tX\n", ":2: makes one contig of chr1 and chr2"),
        ("chr1\t1\nchr\x012\t2\n", r":2: the name 'chr\\x012' has a control character"),
        ("chr1\t1\nchr\udce9\t2\n", ":2: is not text in UTF-8"),
        ("chr1\t1\n" + "x" * 1_000_001, ":2: is a line of more than 1,000,000 bytes"),
        ("".join(f"{i} X\n" for i in range(1_200)), ":1000: makes one contig of more than 1,000"),
    ],
)
@pytest.mark.parametrize("name", ["aliases.tsv", "aliases.tsv.gz"])
def test_what_is_wrong_with_aliases_is_named_with_its_line(write, text, complaint, name):
    with pytest.raises(TableError, match=complaint) as caught:
        Aliases.read(write(text, name))
    assert str(caught.value).startswith(f"{write(text, name)}")
    assert "\n" not in str(caught.value)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Fail unless an error of ours names the file."""
    try:
        yield
    except TableError as error:
        if not str(error).startswith(str(path)):
            pytest.fail(f"{error} does not name {path}")
        raise


@given(st.binary(max_size=200))
def test_any_bytes_are_aliases_or_an_error_that_names_the_file(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("aliases") / "aliases.tsv"
    path.write_bytes(content)
    with suppress(TableError), naming(path):
        assert Aliases.read(path).source == str(path)


def test_the_option_gives_a_command_the_aliases_or_one_line(write):
    @click.command(cls=EpipamCommand)
    @aliases_option
    def show(aliases: Aliases | None) -> None:
        click.echo(None if aliases is None else ",".join(aliases.names("20")))

    run = CliRunner().invoke
    assert run(show, []).output.strip() == ""
    assert run(show, ["--aliases", str(write(UCSC))]).output.strip().startswith("chr20,20,CM")
    failed = run(show, ["--aliases", "absent.tsv"])
    assert failed.exit_code == 2
    assert failed.output == "show: error: absent.tsv: no such file\n"
