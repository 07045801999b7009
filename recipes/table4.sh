#!/usr/bin/env bash
# Table 4 of the paper on the Foley stage: how many of the clips are varied, 50, 75 or 100 %.
#
#     recipes/table4.sh                       # compute the missing scores, then print the table; resumes
#     recipes/table4.sh --part 2/3            # on the second of three machines; collect their scores/
#     AFRESH=1 recipes/table4.sh              # ignore the scores in the repository
#
# Each of 8,192 clips is used about three times: stage clips cost little, and a student learns more from new clips
# than from repeated ones. 12 denoising steps give the same metrics as 25. docs/log.md has the numbers for both.
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
exec .venv/bin/cinefoley reproduce table4 --data stage --model lite --train-clips 8192 --epochs 3.125 --steps 12 -o "$OUT" "$@"
