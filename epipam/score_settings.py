"""Defaults of scoring, where a command line finds them without importing torch."""

# Pairs per forward pass, for models without position attention.
BATCH_SIZE = 256
# Bytes of what is kept per window, for models with position attention.
CACHE_SIZE = 512_000_000
