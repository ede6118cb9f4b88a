"""What the machine gives: whole files, places, devices, memory and processes.

Nothing here knows of enhancers or promoters. Paths and URLs come in. Files and folders go out that
appear under their name when they are whole, and processes that end with their parent.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
