"""From a genome and regions to scored candidates: a table, the best of each gene, browser tracks.

candidates -> score, a job for some chromosomes each -> merge -> tracks
"""

import re

from snakemake.utils import min_version, validate

min_version("9.0")
validate(config, "schemas/score.yaml")


include: "options.smk"


OUT = config["output"].rstrip("/")
LOGS = f"{OUT}/logs"


wildcard_constraints:
    part=r"\d+",
    track="|".join(map(re.escape, config["tracks"])) or "none",


rule all:
    input:
        f"{OUT}/scores.bedpe.gz",
        f"{OUT}/genes.tsv",
        expand(f"{OUT}/scores.{{track}}", track=config["tracks"]),
        f"{OUT}/variants.tsv.gz" if "variants" in config else [],


checkpoint candidates:
    input:
        enhancers=config["enhancers"],
        promoters=config["promoters"],
    output:
        pairs=f"{OUT}/candidates.bedpe.gz",
        contigs=f"{OUT}/contigs.tsv",
    params:
        options=options(config["candidates"]),
    log:
        f"{LOGS}/candidates.log",
    conda:
        "envs/epipam.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        "(epipam candidates {input.enhancers:q} {input.promoters:q} -o {output.pairs:q} {params.options}"
        " && gzip -cd {output.pairs:q} | awk -F'\\t' -v OFS='\\t'"
        " '!/^#/ {{ n[$1]++ }} END {{ for (contig in n) print contig, n[contig] }}'"
        " | sort -k2,2nr -k1,1 > {output.contigs:q}) > {log:q} 2>&1"


def shares():
    """Return the contigs of each part: the largest first, each to the part with the fewest pairs."""
    with checkpoints.candidates.get().output.contigs.open() as rows:
        counts = [(contig, int(n)) for contig, n in (row.split("\t") for row in rows)]
    parts = [[] for _ in range(min(config["parts"], len(counts)))]
    pairs = [0] * len(parts)
    for contig, n in counts:
        least = pairs.index(min(pairs))
        parts[least].append(contig)
        pairs[least] += n
    return parts


rule score:
    input:
        model=config["model"],
        genome=config["genome"],
        pairs=f"{OUT}/candidates.bedpe.gz",
    output:
        temp(f"{OUT}/parts/{{part}}.parquet"),
    params:
        extra=lambda wildcards: options(
            {
                "contigs": ",".join(shares()[int(wildcards.part)]),
                "device": config["device"],
                "bad-pairs": config["bad_pairs"],
            }
        ),
    log:
        f"{LOGS}/score/{{part}}.log",
    benchmark:
        f"{OUT}/benchmarks/score/{{part}}.tsv"
    threads: config["threads"]
    resources:
        mem_mb=config["memory"],
        runtime=240,
    wrapper:
        f"file:{workflow.basedir}/wrappers/epipam/score"


def scored_parts(wildcards):
    return [f"{OUT}/parts/{number}.parquet" for number in range(len(shares()))]


rule merge:
    input:
        parts=scored_parts,
        pairs=f"{OUT}/candidates.bedpe.gz",
    output:
        scores=f"{OUT}/scores.bedpe.gz",
        genes=f"{OUT}/genes.tsv",
    params:
        options=options({"genes-top": config["genes"], "bad-pairs": config["bad_pairs"]}),
    log:
        f"{LOGS}/merge.log",
    conda:
        "envs/epipam.yaml"
    resources:
        mem_mb=2000,
        runtime=120,
    shell:
        "epipam merge {input.parts:q} --pairs {input.pairs:q} -o {output.scores:q} --index"
        " --genes {output.genes:q} {params.options} > {log:q} 2>&1"


rule track:
    input:
        parts=scored_parts,
        pairs=f"{OUT}/candidates.bedpe.gz",
    output:
        f"{OUT}/scores.{{track}}",
    params:
        options=lambda wildcards: options(
            {
                **config["track"],
                "index": wildcards.track.endswith(".gz"),
                "bad-pairs": config["bad_pairs"],
            }
        ),
    log:
        f"{LOGS}/track/{{track}}.log",
    conda:
        "envs/epipam.yaml"
    resources:
        mem_mb=2000,
        runtime=120,
    shell:
        "epipam merge {input.parts:q} --pairs {input.pairs:q} -o {output:q} {params.options}"
        " > {log:q} 2>&1"


rule variants:
    input:
        model=config["model"],
        genome=config["genome"],
        pairs=f"{OUT}/candidates.bedpe.gz",
        variants=config.get("variants", []),
    output:
        f"{OUT}/variants.tsv.gz",
    params:
        options=options({"device": config["device"], "bad-pairs": config["bad_pairs"]}),
    log:
        f"{LOGS}/variants.log",
    conda:
        "envs/epipam.yaml"
    threads: config["threads"]
    resources:
        mem_mb=config["memory"],
        runtime=240,
    shell:
        "epipam variants {input.model:q} {input.genome:q} {input.pairs:q} {input.variants:q}"
        " -o {output:q} {params.options} > {log:q} 2>&1"
