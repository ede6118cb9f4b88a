"""Snakemake wrapper for epipam build-store."""

# ruff: noqa: F821 - Snakemake defines `snakemake`.

from snakemake.shell import shell

__author__ = "The epipam developers"
__license__ = "MIT"

extra = snakemake.params.get("extra", "")
log = snakemake.log_fmt_shell(stdout=True, stderr=True)

shell(
    "epipam build-store {snakemake.input.genome:q} {snakemake.input.pairs:q}"
    " --output {snakemake.output[0]:q} {extra} {log}"
)
