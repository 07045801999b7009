#!/usr/bin/env bash
# Table 4 of the paper on the Foley stage: how many of the clips are varied, 50, 75 or 100 %.
#
#     recipes/table4.sh                       # all of it on this machine, resuming whatever is unfinished
#     recipes/table4.sh --part 2/3            # the second of three machines; put their scores/ together
#
# 8,192 clips seen some three times: clips of the stage cost nothing, and a student learns more from new ones than
# from old ones. 12 denoiser calls give what 25 give. docs/log.md has the figures for both.
set -euo pipefail
cd "$(dirname "$0")/.."
OUT=${OUT:-runs/results}
exec .venv/bin/cinefoley reproduce table4 --data stage --model lite --train-clips 8192 --epochs 3.125 --steps 12 -o "$OUT" "$@"
