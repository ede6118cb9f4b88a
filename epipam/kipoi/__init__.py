"""The Kipoi folder of a model, and what runs in it.

A model folder comes in. A folder goes out that `kipoi predict` takes: its model, its dataloader and
an example with expected predictions. `batches` is what runs inside such a folder.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
