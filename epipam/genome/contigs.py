"""Names of contigs: which spellings mean one contig, their order, and those that a user names.

`chr1` and `1` are one contig, and so are `chrM`, `M`, `MT` and `chrMT`. Names that differ by more,
such as `NC_000001.10`, are one contig where a file of aliases says so. Case counts.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from epipam.errors import RequestError, TableError
from epipam.genome.text_lines import read_lines

_MITOCHONDRION = {"M": "MT", "MT": "M"}
# What the last of three columns holds in UCSC's table of aliases, one or several with commas.
_ALIAS_SOURCES = frozenset(
    [
        "assembly",
        "custom",
        "ensembl",
        "flybase",
        "genbank",
        "gencode",
        "ncbi",
        "refseq",
        "ucsc",
        "wormbase",
    ]
)
_MOST_NAMES = 5_000_000
_MOST_OF_A_CONTIG = 1_000


class Aliases:
    """Names that mean the same contigs, beyond `chr1` and `1`.

    Parameters
    ----------
    groups
        Names of one contig each; groups that share a name, or spellings of one, are one.
    source
        Where they come from, for messages.
    """

    def __init__(self, groups: Iterable[Sequence[str]] = (), source: str = "aliases") -> None:
        self.source = source
        # The names of a contig, as the keys of a dict, by `canonical_name` of each of them.
        self._names: dict[str, dict[str, None]] = {}
        for names in groups:
            self._join(names)

    @classmethod
    def read(cls, path: str | Path) -> Aliases:
        """Read a table of aliases, plain or gzip: every name on a line means one contig.

        UCSC's chromAlias files, tab-separated, with or without a line of column names that begins
        with `#`, in each of their layouts; or any table of two or more columns, by tabs or blanks.

        Raises
        ------
        TableError
            For a file that cannot be read or names nothing, a line with a single column, and a
            name that would make one contig of `chr1` and `chr2`; naming the line.
        """
        aliases = cls(source=str(path))
        n_names = 0
        for number, names in _alias_lines(path):
            n_names += len(names)
            if n_names > _MOST_NAMES:
                raise TableError(f"{path}:{number}: more than {_MOST_NAMES:,} names of contigs")
            group = aliases._join(names)
            chromosomes = {canonical_name(name): name for name in group if name.startswith("chr")}
            if len(chromosomes) > 1:
                raise TableError(
                    f"{path}:{number}: makes one contig of {' and '.join(chromosomes.values())}: "
                    "a name of this line stands with each of them; correct the file"
                )
            if len(group) > _MOST_OF_A_CONTIG:
                raise TableError(
                    f"{path}:{number}: makes one contig of more than {_MOST_OF_A_CONTIG:,} names, "
                    f"{names[-1]!r} among them; a line should hold the names of one contig alone"
                )
        if not n_names:
            raise TableError(f"{path}: names no contig; a line should hold the names of a contig")
        return aliases

    def names(self, name: str) -> tuple[str, ...]:
        """Return all names of a contig where the file has it, else nothing."""
        return tuple(self._names.get(canonical_name(name), ()))

    def _join(self, names: Sequence[str]) -> dict[str, None]:
        """Make one group of some names and of the groups that they are in; return it."""
        keys = dict.fromkeys(map(canonical_name, names))
        found = {id(group): group for key in keys if (group := self._names.get(key)) is not None}
        group, *others = found.values() or ({},)
        for name in [*(name for other in others for name in other), *names]:
            group[name] = None
            self._names[canonical_name(name)] = group
        return group


def canonical_name(name: str, aliases: Aliases | None = None) -> str:
    """Return one key for all spellings of a contig: its name less `chr`, and M for MT.

    Two names, in one file or in two, are one contig if their keys are equal. With aliases, all
    names of a contig there have one key.
    """
    if aliases is not None and (names := aliases.names(name)):
        name = names[0]
    bare = without_chr(name) or name
    return "M" if bare == "MT" else bare


def resolve_names(
    names: Iterable[str], contigs: Container[str], aliases: Aliases | None = None
) -> dict[str, str]:
    """Map names of chromosomes to contigs; names without a contig are absent.

    A name is taken exactly, or else with `chr` added or taken away (`chr1` and `1`, `chrM` and
    `MT`), or else by its aliases. Callers say which names were read as another.

    Raises
    ------
    RequestError
        Where the aliases give a name to two contigs that are there.
    """
    found = {}
    for name in names:
        contig = next((c for c in (name, *other_spellings(name)) if c in contigs), None)
        if contig is None and aliases is not None:
            contig = _by_alias(name, contigs, aliases)
        if contig is not None:
            found[name] = contig
    return found


def other_spellings(name: str) -> list[str]:
    """Return the names that differ from a contig's by `chr` alone (`1`, `chr1`; `MT`, `chrM`)."""
    bare = without_chr(name)
    other = _MITOCHONDRION.get(bare)
    names = [bare if name.startswith("chr") else f"chr{bare}"]
    return names if other is None else [*names, other, f"chr{other}"]


def natural_order(contigs: Iterable[str]) -> tuple[str, ...]:
    """Sort contigs as a reader expects, each once: chr2, chr10, chrX; `chr` itself is ignored."""
    return tuple(sorted(set(contigs), key=_natural_key))


def select_contigs(
    contigs: Sequence[str], names: Sequence[str], aliases: Aliases | None = None
) -> tuple[str, ...]:
    """Find the named contigs among those with data, as `find_contigs` does.

    Raises
    ------
    RequestError
        A name that matches no contig; the message lists those there are.
    """
    found, missing = find_contigs(contigs, names, aliases)
    if missing:
        raise RequestError(
            f"no data on {', '.join(missing)}; there is data on {listed_contigs(contigs)}"
        )
    return found


def find_contigs(
    contigs: Sequence[str], names: Sequence[str], aliases: Aliases | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find the named contigs, as `resolve_names` does.

    Returns
    -------
    found
        Spelled as in `contigs`, in natural order, each once.
    missing
        The names that match none.
    """
    matches = resolve_names(names, frozenset(contigs), aliases)
    return natural_order(matches.values()), tuple(name for name in names if name not in matches)


def listed_contigs(contigs: Iterable[str], most: int = 30) -> str:
    """Return contigs in natural order as a message lists them: the first of them, how many more."""
    names = natural_order(contigs)
    listed = ", ".join(names[:most]) or "no contig"
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"


def without_chr(contig: str) -> str:
    """Return a contig's name less a leading `chr`."""
    return contig.removeprefix("chr")


def _natural_key(contig: str) -> tuple[list[tuple[int, int, str]], str]:
    """Order digits by value and before letters: chr2, chr10, chrX; equal keys by spelling."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", without_chr(contig))
    key = [(0, int(piece), "") if piece[0] in "0123456789" else (1, 0, piece) for piece in pieces]
    return key, contig


def _by_alias(name: str, contigs: Container[str], aliases: Aliases) -> str | None:
    """Return the contig that is there of those that a name is an alias of, None for none."""
    there = {
        canonical_name(spelled): spelled
        for alias in reversed(aliases.names(name))
        for spelled in reversed((alias, *other_spellings(alias)))
        if spelled in contigs
    }
    if len(there) > 1:
        raise RequestError(
            f"{aliases.source}: makes one contig of {' and '.join(reversed(there.values()))}, "
            f"both of which are there; which of them is {name}? correct the file"
        )
    return next(iter(there.values()), None)


def _alias_lines(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the names of each line of a table of aliases that holds any."""
    for number, line in read_lines(path, "a table of aliases", TableError):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) < 2:
            raise TableError(
                f"{path}:{number}: has one column; a line should hold two or more names of a "
                "contig, with tabs between"
            )
        names = list(dict.fromkeys(name for field in fields if (name := field.strip())))
        if strange := next((name for name in names if not name.isprintable()), None):
            raise TableError(f"{path}:{number}: the name {strange!r} has a control character")
        # UCSC's database has a contig's alias, its name, and who calls it so.
        if len(fields) == 3 and len(names) == 3 and _are_sources(names[2]):
            del names[2]
        yield number, names


def _are_sources(text: str) -> bool:
    return all(source in _ALIAS_SOURCES for source in text.split(","))
