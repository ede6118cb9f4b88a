# What other rooms and users may use of this room; each name is imported when it is asked for.
from .candidates import (
    MAX_DISTANCE as MAX_DISTANCE,
    write_candidates as write_candidates,
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
from .contacts import (
    Contacts as Contacts,
)
from .contig_part import (
    ContigPart as ContigPart,
)
from .frames import (
    FramePairs as FramePairs,
    as_frame as as_frame,
    pair_regions as pair_regions,
    read_pair_frame as read_pair_frame,
)
from .genes import (
    DOWNSTREAM as DOWNSTREAM,
    UPSTREAM as UPSTREAM,
    GeneFeatures as GeneFeatures,
)
from .names import (
    pair_names as pair_names,
)
from .negatives import (
    Negatives as Negatives,
    Positives as Positives,
    draw_negatives as draw_negatives,
    plain_positives as plain_positives,
)
from .region_files import (
    read_regions as read_regions,
)
from .region_pool import (
    distinct_regions as distinct_regions,
    listed_regions as listed_regions,
    spelled_as as spelled_as,
)
from .regions import (
    Regions as Regions,
)
from .table import (
    COLUMNS as COLUMNS,
    Layout as Layout,
    PairTable as PairTable,
    digest as digest,
    distance as distance,
    iter_pairs as iter_pairs,
    read_pairs as read_pairs,
)
