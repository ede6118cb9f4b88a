"""Loops over vectors, compiled for the processor at hand, for what torch has no operation of.

Each takes products that need not be kept and keeps their maxima alone, in the processor's
registers. They hold no lock of Python's while they run.
"""
