#!/usr/bin/env bash
# Makes the bundled weights from nothing: simulated genomes, three runs, the Kipoi folder.
# About half an hour on two cores, 1.5 GB of disk. Usage: kipoi_model/train_bundled_model.sh WORK_FOLDER
set -euo pipefail
work=$1
here=$(cd "$(dirname "$0")" && pwd)
epipam=$here/../.venv/bin/epipam

about="Trained by kipoi_model/train_bundled_model.sh on simulated sequence, in which positive pairs \
carry CTCF sites in convergent orientation. It shows that epipam works and is not a predictor for \
human cells."

make_store() { # NAME SITES SEED CONTIG_LENGTH POSITIVES
  "$epipam" simulate -o "$work/$1" --sites "$2" --seed "$3" --contig-length "$4" --positives "$5"
  "$epipam" build-store "$work/$1/genome.fa" "$work/$1/pairs.tsv" --augment 1 -o "$work/$1.zarr"
}

train() { # NAME SEED ...
  "$epipam" train "$work/$1.zarr" -o "$work/run-$1" --max-shift 100 --seed "$2" "${@:3}"
}

mkdir -p "$work"
# From easy to hard: from scratch, with four sites per anchor, this network was still at chance after
# 60,000 windows; with twelve it leaves its plateau after some 40,000.
make_store twelve-sites 12 5 6000000 7000
make_store four-sites 4 2026 20000000 20000
make_store one-site 1 2027 20000000 20000
train twelve-sites 1 --epochs 8 --patience 8 --batch-size 50
train four-sites 2 --epochs 1 --init "$work/run-twelve-sites/model"
train one-site 3 --epochs 2 --init "$work/run-four-sites/model" --about "$about"
"$epipam" kipoi export "$work/run-one-site/model" -o "$here/EPIPAM" --overwrite
