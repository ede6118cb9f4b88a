# What other rooms and users may use of this room; each name is imported when it is asked for.
from .contigs import (
    Aliases as Aliases,
    canonical_name as canonical_name,
    find_contigs as find_contigs,
    listed_contigs as listed_contigs,
    natural_order as natural_order,
    other_spellings as other_spellings,
    resolve_names as resolve_names,
    select_contigs as select_contigs,
    without_chr as without_chr,
)
from .encoding import (
    BASES as BASES,
    CODES as CODES,
    LETTER_CODE as LETTER_CODE,
    count_bases as count_bases,
    decode as decode,
    encode as encode,
    encode_packed as encode_packed,
    pack_onehot as pack_onehot,
    packed_length as packed_length,
    reverse_complement as reverse_complement,
    shift as shift,
    unpack_onehot as unpack_onehot,
)
from .fasta import (
    Genome as Genome,
)
from .fasta_index import (
    quiet_htslib as quiet_htslib,
)
from .lengths import (
    ContigLengths as ContigLengths,
    read_contig_lengths as read_contig_lengths,
)
from .packed_contig import (
    ContigMemory as ContigMemory,
    PackedContig as PackedContig,
)
from .text_lines import (
    read_lines as read_lines,
)
from .windows import (
    BOTH_LABELS as BOTH_LABELS,
    DIFFERENT_CONTIGS as DIFFERENT_CONTIGS,
    ENHANCER_ALL_N as ENHANCER_ALL_N,
    ENHANCER_LENGTH as ENHANCER_LENGTH,
    MAX_SHIFT as MAX_SHIFT,
    NOT_IN_GENOME as NOT_IN_GENOME,
    OUTSIDE_CONTIG as OUTSIDE_CONTIG,
    PROMOTER_ALL_N as PROMOTER_ALL_N,
    PROMOTER_LENGTH as PROMOTER_LENGTH,
    REASONS as REASONS,
    START_AFTER_END as START_AFTER_END,
    USABLE as USABLE,
    WindowPlan as WindowPlan,
    keyed_draw as keyed_draw,
    keyed_integers as keyed_integers,
    plan_windows as plan_windows,
    resize as resize,
    unusable_reason as unusable_reason,
)
