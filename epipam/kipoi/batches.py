"""What an exported Kipoi folder runs: pair tables as batches, batches as probabilities.

Kipoi imports a folder's `dataloader.py` and `model.py` by path, so what they define cannot be
pickled to another process. What is defined here can, and needs no kipoi.
"""

from __future__ import annotations

import copy
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from epipam.errors import RequestError
from epipam.genome.encoding import pack_onehot, unpack_onehot
from epipam.genome.fasta import Genome
from epipam.genome.windows import resize
from epipam.models import load_model
from epipam.models.registry import read_config
from epipam.pairs.checks import check_pairs, require_usable
from epipam.pairs.table import read_pairs
from epipam.runtime.devices import choose_device
from epipam.scoring.engine import PairWindows, finite_logits
from epipam.scoring.score import engine_for, probabilities, read_windows

ANCHORS = ("enhancer", "promoter")
KIPOI_BATCH_SIZE = 32  # the default of `kipoi predict --batch_size`
_BLOCK_ROWS = 512  # read together, whatever the size of a batch


class _Block(NamedTuple):
    """Rows of a pair table read together: packed windows, and their metadata for Kipoi.

    `ranges` has the fields of `kipoi.metadata.GenomicRanges`, each (n_rows,), for each region.
    """

    rows: slice
    packed: dict[str, np.ndarray]
    row: np.ndarray
    ranges: dict[str, dict[str, np.ndarray]]


class PairTableBatches:
    """The rows of a pair table in batches as Kipoi wants them: each row once, in input order.

    Several threads may read batches of one object.

    Parameters
    ----------
    model_dir
        Model folder, which says how long the windows are.
    genome, pairs
        Paths of the FASTA and of the pair table, in any of the three formats.

    Raises
    ------
    PairTableError
        Where a pair cannot be read or windowed.
    """

    def __init__(self, model_dir: str | Path, genome: str | Path, pairs: str | Path) -> None:
        config = read_config(model_dir)
        self.lengths = {anchor: int(config[f"{anchor}_length"]) for anchor in ANCHORS}
        self.batch_size = KIPOI_BATCH_SIZE
        # Absolute, because Kipoi changes folders between making a dataloader and reading it.
        self.genome = Genome(Path(genome).absolute())
        table = read_pairs(pairs)
        check = check_pairs(table, self.genome, *self.lengths.values())
        require_usable(table, check, self.genome, "fail", "take them out of the table")
        self.frame = table.frame
        self.contigs = check.contigs
        self._block: _Block | None = None
        self._reading = Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_block": None, "_reading": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _reading=Lock())

    def in_batches_of(self, pairs: int) -> PairTableBatches:
        """Return the same rows in batches of another size, which later changes here leave alone."""
        others = copy.copy(self)
        others.genome = copy.copy(self.genome)  # which opens the FASTA anew
        others.batch_size = pairs
        return others

    @property
    def batch_size(self) -> int:
        """Pairs per batch."""
        return self._batch_size

    @batch_size.setter
    def batch_size(self, pairs: int) -> None:
        if pairs < 1:
            raise RequestError(f"batch_size is {pairs} but must be at least 1")
        self._batch_size = pairs

    def __len__(self) -> int:
        """Return the number of batches."""
        return self._n_batches(self.batch_size)

    def __getitem__(self, index: int) -> dict[str, dict[str, Any]]:
        """Return one batch.

        Returns
        -------
        dict
            `inputs`: `enhancer` and `promoter`, float32 one-hot (n, 4, length), rows A C G T.
            `metadata`: `row`, int64 (n,), and genomic ranges (`chr`, `start`, `end`, `id`,
            `strand`, arrays of n) of both regions and both windows.
        """
        size = self.batch_size  # another thread may set it meanwhile
        if not 0 <= index < self._n_batches(size):
            raise IndexError(index)
        block = self._block_with(index, size)
        first = index * size - block.rows.start
        rows = slice(first, first + size)
        inputs = {
            anchor: unpack_onehot(block.packed[anchor][rows], length, np.float32)
            for anchor, length in self.lengths.items()
        }
        metadata: dict[str, Any] = {"row": block.row[rows]}
        for region, fields in block.ranges.items():
            metadata[region] = {name: values[rows] for name, values in fields.items()}
        return {"inputs": inputs, "metadata": metadata}

    def _n_batches(self, size: int) -> int:
        return -(-len(self.frame) // size)

    def _block_with(self, index: int, size: int) -> _Block:
        """Return the rows that are read together with those of a batch; kept for the next one."""
        batches = max(1, _BLOCK_ROWS // size)
        first = index // batches * batches * size
        rows = slice(first, first + batches * size)
        with self._reading:
            if self._block is None or self._block.rows != rows:
                self._block = self._read(rows)
            return self._block

    def _read(self, rows: slice) -> _Block:
        frame = self.frame.iloc[rows]
        windows = read_windows(frame, self.genome, self.contigs, *self.lengths.values())
        packed = {
            "enhancer": windows.enhancer[windows.enhancer_row],
            "promoter": windows.promoter[windows.promoter_row],
        }
        ranges = {}
        for anchor, length in self.lengths.items():
            start, end = (frame[f"{anchor}_{side}"].to_numpy() for side in ("start", "end"))
            ranges[anchor] = _ranges(frame, anchor, start, end)
            window_start = resize(start, end, length)
            ranges[f"{anchor}_window"] = _ranges(frame, anchor, window_start, window_start + length)
        row = np.arange(rows.start, rows.start + len(frame), dtype=np.int64)
        return _Block(rows, packed, row, ranges)


class OnehotScorer:
    """A model folder that turns one-hot windows into probabilities of interaction.

    Several threads may call one scorer.

    Parameters
    ----------
    model_dir
        Model folder: `config.json` and `model.safetensors`.
    device
        `auto` (a GPU where there is one), `cpu`, `cuda:1`...
    """

    def __init__(self, model_dir: str | Path, device: str = "auto") -> None:
        self.network = load_model(model_dir)
        self.device = choose_device(device)
        self.engine = engine_for(self.network, self.device)

    def probabilities(self, enhancer: np.ndarray, promoter: np.ndarray) -> np.ndarray:
        """Return the probability that each pair interacts, float64 (n, 1).

        Windows that several pairs share are worked on once, from batch to batch as well. What is
        not one-hot, as a mean of sequences, goes through full forward passes.

        Parameters
        ----------
        enhancer, promoter
            One-hot (n, 4, enhancer_length) and (n, 4, promoter_length), rows A C G T.
        """
        if _is_onehot(enhancer) and _is_onehot(promoter):
            logits = self.engine.logits(_pair_windows(pack_onehot(enhancer), pack_onehot(promoter)))
        else:
            logits = self._forward(enhancer, promoter)
        return probabilities(logits)[:, np.newaxis]

    def _forward(self, *windows: np.ndarray) -> np.ndarray:
        given = (torch.as_tensor(w, dtype=torch.float32, device=self.device) for w in windows)
        with torch.inference_mode():
            return finite_logits(self.network(*given).cpu().numpy())


def only_batch(batches: list[Any]) -> Any:
    """Return the one batch of a list: Kipoi's loader collates, and this one comes whole."""
    (batch,) = batches
    return batch


def restore_numpy_names() -> None:
    """Give numpy 2 the two names that kipoi 0.8.6's HDF5 writer looks up in it."""
    for name, scalar in (("string_", np.bytes_), ("unicode_", np.str_)):
        if not hasattr(np, name):
            setattr(np, name, scalar)


def _is_onehot(windows: np.ndarray) -> bool:
    """Whether each position of (n, 4, length) has a single one, or none, and zeros beside it."""
    ones = windows == 1
    return bool(
        np.array_equal(ones, windows != 0) and (ones.sum(axis=1, dtype=np.uint8) <= 1).all()
    )


def _pair_windows(enhancer: np.ndarray, promoter: np.ndarray) -> PairWindows:
    """Return the windows of pairs, one packed row each, with each distinct window once."""
    enhancer_rows, promoter_rows = _distinct(enhancer), _distinct(promoter)
    return PairWindows(
        enhancer[enhancer_rows.first],
        promoter[promoter_rows.first],
        enhancer_rows.row,
        promoter_rows.row,
    )


class _Distinct(NamedTuple):
    first: np.ndarray  # where each distinct window is met first
    row: np.ndarray  # which distinct window each pair reads


def _distinct(packed: np.ndarray) -> _Distinct:
    found: dict[bytes, int] = {}
    row = np.array([found.setdefault(window.tobytes(), len(found)) for window in packed])
    return _Distinct(np.unique(row, return_index=True)[1], row)


def _ranges(
    frame: pd.DataFrame, anchor: str, start: np.ndarray, end: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the fields of `kipoi.metadata.GenomicRanges`, one array of n each."""
    # Fixed-width strings: Kipoi's HDF5 writer takes object arrays for arrays of arrays.
    return {
        "chr": frame[f"{anchor}_chrom"].to_numpy(dtype=np.str_),
        "start": start,
        "end": end,
        "id": frame[f"{anchor}_name"].to_numpy(dtype=np.str_),
        "strand": np.full(len(frame), "*"),
    }
