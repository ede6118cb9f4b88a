"""The store: packed windows of pairs, chromosome by chromosome, in a Zarr folder.

A genome and a pair table come in. A folder goes out that is complete or absent, whose bytes depend
on its inputs and seed alone. `schema` holds the facts of the format; `store/README.md` of the
repository explains them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
