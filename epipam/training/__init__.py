"""Training a model, once or over folds.

A store and a split come in. A run folder goes out: the model, its history and what it scored on the
held-out chromosomes. `crossval` trains many runs, chooses among them and compares models.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
