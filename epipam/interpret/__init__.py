"""What a model looks at, and what changes its scores: motifs, attention, variants, mutagenesis.

A model and the pairs of a table or a store come in. Tables, genome tracks, motif files and figures
go out, written whole.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
