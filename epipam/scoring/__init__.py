"""A score for every candidate pair of a genome.

A model, a genome and a table of pairs come in. Probabilities go out, in the order of the table and
in the format that the output's ending names. Engines compute each distinct window once; `merging`
puts parts together that were scored one by one.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
