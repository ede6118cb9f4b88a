"""Pages and figures of a result.

The result of an evaluation comes in. One HTML file goes out that needs nothing beside it, or a
figure.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
