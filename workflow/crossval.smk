"""From pair lists to the cross-validation report: every table and figure of the paper.

pairs -> store -> crossval, a job for each fold -> motifs -> tables
"""

from snakemake.utils import min_version, validate

min_version("9.0")
validate(config, "schemas/crossval.yaml")


include: "options.smk"


OUT = config["output"].rstrip("/")
LOGS = f"{OUT}/logs"
DATASETS = config["datasets"]
CROSSVALS = config["crossvals"]
MOTIFS = config.get("motifs")
BASELINE = next(iter(CROSSVALS))


wildcard_constraints:
    dataset="|".join(DATASETS),
    crossval="|".join(CROSSVALS),
    fold=r"\d+",


rule all:
    input:
        f"{OUT}/tables",
        expand(f"{OUT}/crossval/{{crossval}}/crossval.json", crossval=CROSSVALS),


def pairs_of(dataset):
    """Return the pair table of a data set: given, or made of loops."""
    return DATASETS[dataset].get("pairs", f"{OUT}/pairs/{dataset}.tsv")


def label_column(dataset):
    column = DATASETS[dataset].get("label_column")
    return {} if column is None else {"label-column": column}


def datasets_of(crossval):
    return CROSSVALS[crossval].get("datasets", list(DATASETS))


def folds_of(crossval):
    return CROSSVALS[crossval].get("folds", list(range(8)))


def crossval_options(crossval, folds):
    own = CROSSVALS[crossval]
    return options(
        {
            "models": ",".join(own["models"]),
            "folds": ",".join(map(str, folds)),
            **own.get("options", {}),
        }
    )


rule chiapet:
    input:
        loops=lambda wildcards: DATASETS[wildcards.dataset]["loops"],
        peaks=lambda wildcards: DATASETS[wildcards.dataset]["peaks"],
    output:
        f"{OUT}/pairs/{{dataset}}.tsv",
    params:
        options=lambda wildcards: options(DATASETS[wildcards.dataset].get("chiapet", {})),
    log:
        f"{LOGS}/chiapet/{{dataset}}.log",
    conda:
        "envs/epipam.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    shell:
        "epipam chiapet {input.loops:q} {input.peaks:q} -o {output:q} {params.options}"
        " > {log:q} 2>&1"


rule audit:
    input:
        lambda wildcards: pairs_of(wildcards.dataset),
    output:
        f"{OUT}/audit/{{dataset}}.json",
    params:
        options=lambda wildcards: options(label_column(wildcards.dataset)),
    log:
        f"{LOGS}/audit/{{dataset}}.log",
    conda:
        "envs/epipam.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    shell:
        "epipam audit {input:q} {params.options} --json > {output:q} 2> {log:q}"


rule build_store:
    input:
        genome=config["genome"],
        pairs=lambda wildcards: pairs_of(wildcards.dataset),
    output:
        directory(f"{OUT}/stores/{{dataset}}.zarr"),
    params:
        extra=lambda wildcards: options(
            {
                **config.get("store", {}),
                **DATASETS[wildcards.dataset].get("store", {}),
                **label_column(wildcards.dataset),
            }
        ),
    log:
        f"{LOGS}/build-store/{{dataset}}.log",
    threads: 2
    resources:
        mem_mb=4000,
        runtime=60,
    wrapper:
        f"file:{workflow.basedir}/wrappers/epipam/build-store"


rule fold:
    input:
        stores=lambda wildcards: expand(
            f"{OUT}/stores/{{dataset}}.zarr", dataset=datasets_of(wildcards.crossval)
        ),
    output:
        touch(f"{OUT}/folds/{{crossval}}/{{fold}}.done"),
    params:
        # Not an output: folds share it, and a job that was stopped goes on where it was.
        folder=f"{OUT}/crossval/{{crossval}}",
        options=lambda wildcards: crossval_options(wildcards.crossval, [wildcards.fold]),
    log:
        f"{LOGS}/fold/{{crossval}}/{{fold}}.log",
    benchmark:
        f"{OUT}/benchmarks/fold/{{crossval}}/{{fold}}.tsv"
    conda:
        "envs/epipam.yaml"
    threads: config["threads"]
    resources:
        mem_mb=config["memory"],
        runtime=60 * config["hours"],
        gpu=config["gpus"],
    shell:
        "epipam crossval {input.stores:q} -o {params.folder:q} {params.options} > {log:q} 2>&1"


rule crossval:
    input:
        stores=lambda wildcards: expand(
            f"{OUT}/stores/{{dataset}}.zarr", dataset=datasets_of(wildcards.crossval)
        ),
        folds=lambda wildcards: expand(
            f"{OUT}/folds/{{{{crossval}}}}/{{fold}}.done", fold=folds_of(wildcards.crossval)
        ),
    output:
        f"{OUT}/crossval/{{crossval}}/crossval.json",
    params:
        folder=lambda wildcards, output: os.path.dirname(output[0]),
        options=lambda wildcards: crossval_options(
            wildcards.crossval, folds_of(wildcards.crossval)
        ),
    log:
        f"{LOGS}/crossval/{{crossval}}.log",
    conda:
        "envs/epipam.yaml"
    resources:
        mem_mb=config["memory"],
        runtime=120,
    shell:
        "epipam crossval {input.stores:q} -o {params.folder:q} {params.options} > {log:q} 2>&1"


rule motifs:
    input:
        result=lambda wildcards: f"{OUT}/crossval/{MOTIFS.get('crossval', BASELINE)}/crossval.json",
        store=f"{OUT}/stores/{{dataset}}.zarr",
        databases=MOTIFS["databases"] if MOTIFS else [],
    output:
        directory(f"{OUT}/motifs/{{dataset}}"),
    params:
        script=f"{workflow.basedir}/scripts/chosen_model.py",
        model=MOTIFS and MOTIFS["model"],
        fold=MOTIFS and MOTIFS.get("fold", 0),
        databases=lambda wildcards, input: options({"database": list(input.databases)}),
        options=options((MOTIFS or {}).get("options", {})),
    log:
        f"{LOGS}/motifs/{{dataset}}.log",
    conda:
        "envs/epipam.yaml"
    threads: config["threads"]
    resources:
        mem_mb=config["memory"],
        runtime=120,
    shell:
        "(model=$(python {params.script:q} {input.result:q} {wildcards.dataset} {params.model} {params.fold})"
        ' && epipam motifs "$model" {input.store:q} {params.databases} -o {output:q} {params.options})'
        " > {log:q} 2>&1"


rule tables:
    input:
        audits=expand(f"{OUT}/audit/{{dataset}}.json", dataset=DATASETS),
        results=expand(f"{OUT}/crossval/{{crossval}}/crossval.json", crossval=CROSSVALS),
        motifs=expand(
            f"{OUT}/motifs/{{dataset}}",
            dataset=datasets_of(MOTIFS.get("crossval", BASELINE)) if MOTIFS else [],
        ),
    output:
        directory(f"{OUT}/tables"),
    params:
        script=f"{workflow.basedir}/scripts/tables.py",
    log:
        f"{LOGS}/tables.log",
    conda:
        "envs/epipam.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "python {params.script:q} --audits {input.audits:q} --results {input.results:q}"
        " --motifs {input.motifs:q} --output {output:q} > {log:q} 2>&1"
