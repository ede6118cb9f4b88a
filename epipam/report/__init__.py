"""Figures of a result, and the page that shows it whole."""

from epipam.report.evaluation_page import evaluation_page
from epipam.report.figures import Site, relation_figure, roc_pr_figure
from epipam.report.motif_part import motif_part

__all__ = [
    "Site",
    "evaluation_page",
    "motif_part",
    "relation_figure",
    "roc_pr_figure",
]
