"""epipam: enhancer-promoter interactions from sequence, at the scale of genomes."""

__version__ = "0.1.0"
