"""Scoring pairs of a genome, and writing the scores."""
