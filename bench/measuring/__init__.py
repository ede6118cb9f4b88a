"""What the benchmarks share: inputs, timing in turn, peak memory, the object they print."""
