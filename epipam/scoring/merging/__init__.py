"""Putting together what parts of the work have written: tables end to end, scores by their pairs.

Parts of a store are `epipam.store.merging`'s business.
"""
