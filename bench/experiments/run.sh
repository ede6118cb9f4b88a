#!/usr/bin/env bash
# The experiments of docs/experiments.md, from the public lists: bench/experiments/run.sh DATA WORK
# DATA holds loops, peaks, pairs, motifs, 6-mer vectors and chromosome sizes; WORK takes 7 GB. Some hours on two cores.
set -euo pipefail
data=$1
work=$2
here=$(cd "$(dirname "$0")/../.." && pwd)
epipam=$here/.venv/bin/epipam
windows=(--enhancer-length 1000 --promoter-length 1000 --max-shift 50)
mkdir -p "$work"

echo "1. Positive control: convergent CTCF sites under the K562 loops"
"$epipam" chiapet "$data/loops/GSE63525_K562_HiCCUPS_looplist.txt.gz" \
  "$data/peaks/K562_CTCF.narrowPeak.gz" -o "$work/k562.tsv"
"$epipam" simulate -o "$work/loops" --chrom-sizes "$data/genome/hg19.chrom.sizes" \
  --pairs "$work/k562.tsv" --sites 6 --seed 11
"$epipam" build-store "$work/loops/genome.fa" "$work/loops/pairs.tsv" "${windows[@]}" \
  --augment 4 -o "$work/loops.zarr"
"$epipam" crossval "$work/loops.zarr" -o "$work/control" --models epipam,epi,kmer-gbm \
  --alphas 0.8 --epochs 5 --batch-size 50
# One fold of models that take five to fifteen times as long; bfloat16 for those that read 6-mers.
vectors=$data/embedding/dna2vec_6mer_100d.npy
mixed=(--embedding "$vectors" --precision bf16-mixed)
one_fold=(--alphas 0.8 --epochs 5 --batch-size 50 --folds 0)
for model in epivan epipam-embed epi-embed; do
  "$epipam" crossval "$work/loops.zarr" -o "$work/control-$model" --models "$model" \
    "${one_fold[@]}" "${mixed[@]}"
done
for model in speid deeptact; do
  "$epipam" crossval "$work/loops.zarr" -o "$work/control-$model" --models "$model" \
    "${one_fold[@]}"
done
# Two epochs of this one take longer than five of any other.
"$epipam" crossval "$work/loops.zarr" -o "$work/control-simcnn" --models simcnn --alphas 0.8 \
  --epochs 2 --batch-size 50 --folds 0 --precision bf16-mixed
"$epipam" crossval "$work/loops.zarr" -o "$work/control-longer" --models epi --folds 0 \
  --epochs 15 --patience 15 --batch-size 50

echo "2. The trap: the real GM12878 pairs over random sequence"
"$epipam" simulate -o "$work/random" --chrom-sizes "$data/genome/hg19.chrom.sizes" \
  --positives 1 --seed 5
# All positives and four negatives of each, so that the network can be trained on a processor.
"$here/.venv/bin/python" "$here/bench/experiments/thin_negatives.py" \
  "$data/pairs/targetfinder_GM12878.tsv.gz" "$work/gm12878_1to4.tsv"
for list in "$data/pairs/targetfinder_GM12878.tsv.gz" "$work/gm12878_1to4.tsv"; do
  name=$(basename "${list%%.*}")
  "$epipam" build-store "$work/random/genome.fa" "$list" "${windows[@]}" --augment 10 \
    --bad-pairs skip -o "$work/$name.zarr"
done
network=(--models kmer-gbm,epipam --alphas 0.8 --folds 0 --epochs 15 --patience 15 --batch-size 50)
"$epipam" crossval "$work/gm12878_1to4.zarr" -o "$work/trap-random" --split random "${network[@]}"
"$epipam" crossval "$work/gm12878_1to4.zarr" -o "$work/trap-chromosomes" "${network[@]}"
network=(--models epivan --folds 0 --epochs 10 --patience 10 --batch-size 50 "${mixed[@]}")
"$epipam" crossval "$work/gm12878_1to4.zarr" -o "$work/trap-epivan-random" --split random \
  "${network[@]}"
"$epipam" crossval "$work/gm12878_1to4.zarr" -o "$work/trap-epivan-chromosomes" "${network[@]}"
trees=(--models kmer-gbm --folds 0)
"$epipam" crossval "$work/targetfinder_GM12878.zarr" -o "$work/trees-random" --split random \
  "${trees[@]}"
"$epipam" crossval "$work/targetfinder_GM12878.zarr" -o "$work/trees-chromosomes" "${trees[@]}"

echo "3. The first kernels as motifs"
"$epipam" motifs "$work/control/runs/loops/epipam/fold-0/alpha-0.8/model" "$work/loops.zarr" \
  --chromosomes chr1,chr2,chr3 --database "$data/motifs/H12CORE.meme.gz" \
  --database "$data/motifs/MA0139.1.meme" -o "$work/motifs"

echo "4. Alpha and the share of relations, on fold 0"
for alpha in 1 0.8 0.6 0.4 0.2 0; do
  "$epipam" train "$work/loops.zarr" -o "$work/alpha/$alpha" --fold 0 --epochs 5 \
    --alpha "$alpha" --batch-size 50
done
for ratios in 0.001,0.01,0.1 0.1,0.1,0.1 1,1,1; do
  "$epipam" train "$work/loops.zarr" -o "$work/ratios/$ratios" --fold 0 --epochs 5 \
    --alpha 0.8 --batch-size 50 --set "relation_ratios=[$ratios]"
done
