"""Pairs of regions: read, checked, and made of regions, loops and peaks."""
