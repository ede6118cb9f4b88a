"""Names of contigs: the order a reader expects, and those that a user names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from epipam.errors import RequestError


def natural_order(contigs: Iterable[str]) -> tuple[str, ...]:
    """Sort contigs as a reader expects, each once: chr2, chr10, chrX; `chr` itself is ignored."""
    return tuple(sorted(set(contigs), key=_natural_key))


def select_contigs(contigs: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Find the named contigs among those with data, as `find_contigs` does.

    Raises
    ------
    RequestError
        A name that matches no contig; the message lists those there are.
    """
    found, missing = find_contigs(contigs, names)
    if missing:
        raise RequestError(
            f"no data on {', '.join(missing)}; there is data on {listed_contigs(contigs)}"
        )
    return found


def find_contigs(
    contigs: Sequence[str], names: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find the named contigs: an exact match, else one that differs by a leading `chr` only.

    Returns
    -------
    found
        Spelled as in `contigs`, in natural order, each once.
    missing
        The names that match none.
    """
    present = set(contigs)
    bare = {without_chr(contig): contig for contig in sorted(present, reverse=True)}
    matches = {name: name if name in present else bare.get(without_chr(name)) for name in names}
    found = natural_order(contig for contig in matches.values() if contig is not None)
    return found, tuple(name for name, contig in matches.items() if contig is None)


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
