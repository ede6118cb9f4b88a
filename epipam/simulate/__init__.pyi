# What other rooms and users may use of this room; each name is imported when it is asked for.
from .simulation import (
    SimulationResult as SimulationResult,
    SimulationSettings as SimulationSettings,
    contig_lengths as contig_lengths,
    simulate as simulate,
)
