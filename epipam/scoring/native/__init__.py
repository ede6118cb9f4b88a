"""Maxima of products that are never kept, in C: what scoring on a processor spends its time with.

`maxima.c` is compiled when epipam is installed, where a compiler is at hand; `library` loads it and
`loops` calls it with tensors. Without it, scores come from torch's operations.
"""
