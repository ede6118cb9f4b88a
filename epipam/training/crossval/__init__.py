"""Cross-validation: many runs of `epipam.training.fit.train`, chosen among, averaged and compared.

`settings` says what is asked for, `plan` which runs that takes, `folder` where they lie, `jobs`
trains them, `results` gathers what is finished, `comparison` says which model is better, and how
surely.
"""

from epipam.training.crossval.settings import ALPHAS, PROTOCOLS, SPLITS, CrossvalSettings

__all__ = ["ALPHAS", "PROTOCOLS", "SPLITS", "CrossvalSettings"]
