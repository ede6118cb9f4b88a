"""The genome: FASTA, names of contigs, windows, and bases as bits.

A FASTA and coordinates come in, 0-based and half-open. Windows of fixed length go out, as letters
or packed two bases to a byte.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
