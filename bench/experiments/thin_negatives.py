"""Keep all positives of a pair table and four negatives of each: thin_negatives.py IN OUT."""

from __future__ import annotations

import gzip
import random
import sys
from pathlib import Path

PER_POSITIVE = 4
SEED = 0


def main() -> None:
    """Copy the header and the chosen rows, in their order."""
    source, out = map(Path, sys.argv[1:])
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        header, *rows = lines
    label = header.rstrip("\n").split("\t").index("label")
    positive = [row.rstrip("\n").split("\t")[label] == "1" for row in rows]
    positives = [number for number, is_positive in enumerate(positive) if is_positive]
    negatives = [number for number, is_positive in enumerate(positive) if not is_positive]
    random.seed(SEED)
    drawn = random.sample(negatives, PER_POSITIVE * len(positives))
    kept = sorted(positives + drawn)
    out.write_text(header + "".join(rows[number] for number in kept), encoding="utf-8")


if __name__ == "__main__":
    main()
