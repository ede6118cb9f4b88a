"""Figures of a result, and the page that shows it whole."""

from epipam.report.figures import Site, relation_figure, roc_pr_figure

__all__ = ["Site", "relation_figure", "roc_pr_figure"]
