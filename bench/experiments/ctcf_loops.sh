#!/usr/bin/env bash
# Trains `pairwise` on real CTCF loops of HeLa-S3 with three seeds and judges each on chromosomes
# that training never saw, of HeLa-S3 and of K562. The model of seed 0 is the one that is bundled.
# Usage: ctcf_loops.sh DATA WORK [SEED...]
#   DATA  holds genome/hg19_partial.fa.gz and pairs/ctcf_loops_{HeLaS3,K562}_100bp.tsv.gz
#   WORK  folder for stores, runs and results; what is finished there is not done again
set -euo pipefail
data=$1 work=$2
shift 2
[ $# -gt 0 ] || set -- 0 1 2
export OMP_NUM_THREADS=1
mkdir -p "$work"

for cell in HeLaS3 K562; do
    # No shifted copies: positives alone have them, and theirs would reach into N.
    [ -d "$work/$cell.zarr" ] || epipam build-store "$data/genome/hg19_partial.fa.gz" \
        "$data/pairs/ctcf_loops_${cell}_100bp.tsv.gz" --enhancer-length 100 --promoter-length 100 \
        --augment 0 --seed 1 -o "$work/$cell.zarr"
done

for seed in "$@"; do
    run=$work/seed$seed
    [ -f "$run/metrics.json" ] || epipam train "$work/HeLaS3.zarr" -o "$run" --model pairwise \
        --set pool=4 --set channels=32 --set width=32 --set dropout=0.5 --set block_dropout=0.3 \
        --epochs 6 --patience 6 --seed "$seed" --accelerator cpu --precision 32-true \
        --validation chr4,chr5,chr6 --test chr1,chr2,chr3 \
        --about "Trained on real CTCF loops: ChIA-PET of HeLa-S3 (Tang et al. 2015), 100 bp about\
 a CTCF peak at each end, hg19. It says whether two CTCF sites are apt to be joined by a loop, not\
 whether an enhancer acts on a gene."
    [ -d "$work/K562-seed$seed" ] || epipam evaluate "$run/model" "$work/K562.zarr" \
        --chromosomes chr1,chr2,chr3 -o "$work/K562-seed$seed"
done
