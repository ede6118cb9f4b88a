# What other rooms and users may use of this room; each name is imported when it is asked for.
from .attention import (
    attention_figure as attention_figure,
)
from .attention_tracks import (
    TrackSettings as TrackSettings,
    write_track as write_track,
)
from .motif_folder import (
    lines as lines,
    write_motifs as write_motifs,
)
from .motif_matches import (
    read_databases as read_databases,
)
from .motifs import (
    MotifSettings as MotifSettings,
    find_motifs as find_motifs,
)
from .mutagenesis import (
    mutate_pair as mutate_pair,
    parse_region as parse_region,
    read_pair as read_pair,
    write_changes as write_changes,
)
from .mutagenesis_figure import (
    check_figure as check_figure,
    draw_changes as draw_changes,
)
from .value_tracks import (
    ENDINGS as ENDINGS,
)
from .variants import (
    check_variant_output as check_variant_output,
    score_variants as score_variants,
)
