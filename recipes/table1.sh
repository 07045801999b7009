#!/usr/bin/env bash
# Table 1 of the paper on the Foley stage: the teacher, its student, and the encoder trained on close-ups by its
# pretraining's loss without a teacher; whole clips, close-ups, camera movements.
#
#     recipes/table1.sh                       # what is not scored yet, resuming whatever is unfinished
#     recipes/table1.sh --part 2/3            # the second of three machines; put their scores/ together
#     AFRESH=1 recipes/table1.sh              # without the scores that come with the repository
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
exec .venv/bin/cinefoley reproduce table1 --data stage --model lite --train-clips 8192 --epochs 3.125 --steps 12 -o "$OUT" "$@"
