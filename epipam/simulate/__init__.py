"""Genomes and pairs with a known grammar: synthetic data whose truth is written beside it.

Settings come in, or the coordinates of real pairs. A FASTA, labelled pairs and every planted site
go out.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
