# What other rooms and users may use of this room; each name is imported when it is asked for.
from .calibrating import (
    calibrate as calibrate,
)
from .crossval import (
    ALPHAS as ALPHAS,
    PROTOCOLS as PROTOCOLS,
    CrossvalSettings as CrossvalSettings,
)
from .crossval.settings import (
    SPLITS as SPLITS,
)
from .crossval.words import (
    lines as lines,
)
from .fit import (
    train as train,
)
from .settings import (
    TrainSettings as TrainSettings,
)
