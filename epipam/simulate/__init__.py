"""Genomes and pairs with a known grammar: synthetic data whose truth is written beside it."""

from __future__ import annotations

from epipam.simulate.simulation import (
    SimulationResult,
    SimulationSettings,
    contig_lengths,
    simulate,
)

__all__ = ["SimulationResult", "SimulationSettings", "contig_lengths", "simulate"]
