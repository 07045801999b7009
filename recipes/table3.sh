#!/usr/bin/env bash
# Table 3 of the paper on the Foley stage: which variation a student is shown, close-ups, camera movements or both;
# and our own preset, cinematic.
#
#     recipes/table3.sh                       # what is not scored yet, resuming whatever is unfinished
#     recipes/table3.sh --part 2/3            # the second of three machines; put their scores/ together
#     AFRESH=1 recipes/table3.sh              # without the scores that come with the repository
#
# 8,192 clips seen some three times: clips of the stage cost nothing, and a student learns more from new ones than
# from old ones. 12 denoiser calls give what 25 give. docs/log.md has the figures for both.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${AFRESH:-}" ]; then
    OUT=${OUT:-runs/afresh}
else
    OUT=${OUT:-runs/results}
    mkdir -p "$OUT/scores"
    for scores in docs/results/scores/*.json; do
        [ -e "$OUT/scores/${scores##*/}" ] || cp "$scores" "$OUT/scores/"
    done
fi
exec .venv/bin/cinefoley reproduce table3 --data stage --model lite --train-clips 8192 --epochs 3.125 --steps 12 -o "$OUT" "$@"
