# What other rooms and users may use of this room; each name is imported when it is asked for.
from .candidates import (
    MAX_DISTANCE as MAX_DISTANCE,
)
from .checks import (
    MALFORMED as MALFORMED,
    PairCheck as PairCheck,
    Tally as Tally,
    check_pairs as check_pairs,
    chromosomes as chromosomes,
    contig_names as contig_names,
    describe as describe,
    naming_hint as naming_hint,
    require_usable as require_usable,
    rows_by_contig as rows_by_contig,
)
from .chiapet import (
    ChiapetResult as ChiapetResult,
)
from .contig_part import (
    ContigPart as ContigPart,
)
from .formats import (
    BEDPE as BEDPE,
    FORMATS as FORMATS,
    Columns as Columns,
)
from .formats.by_shape import (
    LONGRANGE_MARK as LONGRANGE_MARK,
)
from .formats.registry import (
    OWN_COMMENT as OWN_COMMENT,
)
from .frames import (
    FramePairs as FramePairs,
    as_frame as as_frame,
    pair_regions as pair_regions,
    read_pair_frame as read_pair_frame,
)
from .genes import (
    DOWNSTREAM as DOWNSTREAM,
    FEATURES as FEATURES,
    UPSTREAM as UPSTREAM,
    GeneFeatures as GeneFeatures,
)
from .labels import (
    LabelResult as LabelResult,
    label as label,
)
from .names import (
    pair_names as pair_names,
)
from .negative_lists import (
    NegativesResult as NegativesResult,
)
from .overlaps import (
    Places as Places,
    count_overlapping as count_overlapping,
    places_of as places_of,
)
from .pair_lists import (
    find_repeats as find_repeats,
    mark_contradictions as mark_contradictions,
    read_pair_list as read_pair_list,
)
from .roles import (
    swapped_anchors_note as swapped_anchors_note,
)
from .spellings import (
    Spellings as Spellings,
)
from .table import (
    COLUMNS as COLUMNS,
    SEPARATOR as SEPARATOR,
    Layout as Layout,
    PairTable as PairTable,
    digest as digest,
    distance as distance,
    iter_pairs as iter_pairs,
    read_pairs as read_pairs,
)
