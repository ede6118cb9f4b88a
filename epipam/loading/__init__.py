"""The rows of a store that a network sees, in which order, and how they get there.

A store and a split by chromosome come in. Batches of packed windows and labels go out, in an order
that depends on the seed and the epoch alone, whatever the number of workers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
