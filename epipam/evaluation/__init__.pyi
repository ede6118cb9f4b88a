# What other rooms and users may use of this room; each name is imported when it is asked for.
from .audit import (
    Audit as Audit,
    SplitAudit as SplitAudit,
    audit_split as audit_split,
    audit_store as audit_store,
    mean_audit as mean_audit,
)
from .baselines import (
    distance_scores as distance_scores,
    frequency_scores as frequency_scores,
)
from .evaluate import (
    DISTANCE as DISTANCE,
    FREQUENCY as FREQUENCY,
    MODEL as MODEL,
    RATIOS as RATIOS,
    Evaluation as Evaluation,
    Performance as Performance,
    score_all as score_all,
)
from .metrics import (
    CONFIDENCE as CONFIDENCE,
    METRICS as METRICS,
    Curves as Curves,
    Interval as Interval,
    Ranking as Ranking,
    Replicates as Replicates,
    auprc as auprc,
    auroc as auroc,
    curves as curves,
    resampled as resampled,
)
from .partners import (
    PartnerScores as PartnerScores,
)
from .prediction import (
    check_lengths as check_lengths,
    predict_store as predict_store,
    score_partners as score_partners,
)
from .reliability import (
    Calibration as Calibration,
)
