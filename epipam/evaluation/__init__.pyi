# What other rooms and users may use of this room; each name is imported when it is asked for.
from .audit import (
    FAR as FAR,
    Audit as Audit,
    SplitAudit as SplitAudit,
    audit_split as audit_split,
    audit_store as audit_store,
    mean_audit as mean_audit,
)
from .baselines import (
    DISTANCE as DISTANCE,
    FREQUENCY as FREQUENCY,
    MODEL as MODEL,
    distance_scores as distance_scores,
    frequency_scores as frequency_scores,
)
from .clusters import (
    CLUSTERS as CLUSTERS,
    GROUPS as GROUPS,
    RESAMPLE as RESAMPLE,
    resampling_groups as resampling_groups,
)
from .evaluate import (
    score_all as score_all,
)
from .held_out import (
    HeldOut as HeldOut,
    same_contigs as same_contigs,
    training_notes as training_notes,
)
from .judging import (
    BOOTSTRAP as BOOTSTRAP,
    PREDICTIONS as PREDICTIONS,
    Judged as Judged,
    Progress as Progress,
    judge as judge,
    no_progress as no_progress,
)
from .metrics import (
    LEAST_CLUSTERS as LEAST_CLUSTERS,
    METRICS as METRICS,
    Curves as Curves,
    Interval as Interval,
    Ranking as Ranking,
    Replicates as Replicates,
    auprc as auprc,
    auroc as auroc,
    curves as curves,
    effective_number as effective_number,
    resampled as resampled,
    tail_of as tail_of,
)
from .prediction import (
    check_lengths as check_lengths,
    labelled_pairs as labelled_pairs,
    predict_store as predict_store,
)
from .reliability import (
    Calibration as Calibration,
)
from .results import (
    RATIOS as RATIOS,
    Evaluation as Evaluation,
    Performance as Performance,
)
