"""Snakemake wrapper for epipam train."""

# ruff: noqa: F821 - Snakemake defines `snakemake`.

from snakemake.shell import shell

__author__ = "The epipam developers"
__license__ = "MIT"

extra = snakemake.params.get("extra", "")
log = snakemake.log_fmt_shell(stdout=True, stderr=True)

shell("epipam train {snakemake.input.store:q} --output {snakemake.output[0]:q} {extra} {log}")
