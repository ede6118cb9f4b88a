# What other rooms and users may use of this room; each name is imported when it is asked for.
from .data_module import (
    DataSettings as DataSettings,
    PairDataModule as PairDataModule,
)
from .loader import (
    BATCH_SIZE as BATCH_SIZE,
    Batch as Batch,
    LoaderSettings as LoaderSettings,
    PairBatches as PairBatches,
    PairLoader as PairLoader,
    require_contigs as require_contigs,
)
from .random_pairs import (
    Split as Split,
)
from .splits import (
    N_FOLDS as N_FOLDS,
    PARTS as PARTS,
    Leakage as Leakage,
    Part as Part,
    explicit_split as explicit_split,
    fold_contigs as fold_contigs,
    fold_split as fold_split,
    folds as folds,
    leakage as leakage,
    natural_order as natural_order,
    random_split as random_split,
    select_contigs as select_contigs,
    was_chosen_on_test as was_chosen_on_test,
)
