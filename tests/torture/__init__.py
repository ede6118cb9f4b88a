"""Harm done to epipam on purpose, again and again, and what became of it: `bin/torture`."""
