# What other rooms and users may use of this room; each name is imported when it is asked for.
from .choice import (
    Choice as Choice,
    Stretch as Stretch,
)
from .cluster_scorer import (
    ClusterScorer as ClusterScorer,
)
from .engine import (
    Engine as Engine,
    PairWindows as PairWindows,
    finite_logits as finite_logits,
)
from .frames import (
    score_pairs as score_pairs,
)
from .merging.scores import (
    merge_scores as merge_scores,
)
from .merging.tables import (
    merge_tables as merge_tables,
    refuse_tracks as refuse_tracks,
)
from .native.library import (
    SLOWER_WITHOUT as SLOWER_WITHOUT,
)
from .origin import (
    origin_of as origin_of,
)
from .score import (
    TableScorer as TableScorer,
    engine_for as engine_for,
    load_engine as load_engine,
    probabilities as probabilities,
    read_windows as read_windows,
    score_file as score_file,
)
from .settings import (
    ALL_PAIRS as ALL_PAIRS,
    BATCH_SIZE as BATCH_SIZE,
    CACHE_SIZE as CACHE_SIZE,
    EngineRecipe as EngineRecipe,
    OutputOptions as OutputOptions,
)
from .writers import (
    check_output as check_output,
)
