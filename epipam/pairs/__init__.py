"""Tables of pairs and regions: read, checked, and made.

Files of many formats come in: pairs, peaks, genes, loops. Canonical tables go out, with every
rejected row named by file and line. Candidates, negatives and labels are made here, too.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
