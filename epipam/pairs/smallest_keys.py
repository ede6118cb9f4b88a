"""A random sample of rows that stream by: of each stratum, the rows of the smallest keys."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_ROOM = 1_000_000


class Kept(NamedTuple):
    """A sample, in the order in which its rows came.

    Attributes
    ----------
    stratum
        int64 (n_kept,).
    value
        int64 (n_kept, n_columns): what the rows were given as.
    """

    stratum: np.ndarray
    value: np.ndarray


class SmallestKeys:
    """Keep so many rows of each stratum; memory is that of twice as many rows, and a million.

    Parameters
    ----------
    wanted
        int64 (n_strata,): how many rows of each to keep.
    columns
        How many numbers a row has.
    room
        How many rows may wait until those of large keys are dropped.
    """

    def __init__(self, wanted: np.ndarray, columns: int, room: int = _ROOM) -> None:
        self._wanted = np.asarray(wanted, dtype=np.int64)
        self._most = 2 * int(self._wanted.sum()) + room
        # Of each stratum: the largest key that can still be among the smallest.
        self._limit = np.where(self._wanted > 0, np.inf, -np.inf)
        self._stratum = [np.empty(0, dtype=np.int64)]
        self._key = [np.empty(0)]
        self._value = [np.empty((0, columns), dtype=np.int64)]
        self._waiting = 0

    def add(self, stratum: np.ndarray, key: np.ndarray, value: np.ndarray) -> None:
        """Take in some rows.

        Parameters
        ----------
        stratum, key
            int64 and float64 (n_rows,).
        value
            int64 (n_rows, n_columns).
        """
        still_possible = np.flatnonzero(key <= self._limit[stratum])
        self._stratum.append(stratum[still_possible])
        self._key.append(key[still_possible])
        self._value.append(value[still_possible])
        self._waiting += len(still_possible)
        if self._waiting > self._most:
            self._prune()

    def kept(self) -> Kept:
        """Return the sample of all rows so far."""
        self._prune()
        return Kept(self._stratum[0], self._value[0])

    def _prune(self) -> None:
        stratum, key = np.concatenate(self._stratum), np.concatenate(self._key)
        order = np.lexsort((key, stratum))  # stable: of equal keys the first comes first
        ordered = stratum[order]
        rank = np.arange(len(order)) - np.searchsorted(ordered, ordered, side="left")
        last = rank == self._wanted[ordered] - 1
        self._limit[ordered[last]] = key[order[last]]
        rows = np.sort(order[rank < self._wanted[ordered]])
        self._stratum, self._key = [stratum[rows]], [key[rows]]
        self._value = [np.concatenate(self._value)[rows]]
        self._waiting = len(rows)
