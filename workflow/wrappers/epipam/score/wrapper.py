"""Snakemake wrapper for epipam score."""

# ruff: noqa: F821 - Snakemake defines `snakemake`.

from snakemake.shell import shell

__author__ = "The epipam developers"
__license__ = "MIT"

extra = snakemake.params.get("extra", "")
log = snakemake.log_fmt_shell(stdout=True, stderr=True)
genes = snakemake.output.get("genes")
summary = f"--genes {genes!r}" if genes else ""

shell(
    "epipam score {snakemake.input.model:q} {snakemake.input.genome:q} {snakemake.input.pairs:q}"
    " --output {snakemake.output[0]:q} {summary} {extra} {log}"
)
