"""How good probabilities are, beside what needs no sequence.

Labels, probabilities and the pairs they are of come in. An `Evaluation` goes out: metrics with
intervals, baselines, controls, and what they say in sentences. It also audits lists of pairs and
predicts the pairs of a store.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
